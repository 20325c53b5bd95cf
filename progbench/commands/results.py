"""progbench results: write RESULTS.md, with figures and a page, from the recorded files.

Writes what all recorded runs of ours say, as they lie in expected/. Trains nothing.

example: progbench results --out pages
"""

import argparse
from pathlib import Path

from progbench import places
from progbench.commands.shared import FINE
from progbench.errors import BadInput
from progbench.report import printing, record_page
from progbench.report.cells import plain
from progbench.session import recording


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=places.root(), help="the folder to write to (default: this checkout)"
    )


def run(options: argparse.Namespace) -> int:
    """Write what is recorded. Raises BadInput for a recorded file that is damaged, and where it cannot be written."""
    found = recording.recorded(places.root() / "expected")
    try:
        written = record_page.write(found, options.out)
    except OSError as problem:
        raise BadInput(f"--out {options.out}: cannot be written: {problem.strerror or problem}") from None
    printing.show("\n".join(f"written: {plain(path)}" for path in written))
    return FINE
