"""The entry point of pytest: `pytest --pyargs progbench.benchmarks` finds the benchmarks wherever they are installed.

Every session of this Python loads it. It does nothing for a session that does not name the benchmarks, since their
options are common words.
"""

import pytest

from progbench import places

NAME = "progbench.benchmarks"
# The options that nobody else is likely to mean.
OPTIONS = ("--suite", "--variants", "--no-train", "--require-gpu", "--update-reference", "--include", "--log-to")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config, parser, args):
    """Put the folder of the benchmarks in the place of their name, so that pytest loads their conftest.py at once.

    Who uses an option of theirs and does not name them is told what to type, unless a conftest.py knows such an option.
    """
    known = early_config.known_args_namespace
    if known.pyargs:
        args[:] = [_path(one) if _is_ours(one) else one for one in args]
        known.file_or_dir = [_path(one) if _is_ours(one) else one for one in known.file_or_dir]
    found = yield
    unknown = {one.partition("=")[0] for one in parser.parse_known_and_unknown_args(args)[1]}
    if strange := [one for one in OPTIONS if one in unknown]:
        raise pytest.UsageError(
            f"{strange[0]} is an option of the benchmarks, and this session does not name them: try "
            f"{places.command(args)}"
        )
    return found


def _is_ours(argument: str) -> bool:
    return argument.partition("::")[0].startswith(NAME) and argument[len(NAME) : len(NAME) + 1] in ("", ".", ":")


def _path(argument: str) -> str:
    """The path of what `progbench.benchmarks`, or a module in it, names; what follows `::` stays."""
    module, colons, rest = argument.partition("::")
    folder = places.root() / "benchmarks"
    inner = module.removeprefix(NAME).strip(".")
    return f"{folder / f'{inner}.py' if inner else folder}{colons}{rest}"
