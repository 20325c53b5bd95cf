"""The answer: is Progtuning as good as fine-tuning, and what does it save? From contrasts to words and to rows.

Every view begins with it. What the paper prints and what counting gives need no run; our own differences, and time and
memory, stand beside them where there are runs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from progbench.judging.compared import HIGHER, LOWER, WITHIN, Contrast, PrintAlone, number
from progbench.judging.guards import FITTED, PREDICTED, STATED
from progbench.judging.verdict import Verdict
from progbench.report.cells import plain
from progbench.report.comparisons import says
from progbench.report.grids import Grid
from progbench.runs.ledger import Cost

QUESTION = "Is Progtuning (the schedule “shrinking”) as good as fine-tuning (“constant”), and what does it save?"
WHOSE = ("model", "column")
PRINTED = ("print (margin)", "which is")
OURS = ("ours",)
SAVES = ("updated %", "FLOPs %", "time %", "memory %")
NOTE = (
    "Scores in points, ours with the interval and the number of seeds; updated parameters, FLOPs in the "
    "blocks' weights, step time and a GPU's peak memory as percent more or less; ? is not measured."
)
FINE_TUNING = "constant"
NONE_FEWER = "0.0 % fewer"
MAIN, ABLATIONS = "Progtuning less fine-tuning", "Ablations: Progtuning less another schedule"
_MARGINS = (
    "A margin is about the standard error of one score on other examples. Two models that are scored on the same "
    "examples differ by less noise than that, and the print gives no spread over seeds: so print alone, without "
    "spreads, decides neither way."
)


def sentences(contrasts: Sequence[Contrast], alone: Sequence[PrintAlone] = ()) -> list[str]:
    """The answer in words: by the print, on our runs, and what it saves; nothing for no contrasts.

    `alone` is the print read in pairs, by spreads that others published.

    >>> one = Contrast("Table 1", "m", "shrinking", "constant", "Avg", True, printed=0.2, margin=0.6, updated=0.741,
    ...     flops=0.889)
    >>> for line in sentences([one]):
    ...     print(line[:69].strip())
    In print Progtuning (the schedule “shrinking”) less fine-tuning (“con
    A margin is about the standard error of one score on other examples.
    No run of ours with these models is behind this: it is what the paper
    Progtuning updates 25.9 % fewer parameters of m and spends 11.1 % few
    """
    first = _first(contrasts)
    if not first:
        return []
    printed = [one for one in first if one.printed is not None]
    found = []
    if printed:
        found += [_in_print(heads(printed)), *_beyond([one for one in printed if not one.whole]), _MARGINS]
        found += _in_pairs([one for one in alone if one.table == first[0].table])
    return [*found, on_runs(contrasts), _saved(heads(first))]


def brief(
    contrasts: Sequence[Contrast], alone: Sequence[PrintAlone] = (), others: Sequence[Sequence[Contrast]] = ()
) -> list[str]:
    """The answer in three points: by the print, on our runs, and what it saves.

    Where no model of `contrasts` was run, the runs are those of `others`, which are of other models.
    """
    first = _first(contrasts)
    printed = [one for one in first if one.printed is not None]
    if not printed:
        return []
    said = _in_print(heads(printed), known=True)
    if beyond := [one.body for one in alone if one.table == first[0].table and one.beyond_chance]:
        said = (
            f"{said[:-1]}; by spreads over seeds that are borrowed from other runs {_listed(beyond)} lie beyond chance."
        )
    ours = on_runs(contrasts) if _run(contrasts) or not any(map(_run, others)) else _on_others(others)
    return [said, ours, _saved(heads(first))]


def _run(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The averages that were run, of the first table."""
    return [one for one in heads(_first(contrasts)) if one.mean is not None]


def _on_others(others: Sequence[Sequence[Contrast]]) -> str:
    """What runs of other models say, where nobody has run the paper's."""
    run = [one for contrasts in others for one in _run(contrasts)]
    return f"None of these models was run here. On our runs of others, paired by seed, {MAIN} is {_all_on_ours(run)}"


def on_runs(contrasts: Sequence[Contrast]) -> str:
    """What our own runs say, of the averages where there are any."""
    if run := _run(contrasts):
        return f"On our runs, paired by seed, {MAIN} is {_all_on_ours(run)}"
    if any(one.mean is not None for one in contrasts):
        return "On our runs no average is complete yet: the tasks that were run stand below."
    read = "what the paper prints, and " if any(one.printed is not None for one in contrasts) else ""
    return f"No run of ours with these models is behind this: it is {read}what counting alone gives."


def tables(contrasts: Sequence[Contrast], costs: Iterable[Cost] = (), *, every: bool = False) -> list[Grid]:
    """Progtuning less fine-tuning, and the ablations less Progtuning; without those that have no row.

    Only averages where a table of the paper has them, unless `every`. What is printed has no columns where nothing is.
    """
    taken = {(one.body, one.schedule): one for one in costs}
    printed = any(one.printed is not None for one in contrasts)
    names = (*WHOSE, *(PRINTED if printed else ()), *OURS, *SAVES)
    align = f"left left {'right left ' if printed else ''}right right right right right"
    chosen = contrasts if every else heads(contrasts)
    sides = (
        (MAIN, [one for one in chosen if one.against == FINE_TUNING]),
        (ABLATIONS, [one for one in chosen if one.against != FINE_TUNING]),
    )
    return [Grid(names, [_row(one, taken, printed) for one in own], align, title) for title, own in sides if own]


def named(one: Contrast) -> str:
    """Whose difference it is: a model, and of an ablation the rival of Progtuning."""
    return one.body if one.against == FINE_TUNING else f"{one.body}, less {one.against.replace('_', ' ')}"


def ours(one: Contrast) -> str:
    """Our own difference with its interval and seeds, or that there is none.

    >>> ours(Contrast("Table 1", "m", "shrinking", "constant", "RTE", False).on_runs({0: 1.0, 1: 2.0}))
    '+1.50 (2)'
    """
    if one.mean is None:
        return "not run"
    if one.low is None or one.high is None:
        return f"{one.mean:+z.2f} ({len(one.seeds)})"
    fewest, most = one.counts or (len(one.seeds), len(one.seeds))
    count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    tasks = f" on {_listed(one.over)}" if one.over else ""
    return f"{number(one.mean, one.low, one.high)} ({count}){tasks} {says(one.word, one.loss or 0.0)}"


def _all_on_ours(run: Sequence[Contrast]) -> str:
    """Differences as the end of a sentence, and what must be said with each in a sentence of its own."""
    said = f"{_listed(list(map(_on_ours, run)))}."
    return " ".join([said, *(f"{_whose(one)}: {'; '.join(one.caveats)}." for one in run if one.caveats)])


def _on_ours(one: Contrast) -> str:
    """The same in a sentence: the difference, whose it is, what it says, and what it is an average of."""
    fewest, most = one.counts or (len(one.seeds), len(one.seeds))
    seeds = f"{most} seed{'s' * (most != 1)}" if fewest == most else f"{fewest} to {most} seeds"
    if one.low is None or one.high is None:
        return f"{one.mean:+z.2f} for {_whose(one)} ({seeds}, too few for an interval)"
    average = [f"the average of {_listed(one.over)}"] if one.over else []
    about = "; ".join([says(one.word, one.loss or 0.0), *average, seeds])
    return f"{number(one.mean, one.low, one.high)} for {_whose(one)} ({about})"


def less(share: float | None) -> str:
    """A share as what it is more or less, in percent.

    >>> less(0.741), less(1.0), less(None)
    ('-25.9', '+0.0', '?')
    """
    return "?" if share is None else f"{100 * (share - 1):+z.1f}"


def _row(one: Contrast, taken: Mapping[tuple[str, str], Cost], with_print: bool) -> list[str]:
    printed = []
    if with_print:
        difference = "" if one.printed is None else f"{one.printed:+z.1f} ({one.margin:g})"
        printed = [difference, one.on_print or "not comparable"]
    mine, other = (taken.get((one.body, name)) for name in (one.schedule, one.against))
    measured = [_ratio(mine, other, one.against, name) for name in ("step_seconds", "memory")]
    return [named(one), one.column, *printed, ours(one), *map(less, (one.updated, one.flops, *measured))]


def _ratio(mine: Cost | None, other: Cost | None, against: str, name: str) -> float | None:
    value = getattr(mine, name, None)
    if against == "constant" or value is None:
        return value
    beside = getattr(other, name, None)
    return value / beside if beside else None


def heads(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The averages; where a model and tuning has no average, its columns."""
    averaged = {(one.table, one.body, one.against) for one in contrasts if one.whole}
    return [one for one in contrasts if one.whole or (one.table, one.body, one.against) not in averaged]


def _first(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Progtuning less fine-tuning in the first table that has it: the paper's main question."""
    found = [one for one in contrasts if one.against == FINE_TUNING]
    return [one for one in found if one.table == found[0].table]


def _in_print(heads: Sequence[Contrast], *, known: bool = False) -> str:
    """The averages on the print; where the names of the schedules are known to the reader, without them."""
    words = {HIGHER: "higher", LOWER: "lower", WITHIN: "within noise"}
    each = [f"{one.printed:+z.1f} for {_whose(one)} ({words[one.on_print]}, margin {one.margin:g})" for one in heads]
    average = ", on average," if all(one.whole for one in heads) else ""
    who = MAIN if known else "Progtuning (the schedule “shrinking”) less fine-tuning (“constant”)"
    return f"In print {who} is{average} {_listed(each)}."


def _in_pairs(alone: Sequence[PrintAlone]) -> list[str]:
    known = [one for one in alone if one.factor is not None]
    each = [
        f"the average of {one.body} is {'' if one.beyond_chance else 'not '}beyond chance (it is at spreads of up to "
        f"{one.factor:.2f} times theirs), and {one.up} of {one.tasks} tasks go up (sign flip p {one.p:.2g})"
        for one in known
    ]
    if not each:
        return []
    return [
        "Read in pairs, by spreads over seeds that are borrowed from runs of others, most of them of RoBERTa-base with "
        f"LoRA: {'; '.join(map(plain, each))}. A sign flip, which asks whether other tasks would go up, too, is "
        "one-sided here, and not corrected for the number of models."
    ]


def _beyond(tasks: Sequence[Contrast]) -> list[str]:
    """Task by task, what lies beyond its margin."""
    bodies = dict.fromkeys(one.body for one in tasks)
    found = []
    for body in bodies:
        own = [one for one in tasks if one.body == body]
        sides = [
            f"{word} on {_listed([f'{one.column} ({one.printed:+z.1f})' for one in those])}"
            for word in (LOWER, HIGHER)
            if (those := [one for one in own if one.on_print == word])
        ]
        below = sum(one.printed < 0 for one in own if one.printed is not None)
        found.append(f"{body} is {' and '.join(sides) or 'beyond it nowhere'} (below 0 on {below} of {len(own)})")
    return [f"Task by task, beyond the margin, {'; '.join(found)}."] if found else []


def _saved(heads: Sequence[Contrast]) -> str:
    # why FLOPs are saved less than parameters, or as they are: where the gradient goes below the frozen blocks
    reasons = (
        "a gradient still passes through the frozen blocks to the embeddings",
        "no gradient passes below the lowest block that trains",
    )
    groups: dict[str, dict[str, Contrast]] = {}
    for one in (one for one in heads if one.updated is not None):
        groups.setdefault(reasons[one.tuning in ("adapter", "lora")], {}).setdefault(one.body, one)
    known = []
    for why, those in groups.items():
        updates = [f"{_percent(one.updated)} fewer parameters of {body}" for body, one in those.items()]
        shares = [*dict.fromkeys(f"{_percent(one.flops)} fewer" for one in those.values() if one.flops is not None)]
        spent = "no fewer" if shares == [NONE_FEWER] else _listed(shares)
        spends = f" and spends {spent} FLOPs in the blocks' weights, since {why}" if shares else ""
        known.append(f"updates {_listed(updates)}{spends}")
    stays = "AdamW's moments and peak memory stay, since the first epoch trains every block"
    return f"Progtuning {'; it '.join(known)}; {stays}." if known else ""


def _whose(one: Contrast) -> str:
    return one.body if one.whole else f"{one.body} on {one.column}"


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * (1 - share):.1f} %"


def _listed(words: Sequence[str]) -> str:
    shown = [plain(one) for one in words]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def fitted(verdicts: Sequence[Verdict]) -> int:
    """How many counts agree with the print by a setting that the paper's own totals determined."""
    found = Counter(one.basis for one in verdicts if one.outcome == "reproduced")
    return found[FITTED] + found[PREDICTED]


def counted(verdicts: Sequence[Verdict]) -> str:
    """What the printed counts rest on, and that no single rule of rounding gives all; "" where none agrees."""
    agreeing = [one for one in verdicts if one.outcome == "reproduced" and one.rounding]
    if not agreeing:
        return ""
    basis, ways = (Counter(getattr(one, name) for one in agreeing) for name in ("basis", "rounding"))
    disputed = sum(one.outcome == "disputed" and one.kind == "counted" for one in verdicts)
    phrases = [
        (basis[STATED], f"{basis[STATED]} follow from what the paper states"),
        (basis[FITTED], f"{basis[FITTED]} determined a setting that it leaves open, and so prove nothing"),
        (basis[PREDICTED], f"{basis[PREDICTED]} follow from that setting"),
        (disputed, f"{disputed} disputed"),
    ]
    text = f"printed counts: {', '.join(phrase for count, phrase in phrases if count)}"
    if ways["rounded"] and ways["truncated"]:
        text += (
            f"; of the {len(agreeing)} that agree {ways['both']} do so rounded and truncated, {ways['rounded']} only "
            f"rounded, {ways['truncated']} only truncated: no single rule gives all"
        )
    return text
