"""A verdict as the outcome of a test: passed, failed, skipped or xfailed, and its words."""

from progbench.judging.claims import ClaimVerdict
from progbench.judging.verdict import Verdict

_OUTCOMES = {  # of cells, and of claims
    "reproduced": "passed",
    "consistent": "passed",
    "deviates": "failed",
    "error": "failed",
    "disputed": "xfailed",
    "missing": "skipped",
    "unjudged": "skipped",
    "not printed": "skipped",
    "inconclusive": "skipped",
    "holds": "passed",
    "within noise": "skipped",
    "does not hold": "failed",
    "undecided": "skipped",
}
_IS = ("within noise", "undecided")  # what an answer is, where the others are what a sentence does


def of_cell(verdict: Verdict) -> tuple[str, str]:
    """The outcome of a cell's test, and its words.

    >>> from progbench.judging.verdict import unreadable
    >>> of_cell(unreadable("table1", "malformed"))
    ('failed', 'error: malformed')
    """
    words = verdict.sentence if verdict.outcome == "disputed" else f"{verdict.outcome}: {verdict.sentence}"
    return _OUTCOMES[verdict.outcome], words


def of_claim(verdict: ClaimVerdict) -> tuple[str, str]:
    """The outcome of a claim's test, and its words: the answer of the print, and that of our runs.

    >>> from progbench.judging.claims import unreadable
    >>> of_claim(unreadable("malformed"))[0]
    'failed'
    """
    said = f"is {verdict.on_print}" if verdict.on_print in _IS else verdict.on_print
    ours = "by counting" if verdict.by_counts else "on our runs"
    words = f"{ours}: {verdict.our_words}"
    words = f"on the print it {said}: {verdict.print_words}; {words}" if verdict.printed else words
    lead = f"{verdict.disputed}; " if verdict.outcome == "disputed" else f"{verdict.outcome}: "
    return _OUTCOMES[verdict.outcome], lead + words
