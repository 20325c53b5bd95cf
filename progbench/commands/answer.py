"""progbench answer: how Progtuning compares with fine-tuning, and what it saves; no run needed.

Prints what the paper's numbers, counting and our recorded runs say. With --write it writes that as a page.

example: progbench answer --write docs --readme README.md
"""

import argparse
import os
from pathlib import Path

from progbench import places
from progbench.commands.shared import FINE
from progbench.errors import BadInput
from progbench.files import read_text, write_atomically
from progbench.report import answer, answer_page, figures, printing, text
from progbench.report.cells import plain
from progbench.session.reporting import Standing, standing


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--write", type=Path, metavar="DIR", help="write answer.md and answer.svg there")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="with --write: renew the answer in this README")


def run(options: argparse.Namespace) -> int:
    """Print the answer, or write it. Raises BadInput for a README without marks, or what cannot be written."""
    if options.readme and not options.write:
        raise BadInput("--readme needs --write: the picture that it shows lies there")
    found = standing(places.root() / "expected")
    if not options.write:
        printing.show(_text(found))
        return FINE
    for path, content in files(found, options.write, options.readme).items():
        try:
            write_atomically(path, content)
        except OSError as problem:
            raise BadInput(f"{path}: cannot be written: {problem.strerror or problem}") from None
        printing.show(f"written: {plain(path)}")
    return FINE


def files(found: Standing, folder: Path, readme: Path | None) -> dict[Path, str]:
    """What --write and --readme write, by its path.

    Raises BadInput for a README that cannot be read, or that has no marks.
    """
    written = {
        folder / "answer.md": answer_page.page(found.printed, found.recorded),
        folder / "answer.svg": figures.whole_answer(found.printed, found.recorded),
    }
    if readme:
        place = Path(os.path.relpath(folder, readme.parent)).as_posix()
        made = answer_page.section(found.printed, found.recorded, place)
        try:
            before = read_text(readme)
        except (OSError, ValueError) as problem:
            why = getattr(problem, "strerror", None) or problem
            raise BadInput(f"--readme {readme}: cannot be read: {why}") from None
        written[readme] = answer_page.put_into(before, made)
    return written


def _text(found: Standing) -> str:
    lines = [answer.QUESTION]
    for report in (found.printed, *found.recorded):
        lines += ["", *text.wrapped(report.purpose)]
        lines += [line for one in answer.sentences(report.contrasts, report.alone) for line in text.wrapped(one)]
        for table in report.answer_tables():
            lines += ["", table.title, text.grid(table.rows, table.headers, table.align)]
    return "\n".join(
        [*lines, "", *text.wrapped(answer.NOTE), "", *text.wrapped(answer.counted(found.printed.verdicts))]
    )
