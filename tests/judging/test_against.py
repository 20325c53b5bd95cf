"""Two folders of results: what is the same, what changed, and what else tells them apart."""

import itertools
import json
from dataclasses import replace

import pytest
from made_up import HOSTILE, MADE_ON, recipes, result, rewrite

from progbench.errors import BadInput
from progbench.judging import against
from progbench.report import difference
from progbench.runs import results
from progbench.runs.run_result import Provenance
from progbench.tasks import catalog

NAME = "tiny-bert-constant-rte"


@pytest.fixture
def file(answers, tmp_path):
    """File results of a recipe in a folder: its scores in points by seed."""
    known = recipes(answers)

    def save(folder, points, recipe=NAME, **values):
        wanted = replace(known[recipe], **values.pop("recipe_values", {}))
        for seed, score in points.items():
            metrics = catalog.tasks()[wanted.task].metrics
            results.save(
                tmp_path / folder, result(wanted, seed, {wanted.task: dict.fromkeys(metrics, score / 100)}, **values)
            )

    return save


@pytest.fixture
def compared(tmp_path):
    return lambda: against.compare(against.read(tmp_path / "a"), against.read(tmp_path / "b"))


SEEDS = {0: 60.0, 1: 61.0, 2: 62.0}


@pytest.fixture
def alike(file):
    """Both folders have the same results."""
    file("a", SEEDS)
    file("b", SEEDS)


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (SEEDS, SEEDS, "bit-identical"),
        (SEEDS, SEEDS | {2: 62.0 + 1e-12}, "within chance"),
        (SEEDS, {2: 62.0, 7: 10.0}, "within chance"),
        ({0: 60.0}, {0: 90.0}, "undecided"),
        # a difference of 0.03 points is below what a printed digit shows, though all three seeds agree
        (dict.fromkeys(range(3), 60.0), dict.fromkeys(range(3, 6), 60.03), "within chance"),
    ],
    ids=["equal", "the smallest difference", "another seed", "single seeds decide nothing", "no spread is no proof"],
)
def test_scores_are_identical_or_explained_by_chance_or_undecided(file, compared, first, second, outcome):
    file("a", first)
    file("b", second)
    (change,) = compared().changes

    assert (change.recipe, change.score, change.outcome) == (f"smoke/{NAME}", "rte accuracy", outcome)
    assert (change.p is None) == (outcome == "undecided")
    assert [sd is None for sd in change.sds] == [len(side) == 1 for side in (first, second)]


def test_an_epoch_on_the_way_that_differs_is_not_bit_identical(alike, compared, answers, tmp_path):
    made = result(recipes(answers)[NAME], 0, {"rte": {"accuracy": 0.6}})
    first = replace(made.epochs[0], scores={"rte": {"accuracy": 0.1}})
    results.save(tmp_path / "b", replace(made, epochs=(first, *made.epochs[1:])))

    assert compared().changes[0].outcome == "within chance"


def test_folders_without_a_recipe_in_common_have_failed_to_compare(file, compared):
    file("a", SEEDS)
    file("b", SEEDS, "tiny-bert-constant-cola")

    assert compared().failed


def test_results_of_doubtful_origin_are_counted_on_each_side(file, compared):
    file("a", SEEDS, environment=MADE_ON | {"commit": "c0ffee-dirty"})
    file("b", {0: 60.0}, environment={})
    file("b", {1: 61.0})
    text = " ".join(difference.as_text(compared()).split())

    assert "3 results of the first and 0 of the second are made by changed code, which no commit has." in text
    assert "0 results of the first and 1 of the second are made by code of unknown commit." in text


def test_results_from_before_there_were_checksums_are_counted_on_each_side(file, compared, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "SEALED_SINCE", 10**6)
    file("a", SEEDS)
    file("b", SEEDS)
    for path in (tmp_path / "b").rglob("seed[12].json"):
        rewrite(path, sealed=False)

    assert list(compared().doubtful.values()) == [(0, 2)]


DAMAGED = {
    "a score of its task is not there": (
        lambda content: content["epochs"][-1]["scores"]["rte"].clear(),
        "no accuracy of rte",
    ),
    "an epoch is not there": (lambda content: content["epochs"].pop(), "but its schedule plans"),
    "the seed is another": (lambda content: content.update(seed=7), "seed"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_result_that_is_not_whole_is_an_error_of_its_file(alike, compared, tmp_path, damage, said):
    path = next((tmp_path / "b").rglob("seed0.json"))
    content = json.loads(path.read_text())
    damage(content)
    rewrite(path, **content)
    ((name, problem),) = compared().errors[1].items()

    assert name.endswith("seed0.json")
    assert said in problem


@pytest.mark.parametrize("what", ["data", "weights"])
def test_folders_made_on_unlike_data_or_weights_are_said_to_be(file, compared, what):
    file("a", SEEDS, fingerprints={what: "sha256:1"})
    file("b", SEEDS, fingerprints={what: "sha256:2"})

    assert f"made on unlike {what}, so that a change may be theirs" in " ".join(difference.as_text(compared()).split())


def test_times_of_runs_beside_others_are_not_compared(file, compared):
    file("a", SEEDS)
    file("b", SEEDS, provenance=Provenance(others=3))
    (ratio,) = compared().ratios

    assert (ratio.step_seconds, ratio.memory) == (None, 1.0)


def test_the_interval_and_p_are_those_of_a_t_test_with_the_pooled_spread(file, compared):
    """By hand: means 61 and 65, sd 1 on 4 degrees of freedom, t = 4 / sqrt(2/3) = 4.899, p = 0.00805."""
    file("a", SEEDS)
    file("b", {3: 64.0, 4: 65.0, 5: 66.0})
    (change,) = compared().changes

    assert change.difference == pytest.approx(-4.0)
    assert (change.low, change.high) == pytest.approx((-4 - 2.2669, -4 + 2.2669), abs=1e-3)
    assert change.p == pytest.approx(0.00805, abs=1e-5)
    assert change.outcome == "changed"


def test_spread_is_pooled_over_the_schedules_of_a_model_and_task(file, compared):
    """The noisy other schedule makes the same difference one that chance explains."""
    file("a", SEEDS)
    file("b", {3: 64.0, 4: 65.0, 5: 66.0})
    for folder in ("a", "b"):
        file(folder, {0: 40.0, 1: 60.0, 2: 80.0}, "tiny-bert-shrinking-rte")

    assert {one.outcome for one in compared().changes if one.recipe.endswith(NAME)} == {"within chance"}


def test_what_is_changed_is_corrected_for_how_many_scores_are_compared(file, compared):
    """p is 0.00805 alone, and times 8 beside seven scores that do not differ at all: 0.0644."""
    file("a", SEEDS)
    file("b", {3: 64.0, 4: 65.0, 5: 66.0})
    for folder, schedule, task in itertools.product("ab", ("constant", "shrinking"), ("cola", "qnli", "sst2")):
        file(folder, SEEDS, f"tiny-bert-{schedule}-{task}")
    for folder in ("a", "b"):
        file(folder, SEEDS, "tiny-roberta-constant-rte")
    found = {one.recipe: one for one in compared().changes}

    assert found[f"smoke/{NAME}"].p == pytest.approx(8 * 0.00805, abs=1e-4)
    assert found[f"smoke/{NAME}"].outcome == "within chance"


OTHER = {"recipe_values": {"learning_rate": 0.5}}
THIRD = {"recipe_values": {"learning_rate": 0.6}}
OLDER, NEWER = ({"environment": MADE_ON | {"date": date}} for date in ("2020", "2030"))


@pytest.mark.parametrize(
    ("second", "mean"),
    [
        ([(SEEDS, OTHER)], 61.0),
        ([(SEEDS, {}), ({0: 1.0}, OTHER | NEWER)], 61.0),
        ([({0: 60.0}, OTHER | OLDER), ({0: 1.0}, THIRD | NEWER)], 1.0),
    ],
    ids=["matched by name", "the digest that both have comes before a newer one", "else the newest is compared"],
)
def test_of_several_digests_one_is_compared_and_another_recipe_is_said_to_be_one(file, compared, second, mean):
    file("a", SEEDS)
    for points, values in second:
        file("b", points, **values)
    found = compared()
    (change,) = found.changes
    unlike = change.digests[0] != change.digests[1]

    assert change.means[1] == pytest.approx(mean)
    assert ("1 recipes (or SCORES_VERSION) differ between the two" in difference.as_text(found)) is unlike
    assert unlike is (second[0][1] != {})


def test_a_recipe_in_one_folder_only_is_named(alike, file, compared):
    file("b", SEEDS, "tiny-bert-constant-qnli")
    found = compared()

    assert found.only == ([], ["smoke/tiny-bert-constant-qnli"])
    assert "; 1 only in" in found.headline


def test_errors_on_either_side_are_named_and_fail_the_comparison(alike, file, compared, tmp_path):
    file("a", {5: 0.0}, epochs=(), error="the loss is nan")
    (path,) = (tmp_path / "b").rglob("seed2.json")
    path.write_text("{")
    found = compared()

    assert list(found.errors[0].values()) == ["the loss is nan"]
    assert [f"{path}: not a readable result" in why for why in found.errors[1].values()] == [True]
    assert found.failed


def test_step_time_and_memory_are_multiples_of_the_others(file, compared, answers):
    epochs = result(recipes(answers)[NAME], 0, {"rte": {"accuracy": 0.6}}).epochs
    file("a", {0: 60.0}, epochs=tuple(replace(epoch, seconds=6.0) for epoch in epochs))
    file("b", {0: 60.0}, peak_memory_bytes=2**21)
    (ratio,) = compared().ratios

    assert (ratio.step_seconds, ratio.memory) == (3.0, 0.5)


def test_where_they_were_made_is_shown_as_far_as_it_differs(file, compared):
    file("a", SEEDS)
    file("b", SEEDS, environment=MADE_ON | {"torch": "2.14.0", "date": "later"})

    assert compared().environment == {"torch": (["2.13.0"], ["2.14.0"])}


@pytest.mark.parametrize("suite", ["", "smoke"])
def test_a_folder_without_results_is_refused(tmp_path, suite):
    with pytest.raises(BadInput, match="no results"):
        against.read(tmp_path, suite)


def test_the_terminal_fits_a_hundred_columns_and_shows_no_control_character(file, compared):
    file("a", SEEDS, environment=MADE_ON | {HOSTILE: HOSTILE * 3})
    file("b", {0: 90.0, 1: 91.0, 2: 92.0})
    file("a", {5: 0.0}, epochs=(), error=HOSTILE * 3)
    lines = difference.as_text(compared()).splitlines()

    assert max(map(len, lines)) <= 100
    assert all(line.isprintable() for line in lines)


def test_the_page_shows_hostile_names_as_text(file, compared):
    file("a", SEEDS, environment=MADE_ON | {"cpu": HOSTILE})
    file("b", SEEDS)
    page = difference.as_html(compared())

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in difference.as_markdown(compared()).replace("\\<", "")


def test_results_that_leave_no_doubt_are_not_spoken_of_and_the_json_has_the_bit_identical_too(
    alike, compared, tmp_path
):
    difference.write(compared(), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "difference.json").read_text())

    assert content["doubtful"] == {}
    assert [one["outcome"] for one in content["changes"]] == ["bit-identical"]
    assert content["schema_version"] == 1


def edited(folder, **values):
    """Change values of the recipe inside of a folder's first result."""
    path = next(folder.rglob("seed0.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"recipe": content["recipe"] | values}))
    return path


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schedule": "melting"}, "unknown schedule 'melting': known are constant, shrinking"),
        ({"model": "bert-tiny"}, "unknown model 'bert-tiny': known are bert-base"),
        ({"task": "wnli"}, "task = 'wnli': allowed is one of cola"),
        ({"epochs": 10**9}, "epochs = 1000000000: allowed is a whole number from 1 to 1,000"),
        ({"epochs": "3"}, "epochs = '3': allowed is a whole number"),
        ({"tuning": ["full"]}, "tuning = ['full']: allowed is one of full"),
        ({"learning_rate": {}}, "learning_rate = {}: allowed is a number above 0"),
        ({"model": None}, "model = None: allowed is a text"),
    ],
)
def test_a_result_of_a_recipe_that_is_none_is_an_error_by_its_file_and_the_others_are_compared(
    alike, compared, tmp_path, values, said, reliability
):
    path = edited(tmp_path / "b", **values)
    found = compared()

    assert list(found.errors[1]) == [path.relative_to(tmp_path / "b").as_posix()]
    assert f"its recipe: {said}" in next(iter(found.errors[1].values()))
    assert (len(found.changes), found.changes[0].seeds) == (1, (3, 2))
    if values == {"schedule": "melting"}:
        ((name, said),) = found.errors[1].items()
        reliability(
            "Keeping results", "one of two folders has a result of a schedule there is not",
            happens=said.replace(name.split("/")[2], "<digest>"), kept="the other results are compared",
        )  # fmt: skip


def test_times_and_memory_of_nothing_are_no_ratio(file, compared, answers, tmp_path):
    for folder in ("a", "b"):
        file(folder, SEEDS)
        for seed in SEEDS:
            made = result(recipes(answers)[NAME], seed, {"rte": {"accuracy": 0.6}}, peak_memory_bytes=0)
            results.save(tmp_path / folder, replace(made, epochs=tuple(replace(e, seconds=0.0) for e in made.epochs)))
    (ratio,) = compared().ratios

    assert (ratio.step_seconds, ratio.memory) == (None, None)
