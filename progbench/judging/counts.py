"""The verdict on a count of updated parameters, against a printed string or our own integer."""

from progbench.judging.expected import Cell
from progbench.judging.verdict import Observed, Verdict

_WAYS = {
    "both": "is",
    "rounded": "rounds, and does not truncate, to",
    "truncated": "truncates, and does not round, to",
    "": "neither rounds nor truncates to",
}


def rounding(count: int, printed: str) -> str:
    """How a count, in millions, gives the printed string: "both" ways, "rounded" or "truncated" alone, or "".

    >>> rounding(1_005_431_814, "1005.4"), rounding(217_786_372, "217.7"), rounding(217_786_372, "217.8")
    ('both', 'truncated', 'rounded')

    No single rule gives all that the paper prints: some of its totals are rounded and some truncated.
    """
    scaled = count * 10 ** len(printed.partition(".")[2])  # in whole numbers: binary fractions would round once more
    wanted = int(printed.replace(".", ""))
    rounded, truncated = wanted == (scaled + 500_000) // 1_000_000, wanted == scaled // 1_000_000
    return "both" if rounded and truncated else "rounded" if rounded else "truncated" if truncated else ""


def agrees_with_print(count: int, printed: str) -> bool:
    """Whether a count, in millions, rounds or truncates to the printed string."""
    return bool(rounding(count, printed))


def judge_count(cell: Cell, observed: Observed) -> Verdict:
    """The verdict on a counted cell: *reproduced* if it gives the print, *consistent* if our own integer.

    A bar that the paper draws without a number is *not printed*: nothing can be missing.
    """
    count, expectation = observed.count, cell.expectation
    if count is None:
        return Verdict.on(cell, "missing", observed.missing or "not counted", observed)
    if expectation.printed:
        way = rounding(count, expectation.printed)
        sentence = f"counted {count:,}, which {_WAYS[way]} the printed {expectation.printed} M"
        sentence += f"; {cell.basis_words}" if way and cell.basis_words and not cell.disputed else ""
        outcome = "reproduced" if way else "deviates"
        return Verdict.on(cell, outcome, sentence, observed, tier="count", rounding=way)
    if expectation.exact is not None:
        agrees = count == expectation.exact
        sentence = f"counted {count:,}, expected {'exactly that' if agrees else f'{expectation.exact:,}'}"
        return Verdict.on(cell, "consistent" if agrees else "deviates", sentence, observed, tier="count")
    if why := expectation.not_printed:
        return Verdict.on(cell, "not printed", why, observed)
    return Verdict.on(cell, "unjudged", "no number to judge by", observed)
