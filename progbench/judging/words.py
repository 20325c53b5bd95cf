"""What an interval says of a difference, in the words of expected/README.md. Pure."""

from progbench.judging.resolution import EDGE

BETTER, NOT_WORSE, A_LITTLE_LOWER = "better", "not worse", "lower, by less than the margin"
WORSE, LOWER, UNDECIDED = "worse", "lower", "undecided"


def word(low: float, high: float, margin: float) -> str:
    """What the interval from `low` to `high` says of a difference, against a loss of `margin`, all in points.

    >>> [word(low, high, margin=0.5) for low, high in [(0.1, 0.9), (-0.2, 0.4), (-0.4, -0.1), (-0.9, -0.6)]]
    ['better', 'not worse', 'lower, by less than the margin', 'worse']
    >>> [word(low, high, margin=0.5) for low, high in [(-0.7, -0.1), (-0.7, 0.1)]]
    ['lower', 'undecided']
    """
    if low > EDGE:
        return BETTER
    if high < -margin - EDGE:
        return WORSE
    if low > -margin + EDGE:
        return A_LITTLE_LOWER if high < -EDGE else NOT_WORSE
    return LOWER if high < -EDGE else UNDECIDED


def held(said: str, low: float, margin: float) -> str:
    """The word that is left if a correction for several looks takes away which schedule is higher.

    >>> held("better", 0.1, margin=0.5), held("lower", -0.7, margin=0.5)
    ('not worse', 'undecided')
    """
    if said in (NOT_WORSE, UNDECIDED):
        return said
    return NOT_WORSE if low > -margin + EDGE else UNDECIDED


def in_words(said: str, margin: float, other: str = "fine-tuning") -> str:
    """A word as the end of a sentence: compared with what, and by how much.

    >>> in_words("not worse", 0.5), in_words("lower, by less than the margin", 1.0)
    ('not worse than fine-tuning by 0.5', 'lower than fine-tuning, by less than 1')
    """
    return {
        BETTER: f"better than {other}",
        NOT_WORSE: f"not worse than {other} by {margin:g}",
        A_LITTLE_LOWER: f"lower than {other}, by less than {margin:g}",
        WORSE: f"worse than {other} by more than {margin:g}",
        LOWER: f"lower than {other}, perhaps by less than {margin:g}",
        UNDECIDED: f"undecided whether it is worse than {other} by {margin:g}",
    }[said]
