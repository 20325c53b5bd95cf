"""How a verdict shows as the outcome of a test: passed, failed, skipped or xfailed, and in which words."""

from __future__ import annotations

from progbench.judging.claims import ClaimVerdict
from progbench.judging.verdict import Verdict

_OF_CELLS = {
    "reproduced": "passed",
    "consistent": "passed",
    "deviates": "failed",
    "error": "failed",
    "disputed": "xfailed",
    "missing": "skipped",
    "unjudged": "skipped",
    "not printed": "skipped",
    "inconclusive": "skipped",
}
_OF_CLAIMS = {
    "holds": "passed",
    "within noise": "skipped",
    "does not hold": "failed",
    "error": "failed",
    "disputed": "xfailed",
    "undecided": "skipped",
}
_IS = ("within noise", "undecided")  # what an answer is, where the others are what a sentence does


def of_cell(found: Verdict) -> tuple[str, str]:
    """The outcome of a cell's test, and its words.

    >>> from progbench.judging.verdict import unreadable
    >>> of_cell(unreadable("table1", "malformed"))
    ('failed', 'error: malformed')
    """
    words = found.sentence if found.outcome == "disputed" else f"{found.outcome}: {found.sentence}"
    return _OF_CELLS[found.outcome], words


def of_claim(found: ClaimVerdict) -> tuple[str, str]:
    """The outcome of a claim's test, and its words: what it comes to on the print, and on our runs.

    >>> from progbench.judging.claims import unreadable
    >>> of_claim(unreadable("malformed"))[0]
    'failed'
    """
    said = f"is {found.on_print}" if found.on_print in _IS else found.on_print
    ours = "by counting" if found.by_counts else "on our runs"
    words = f"{ours}: {found.our_words}"
    words = f"on the print it {said}: {found.print_words}; {words}" if found.printed else words
    lead = f"{found.disputed}; " if found.outcome == "disputed" else f"{found.outcome}: "
    return _OF_CLAIMS[found.outcome], lead + words
