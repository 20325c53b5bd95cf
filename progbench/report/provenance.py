"""Which code made a report's runs, and what speaks against taking their numbers, times or files as they are."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from progbench.environment import DIRTY
from progbench.report.cells import some
from progbench.runs.ledger import Entry

MOST = 3  # runs and commits that a sentence names
_UNKNOWN = "made by code of unknown commit, as an installed package's is (a git checkout would name it)"


def commit(name: str) -> str:
    """A commit as a reader takes it in: its first ten digits, and whether there is more to it than that commit.

    >>> commit("0123456789abcdef-dirty"), commit("unknown")
    ('0123456789-dirty', 'unknown')
    """
    return name.removesuffix(DIRTY)[:10] + (DIRTY if name.endswith(DIRTY) else "")


def commits(entries: Iterable[Entry]) -> str:
    """The commits that runs were made by, and how many by each; "" for no runs."""
    counts = Counter(commit(run.commit) for entry in entries for run in entry.runs)
    words = [f"{name} ({count})" for name, count in counts.most_common()]
    return f"runs by commit: {some(words, MOST)}" if words else ""


def doubts(environment: Mapping[str, object], entries: Sequence[Entry]) -> list[str]:
    """Sentences on a report and its runs: made by code that is no commit, or beside other runs."""
    runs = {f"{entry.recipe} seed {run.seed}": run for entry in entries for run in entry.runs}
    trained = {name: run for name, run in runs.items() if not run.error}
    found = []
    own = str(environment.get("commit", ""))
    if own.endswith(DIRTY):
        found.append(f"this report was made by changed code ({commit(own)}): nobody else can make it again")
    changed = [f"{name} ({commit(run.commit)})" for name, run in trained.items() if run.commit.endswith(DIRTY)]
    found += _said(changed, "made by changed code, which no commit has")
    found += _said([name for name, run in trained.items() if run.commit == "unknown"], _UNKNOWN)
    # which step times say nothing of a run alone
    timed = {name: run for name, run in trained.items() if run.step_seconds is not None and not run.alone}
    shared = [f"{name} ({run.others})" for name, run in timed.items() if run.others]
    found += _said(shared, "beside other runs on the same device, with step times left out")
    unknown = [name for name, run in timed.items() if run.others is None]
    return found + _said(unknown, "without a record of what else used the device, with step times left out")


def _said(names: Sequence[str], what: str) -> list[str]:
    return [f"{len(names)} run{'s' * (len(names) > 1)} {what}: {some(names, MOST)}"] if names else []
