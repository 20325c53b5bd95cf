"""The section on Table 5: other schedules beside Progtuning, what would make them collapse, and what a guess scores."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from progbench.judging.compared import Compared, name
from progbench.report import canvas, comparisons
from progbench.report.canvas import BLUE, GREEN, GREY, ORANGE, PURPLE
from progbench.report.record import Block, Figure, Grid, OfSuite, Printed, Recorded
from progbench.tasks.catalog import task_of, tasks

OTHERS = ("without_low_blocks", "growing")
_ROWS = ("shrinking", *OTHERS)


def short(suite: OfSuite, printed: Sequence[Printed]) -> list[str]:
    """The answer for each schedule that is compared with Progtuning, and where the print says another."""
    lines = []
    for schedule in OTHERS:
        found = suite.of_schedule(schedule)
        told = [
            f"{one.task} {one.number}, {one.word}, p {one.p:.3f} (printed {_printed(one, printed)})" for one in found
        ]
        gaps = [(one, gap) for one in found if (gap := _gap(one, printed)) is not None]
        outside = [one.task for one, gap in gaps if not one.low <= gap <= one.high]
        if found:
            lines.append(
                f"Progtuning less {name(schedule)}, p after Holm's correction, and what Table 5 prints of BERT-base: "
                f"{'; '.join(told)}. The printed difference lies outside the interval on "
                f"{', '.join(outside) or 'none'}."
            )
    return lines


def what_ifs(suite: OfSuite, printed: Sequence[Printed]) -> list[str]:
    """What gives MRPC's printed accuracies: a schedule, an optimizer built after the first freeze, or a guess.

    Three seeds are needed of a schedule with that optimizer and without it. The intervals are Student's, at 95 %.
    """
    lines = []
    tried_on = [recipe.task for one in suite.results if (recipe := suite.recipes[one]).optimized != "all"]
    for recipe_id, recipe in suite.recipes.items():
        if recipe.optimized == "all" or recipe.task != "mrpc" or recipe.schedule not in OTHERS:
            continue
        alone, tried = (suite.points(one, "mrpc", "accuracy") for one in (recipe_id.partition("~")[0], recipe_id))
        if min(len(alone), len(tried)) < 3:
            continue
        value = next(one.value for one in _accuracies(printed) if one.schedule == recipe.schedule)
        low, high = _interval(tried)
        if low <= value <= high:
            says = "gives the printed number"
        elif abs(statistics.fmean(tried) - value) < abs(statistics.fmean(alone) - value):
            says = "brings it nearer to the printed number and does not give it: here it is a part of the fall at most"
        else:
            says = "does not explain the printed number"
        lines.append(
            f"{name(recipe.schedule)} scores an accuracy of {_with_interval(alone)} on MRPC, and "
            f"{_with_interval(tried)} with an optimizer that is built after the first freeze ({len(tried)} seeds, 95 % "
            f"intervals); {value:g} is printed of BERT-base. Such an optimizer {says}. It was tried on "
            f"{', '.join(dict.fromkeys(tried_on))} alone."
        )
    return lines + _given(suite, _accuracies(printed))


def _given(suite: OfSuite, targets: Sequence[Printed]) -> list[str]:
    """Whether some recorded run gives an accuracy that is printed of MRPC, and how near a guess comes."""
    guess = suite.guesses.get("mrpc accuracy")
    scores = {one: suite.points(one, "mrpc", "accuracy") for one in suite.results if suite.recipes[one].task == "mrpc"}
    known = {one: _interval(points) for one, points in scores.items() if len(points) > 2}
    if guess is None or not known:
        return []
    given = [
        f"{one} gives {target.value:g}"
        for target in targets
        for one, (low, high) in known.items()
        if suite.recipes[one].schedule in OTHERS and low <= target.value <= high
    ]
    printed = " and ".join(f"{target.value:g}" for target in targets)
    gaps = ", ".join(f"{guess - target.value:+.2f} from {target.value:g}" for target in targets)
    return [
        f"of the accuracies {printed} that are printed of MRPC, by 95 % intervals "
        f"{', '.join(given) or 'no recorded schedule gives one'}; always answering paraphrase scores {guess:.2f} "
        f"({gaps})."
    ]


def _with_interval(points: Sequence[float]) -> str:
    low, high = _interval(points)
    return f"{statistics.fmean(points):.2f} [{low:.2f}, {high:.2f}]"


def _interval(points: Sequence[float]) -> tuple[float, float]:
    from progbench.judging import effect  # with scipy

    low, high = effect.interval(effect.on_this_set(effect.from_scores(points)), 0.025)
    return float(low), float(high)


def _accuracies(printed: Sequence[Printed]) -> list[Printed]:
    return [one for one in printed if one.evaluation_set == "mrpc" and one.metric == "accuracy"]


def _printed(one: Compared, printed: Sequence[Printed]) -> str:
    """The printed difference of a column, or both numbers where they are of two metrics."""
    found = {cell.schedule: cell for cell in printed if cell.column == one.task}
    if not {one.left, one.right} <= {*found}:
        return "not printed"
    left, right = found[one.left], found[one.right]
    gap = _gap(one, printed)
    return f"{left.metric} {left.value:g} and {right.metric} {right.value:g}" if gap is None else f"{gap:+z.1f}"


def _gap(one: Compared, printed: Sequence[Printed]) -> float | None:
    """The printed difference of a column; None where it is not printed, or of two metrics."""
    found = {cell.schedule: cell for cell in printed if cell.column == one.task}
    left, right = (found.get(schedule) for schedule in (one.left, one.right))
    return left.value - right.value if left and right and left.metric == right.metric else None


def blocks(found: Recorded) -> Iterator[Block]:
    """The section."""
    yield (
        "Table 5 is of BERT-base; the recorded models are others, so a number of theirs need not be the printed one. "
        "Asked is whether the schedules fall as far. On MRPC the print mixes metrics: Progtuning's 89.8 is F1, and the "
        "68.5 and 67.9 below it are accuracy (section 5.2 calls it that)."
    )
    for suite in found.suites:
        pairs = [one for schedule in OTHERS for one in suite.of_schedule(schedule)]
        models = list(dict.fromkeys(wanted.model for wanted in suite.recipes.values() if wanted.schedule in OTHERS))
        if not models:
            yield f"{suite.name} has no such schedules."
        for title, those in comparisons.groups(pairs):
            yield f"{suite.name}, {title}:"
            yield comparisons.grid(comparisons.FULL, those)
        if pairs:
            yield comparisons.remarks(pairs)
        for model in models:
            yield from _of_model(suite, model, found.ablation)
    yield from _what_ifs(found)


def _of_model(suite: OfSuite, model: str, printed: Sequence[Printed]) -> Iterator[Block]:
    """A model's scores by schedule, beside the printed ones and a guess's."""
    order = list(dict.fromkeys(one.evaluation_set for one in printed))
    columns = sorted({(one.evaluation_set, one.metric): 0 for one in printed}, key=lambda one: order.index(one[0]))
    schedules = {name(one): (one, "") for one in _ROWS}  # with their what-ifs
    for recipe in suite.recipes.values():
        if recipe.optimized != "all" and recipe.model == model and recipe.schedule in OTHERS:
            schedules[f"{name(recipe.schedule)}, {recipe.variant}"] = recipe.schedule, f"~{recipe.variant}"
    points: dict[str, list[list[float]]] = {}
    for label, (schedule, variant) in schedules.items():
        ids = [f"{model}-{schedule}-{task_of(evaluation_set).name}{variant}" for evaluation_set, _ in columns]
        points[label] = [suite.points(one, *column) for one, column in zip(ids, columns, strict=True)]
    if not any(any(scores) for scores in points.values()):
        yield f"{suite.name}, {model}: not recorded."
        return
    rows = [[label, *map(mean, scores)] for label, scores in points.items()]
    guesses = [suite.guesses.get(f"{evaluation_set} {metric}") for evaluation_set, metric in columns]
    rows.append(["always the most frequent class", *("" if one is None else f"{one:.2f}" for one in guesses)])
    for schedule in _ROWS:
        values = {(one.evaluation_set, one.metric): one.value for one in printed if one.schedule == schedule}
        rows.append([f"printed: {name(schedule)}", *(f"{values[one]:.1f}" if one in values else "" for one in columns)])
    yield f"{suite.name}, {model}: mean ± standard deviation over seeds, and how many there are:"
    heads = [f"{evaluation_set} {metric}" for evaluation_set, metric in columns]
    yield Grid(("schedule", *heads), rows, " ".join(["left"] + ["right"] * len(heads)))
    yield _collapsed(points, columns, guesses)
    drawn = canvas.svg(_drawn, heads, points, guesses)
    caption = f"{suite.name}, {model}: scores by schedule, a dot a seed"
    yield Figure(f"ablation-{suite.name}-{model}.svg", drawn, caption)


def _drawn(columns: Sequence[str], rows: Mapping[str, Sequence[Sequence[float]]], guesses: Sequence[float | None]):
    """Scores of each column on a scale of its own, a dot a seed, a colour a schedule; dotted: the constant guess.

    A schedule without a score is left out.
    """
    colors = (BLUE, ORANGE, GREEN, PURPLE)
    figure = canvas.new_figure(8, 3.4)
    for x, axes in enumerate(figure.subplots(1, len(columns), squeeze=False)[0]):
        for i, (label, scores) in enumerate(rows.items()):
            if any(scores):
                axes.plot([i] * len(scores[x]), scores[x], "o", color=colors[i % 4], markersize=4, label=label)
        if guesses[x] is not None:
            axes.axhline(guesses[x], linestyle=":", color=GREY, linewidth=1.2)
        axes.plot([], [], ":", color=GREY, linewidth=1.2, label="always the most frequent class")
        axes.set_title(columns[x].replace(" ", "\n", 1).replace("_", "\n"))
        axes.set_xlim(-0.7, len(rows) - 0.3)
        axes.set_xticks([])
    figure.axes[0].set_ylabel("points")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure


def _collapsed(
    points: Mapping[str, Sequence[Sequence[float]]], columns: Sequence[tuple[str, str]], guesses: Sequence[float | None]
) -> str:
    """How many seeds are no better than a guess: what a collapse to the most frequent class looks like."""
    found = []
    for label, scores in points.items():
        for (evaluation_set, metric), values, guess in zip(columns, scores, guesses, strict=True):
            below = 0 if guess is None else sum(one <= guess for one in values)
            if below:
                found.append(f"{label}, {evaluation_set} {metric}: {below} of {len(values)}")
    return f"Seeds that score no more than always the most frequent class: {'; '.join(found) or 'none'}."


def mean(points: Sequence[float]) -> str:
    """Scores as mean ± standard deviation over seeds, and how many.

    >>> mean([70.0, 72.0]), mean([])
    ('71.00 ± 1.41 (2)', 'not recorded')
    """
    if not points:
        return "not recorded"
    spread = f" ± {statistics.stdev(points):.2f}" if len(points) > 1 else ""
    return f"{statistics.fmean(points):.2f}{spread} ({len(points)})"


def _what_ifs(found: Recorded) -> Iterator[Block]:
    """What would give the printed 67.9 and 68.5 of MRPC, and the 68.5 of STS-B."""
    yield (
        "What would give the two printed accuracies of MRPC? An optimizer that is built after the first freeze (the "
        "variant optimizer-after-freeze) never moves what is frozen then: under growing, the low blocks. If its "
        "accuracy is near the printed one and that of growing alone is not, the printed fall is the optimizer's, and "
        "not the schedule's. If both are near it, the paper's reading stands. If neither is, something else differs."
    )
    targets = _accuracies(found.ablation)
    known = [suite.guesses for suite in found.suites if "mrpc accuracy" in suite.guesses]
    lines = []
    if known:
        apart = ", ".join(f"{known[0]['mrpc accuracy'] - one.value:+.2f} from {one.value:g}" for one in targets)
        lines.append(
            f"A model that always answers paraphrase: accuracy {known[0]['mrpc accuracy']:.2f} and F1 "
            f"{known[0]['mrpc f1']:.2f}, by counting the development set. That accuracy is {apart} (a mean of five "
            "printed with one decimal)."
        )
    else:
        lines.append("A model that always answers paraphrase: not counted, since no run of MRPC is recorded.")
    lines += [line for suite in found.suites for line in _candidates(suite, targets)]
    floors = ", ".join(f"{name}: {blocks} blocks in {epochs} parts" for name, (blocks, epochs) in found.cut.items())
    whole = all(blocks % epochs == 0 for blocks, epochs in found.cut.values())
    lines.append(
        f"Eq. 2's literal floor: it cuts as the recipes here do where the parts divide the blocks ({floors}). "
        + ("They do, so it is the same run, and gives neither number." if whole else "They do not everywhere.")
    )
    yield lines


def _candidates(suite: OfSuite, targets: Sequence[Printed]) -> Iterator[str]:
    """What each recipe of a schedule that should collapse scores on MRPC, and how far from the print that is."""
    metrics = tasks()["mrpc"].metrics
    for recipe_id, recipe in suite.recipes.items():
        other = recipe.variant and recipe.optimized == "all"  # another precision, say, is no what-if of Table 5
        if other or recipe.task != "mrpc" or recipe.tuning != "full" or recipe.schedule not in OTHERS:
            continue
        label = f"{suite.name}, {recipe_id}"
        points = suite.points(recipe_id, "mrpc", "accuracy")
        if not points:
            yield f"{label}: not recorded."
            continue
        average = statistics.fmean(points)
        printed = next(one.value for one in targets if one.schedule == recipe.schedule)
        others = ", ".join(f"{metric} {mean(suite.points(recipe_id, 'mrpc', metric))}" for metric in metrics)
        yield f"{label}: {others}; its accuracy is {average - printed:+.2f} from the printed {printed:g}."
