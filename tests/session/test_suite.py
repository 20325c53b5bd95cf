"""A session without pytest: what is trained, what is only looked up, and what becomes of what goes wrong."""

import dataclasses

import pytest
from made_up import cell, judged, result, suite

from progbench.errors import Missing
from progbench.judging.expected import Expectation
from progbench.runs import results
from progbench.runs.run_result import Provenance
from progbench.session.suite import Suite
from progbench.tasks import toy
from progbench.tasks.catalog import tasks
from progbench.training import train


@pytest.fixture
def squad_files(tmp_path, monkeypatch):
    """SQUAD_DIR and a package with weights, as far as a look at whether they are there goes."""
    toy.write_squad(tmp_path / "squad")
    monkeypatch.setenv("SQUAD_DIR", str(tmp_path / "squad"))
    monkeypatch.setattr("progbench.models.loading.require", lambda model: None)


@pytest.mark.parametrize(("table", "task", "columns"), [
    ("table1", "mnli", ("mnli-m", "mnli-mm")), ("table2", "squad1", ("squad1-em", "squad1-f1")),
])  # fmt: skip
def test_two_columns_are_read_from_one_run(answers, tmp_path, trained, table, task, columns):
    own = suite(answers, tmp_path)
    for column in columns:
        judged(own, f"tiny-bert-constant-{column}", table)

    assert trained == [(f"tiny-bert-constant-{task}", 0)]


def test_the_average_is_taken_per_seed_over_its_nine_columns(answers, tmp_path, trained):
    own = suite(answers, tmp_path, seeds=3)
    judged(own, "tiny-bert-constant-avg")
    observed = own.observed(cell(own, "tiny-bert-constant-avg"))

    assert observed.values == pytest.approx({0: 90.0, 1: 89.0, 2: 88.0})
    assert len(trained) == 8 * 3


def test_a_second_session_trains_nothing_and_judges_the_same(answers, tmp_path, trained):
    first = suite(answers, tmp_path, seeds=2)
    names = [one.id for one in first.table("table1").cells[:10]]
    for name in names:
        judged(first, name)
    verdicts = first.verdicts("table1")
    trained.clear()
    second = suite(answers, tmp_path, seeds=2)
    for name in names:
        judged(second, name)

    assert second.verdicts("table1") == verdicts
    assert trained == []


def test_without_training_what_was_not_run_is_missing(answers, tmp_path, trained):
    own = suite(answers, tmp_path, train=False)
    verdict = judged(own, "tiny-bert-constant-rte")

    assert verdict.outcome == "missing"
    assert verdict.sentence == f"not run yet: nothing in {tmp_path} (--no-train)"
    assert trained == []


def test_an_average_with_a_missing_column_is_missing_and_names_it(answers, tmp_path, trained, monkeypatch):
    own = suite(answers, tmp_path)
    require = own.maker.require

    def no_qnli(wanted):
        if wanted.task == "qnli":
            raise Missing("no file QNLI/train.tsv")
        return require(wanted)

    monkeypatch.setattr(own.maker, "require", no_qnli)
    verdict = judged(own, "tiny-bert-constant-avg")

    assert (verdict.outcome, verdict.sentence) == ("missing", "qnli: no file QNLI/train.tsv")


def test_a_reference_of_another_recipe_is_no_reference(answers, tmp_path, trained, monkeypatch):
    monkeypatch.setattr("progbench.recipes.recipe.SCORES_VERSION", 10**6)
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-bert-constant-rte")

    assert verdict.outcome == "unjudged"
    assert "no reference: the one on file is of tiny-bert-constant-rte" in verdict.sentence
    assert (verdict.observed, verdict.expected) == (90.0, None)


@pytest.mark.parametrize(("torch", "provenance", "mix"), [
    ("2.14.0", Provenance(), "torch 2.13.0 and 2.14.0"),
    ("2.13.0", Provenance((1, 3)), "seeds trained alone and seeds trained side by side"),
])  # fmt: skip
def test_seeds_that_were_made_unlike_are_warned_of(answers, tmp_path, trained, made_in, torch, provenance, mix):
    own = suite(answers, tmp_path, seeds=2)
    wanted = cell(own, "tiny-bert-constant-rte")
    judged(own, wanted.id)
    made = results.load(tmp_path, own.recipe(wanted), 1)
    made = dataclasses.replace(made, environment=made_in | {"torch": torch}, provenance=provenance)
    results.save(tmp_path, made)
    again = suite(answers, tmp_path, seeds=2)

    assert again.warnings(wanted) == [f"tiny-bert-constant-rte: its runs mix {mix}"]
    assert own.warnings(wanted) == []


def test_a_run_on_a_part_of_the_data_and_a_model_that_has_seen_it_are_warned_of(
    answers, tmp_path, trained, squad_files
):
    own = suite(answers, tmp_path, "mini", device="cpu")
    judged(own, "minilm-constant-squad1-em", "table2")
    found = own.warnings(cell(own, "minilm-constant-squad1-em", "table2"))

    assert found == [
        "minilm-constant-squad1: partial: trained on the first 4,370 questions only",
        "minilm-constant-squad1: not a clean score: the weights of minilm have seen this task's data before",
    ]


def glue_cell_judged(answers, tmp_path, examples):
    """The verdict on a cell of Table 1, and its warnings, by five runs that read so many rows and hit the print."""
    own = suite(answers, tmp_path, "paper", train=False)
    wanted = cell(own, "bert-base-constant-rte")
    score = float(wanted.expectation.printed) / 100
    for seed in range(5):
        recipe = own.recipe(wanted)
        results.save(tmp_path, result(recipe, seed, {"rte": {"accuracy": score}}, examples=examples))
    return own.verdict(wanted), own.warnings(wanted)


@pytest.mark.parametrize(
    ("fault", "examples"),
    [
        ("", {"train": 2490, "rte": 277}),
        ("32 of RTE's 2,490 training rows", {"train": 32, "rte": 277}),
        ("half of the evaluation rows", {"train": 2490, "rte": 138}),
    ],
)
def test_a_score_is_reproduced_on_the_published_rows_alone(answers, tmp_path, reliability, fault, examples):
    verdict, warnings = glue_cell_judged(answers, tmp_path, examples)

    assert verdict.outcome == ("inconclusive" if fault else "reproduced")
    assert [warning.partition(": ")[2] in verdict.sentence for warning in warnings] == [True] * bool(fault)
    if fault:
        kept = "the runs and their scores; every report warns of them"
        reliability("Bringing data", fault, happens=f"*inconclusive*: {verdict.sentence}", kept=kept)


@pytest.mark.parametrize(("printed", "why"), [("", ""), ("80.0", "partial: trained on the first 4,370 questions only")])
def test_a_part_that_the_recipe_asks_for_is_other_data_to_a_print_alone(answers, tmp_path, printed, why):
    own = suite(answers, tmp_path, "mini", train=False)
    wanted = cell(own, "minilm-constant-squad1-em", "table2")
    wanted = dataclasses.replace(wanted, expectation=Expectation(printed))
    recipe, scores = own.recipe(wanted), {"squad1": {"exact_match": 0.8, "f1": 0.9}}
    results.save(tmp_path, result(recipe, 0, scores, examples={"train": 4370, "squad1": 10_570}))

    assert own.observed(wanted).other_data == why


def test_an_average_with_a_column_on_other_rows_names_the_task(answers, tmp_path):
    own = suite(answers, tmp_path, "paper", train=False)
    wanted = cell(own, "bert-base-constant-avg")
    for recipe in own.recipes(wanted):
        task = tasks()[recipe.task]
        examples = {name: counts[0] for name, counts in task.rows.items()} | (
            {"cola": 9} if task.name == "cola" else {}
        )
        scores = {part: dict.fromkeys(task.metrics, 0.8) for part in task.evaluate}
        results.save(tmp_path, result(recipe, 0, scores, examples=examples))

    said = "; not judged: cola: not the published data: it read 9 rows of cola (published: 1,043)"
    assert own.verdict(wanted).sentence.endswith(said)


def test_what_was_not_run_is_not_warned_of(answers, tmp_path, squad_files):
    own = suite(answers, tmp_path, "mini", device="cpu", train=False)

    assert own.warnings(cell(own, "minilm-constant-squad1-em", "table2")) == []


@pytest.mark.parametrize(("said", "words"), [
    ({"notes": ("1 answer was set aside: q7",)}, "1 answer was set aside: q7"),
    ({"left_out": {"train": 24, "squad1": 0}}, "left out of the data: {'train': 24}"),
])  # fmt: skip
def test_what_a_run_says_of_itself_is_warned_of_once_for_all_seeds(
    answers, tmp_path, trained, monkeypatch, said, words
):
    fake = train.train
    monkeypatch.setattr(train, "train", lambda *a: dataclasses.replace(fake(*a), **said))
    own = suite(answers, tmp_path, seeds=2)
    judged(own, "tiny-bert-constant-squad1-em", "table2")
    (warning,) = own.warnings(cell(own, "tiny-bert-constant-squad1-em", "table2"))

    assert warning.startswith(f"tiny-bert-constant-squad1: {words}")


@pytest.mark.parametrize(
    ("name", "millions"), [("bert-base-constant-updated", 328.451334), ("roberta-base-shrinking-updated", 288.887046)]
)
def test_a_bar_that_is_drawn_without_a_number_is_counted_and_not_judged(answers, tmp_path, name, millions):
    own = suite(answers, tmp_path, "paper")
    verdict = judged(own, name, "figure4")

    assert (verdict.outcome, verdict.observed) == ("not printed", millions)


def test_cells_of_a_row_that_nobody_asked_for_lend_their_spread_and_are_not_trained(answers, tmp_path, trained):
    first = suite(answers, tmp_path, "paper", device="cpu")
    first.maker.require = lambda wanted: "cpu"
    judged(first, "bert-base-shrinking-rte")
    trained.clear()
    own = suite(answers, tmp_path, "paper", device="cpu")
    own.maker.require = lambda wanted: "cpu"
    verdict = judged(own, "bert-base-constant-rte")

    assert (verdict.n, verdict.df) == (5, 8)
    assert trained == [("bert-base-constant-rte", seed) for seed in range(5)]


def test_a_verdict_names_the_runs_it_was_read_from(answers, tmp_path, trained):
    own = suite(answers, tmp_path)
    verdict = judged(own, "tiny-bert-constant-mnli-mm")
    (path,) = tmp_path.rglob("seed0.json")

    assert verdict.recipes == (str(path.parent.relative_to(tmp_path / "smoke")),)
    assert len(own.verdict(cell(own, "tiny-bert-constant-avg")).recipes) == 8
    assert own.verdict(cell(own, "tiny-bert-constant-updated", "figure4")).recipes[0].startswith("tiny-bert-constant-")


def test_a_count_needs_no_run(answers, tmp_path):
    own = suite(answers, tmp_path)

    assert own.needed(cell(own, "tiny-bert-constant-updated", "figure4")) == {}


def test_a_number_that_two_tables_print_has_one_verdict(answers, tmp_path):
    own = Suite("paper", answers, tmp_path, seeds=None, train=False)
    for schedule, seeds in {"constant": [0.60, 0.66, 0.72], "shrinking": [0.687, 0.688, 0.689]}.items():
        wanted = own.recipe(cell(own, f"bert-base-{schedule}-rte"))
        for seed, score in enumerate(seeds):
            results.save(tmp_path, result(wanted, seed, {"rte": {"accuracy": score}}))
    first, again = (own.verdicts(name)["bert-base-shrinking-rte"] for name in ("table1", "table5"))

    assert (again.table, again.df) == ("Table 5", 4)
    assert again.sentence == first.sentence
