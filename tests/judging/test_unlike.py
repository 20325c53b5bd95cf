"""Recipes that are compared, but were made on other data or other weights."""

from dataclasses import replace

import pytest
from made_up import cell, result, suite

from progbench.judging.caveats import caveats, unlike
from progbench.runs import results

ON = {"data": "sha256:1111111122", "weights": "sha256:3333333344"}


@pytest.fixture
def made(smoke_recipe):
    """Results of recipes that differ in these fields, each with its fingerprints."""

    def make(*sides):
        found = {}
        for fields, fingerprints in sides:
            wanted = smoke_recipe(**fields)
            scores = {wanted.task: {"accuracy": 0.9}}
            found[wanted] = [result(wanted, seed, scores, fingerprints=fingerprints) for seed in range(2)]
        return found

    return make


CONSTANT, SHRINKING = {"schedule": "constant"}, {"schedule": "shrinking"}
LORA = {"tuning": "lora", "lora_rank": 8, "lora_alpha": 8.0, "lora_targets": ("query", "value")}


def test_recipes_on_the_same_data_and_weights_compare(made):
    assert unlike(made((CONSTANT, ON), (SHRINKING, ON))) == []


@pytest.mark.parametrize("what", ["data", "weights"])
def test_recipes_on_unlike_data_or_weights_are_named_with_both(made, what):
    found = unlike(made((CONSTANT, ON), (SHRINKING, ON | {what: "sha256:5555555566"})))

    assert found == [
        f"made on unlike {what}, so their scores should not be compared: tiny-bert-constant-sst2 on {ON[what][:15]}; "
        "tiny-bert-shrinking-sst2 on sha256:55555555"
    ]


def test_fingerprints_that_begin_alike_are_printed_as_far_as_they_differ(made):
    """Data of the hub are called after their repository and revision; what they were read by comes last."""
    one, other = "hub:nyu-mll/glue@bcdcba79 11111122", "hub:nyu-mll/glue@bcdcba79 11113344"
    (found,) = unlike(made((CONSTANT, ON | {"data": one}), (SHRINKING, ON | {"data": other})))

    assert found.endswith(f"tiny-bert-constant-sst2 on {one[:-3]}; tiny-bert-shrinking-sst2 on {other[:-3]}")


def test_a_fingerprint_that_is_the_beginning_of_another_is_not_printed_as_equal(made):
    one, other = "sha256:11111111", "sha256:1111111122"
    (found,) = unlike(made((CONSTANT, ON | {"data": one}), (SHRINKING, ON | {"data": other})))

    assert found.endswith(f"tiny-bert-constant-sst2 on {one}; tiny-bert-shrinking-sst2 on {other[:16]}")


def test_a_fingerprint_that_only_one_has_is_unlike(made):
    (found,) = unlike(made((CONSTANT, ON), (SHRINKING, {"weights": ON["weights"]})))

    assert found.endswith("tiny-bert-shrinking-sst2 on unknown")


def test_recipes_that_read_unlike_lengths_of_text_are_named_where_one_cuts_some(made):
    """As LoRA's rows of RTE, which read 512 tokens, beside the others', which read 128."""
    found = made(({"max_length": 128}, ON), ({"max_length": 512, **LORA}, ON))
    short = next(iter(found))
    assert unlike(found) == []
    note = "33 of 277 texts of rte are cut at 128 tokens"
    found[short] = [replace(run, notes=(note, "padded batches")) for run in found[short]]

    assert unlike(found) == [
        "read unlike lengths of text, which may be part of their difference: tiny-bert-shrinking-sst2: "
        f"{note}; tiny-bert-lora-shrinking-sst2: no text is cut at 512 tokens"
    ]
    assert not any("are cut" in one for one in caveats("a cell", found))  # alone it is no caveat
    assert unlike({short: found[short]}) == []


def test_recipes_that_have_no_fingerprints_at_all_say_nothing(made):
    assert unlike(made((CONSTANT, {}), (SHRINKING, {}))) == []


@pytest.mark.parametrize("change", [{"task": "cola"}, {"train_questions": 5}, {"dataset": "GLUE_DIR"}])
def test_data_are_compared_where_they_are_meant_to_be_the_same(made, change):
    assert unlike(made((CONSTANT, ON), (SHRINKING | change, ON | {"data": "sha256:5"}))) == []


def test_weights_are_compared_within_a_model_whatever_the_task(made):
    assert unlike(made((CONSTANT, ON), (SHRINKING | {"model": "tiny-roberta"}, ON | {"weights": "sha256:5"}))) == []
    assert unlike(made((CONSTANT, ON), (SHRINKING | {"task": "cola"}, ON | {"weights": "sha256:5"}))) != []


@pytest.fixture
def on_other_data(answers, tmp_path):
    """A suite whose shrinking runs of RTE were made on other data than constant's."""
    own = suite(answers, tmp_path, seeds=None, train=False)
    for schedule in ("constant", "shrinking"):
        wanted = own.recipe(cell(own, f"tiny-bert-{schedule}-rte"))
        for seed in range(3):
            made = result(wanted, seed, {"rte": {"accuracy": 0.9 + seed / 100}})
            results.save(tmp_path, replace(made, fingerprints={"data": f"sha256:{schedule}", "weights": "random"}))
    return own


WORDS = (
    "made on unlike data, so their scores should not be compared: tiny-bert-constant-rte on sha256:constant; "
    "tiny-bert-shrinking-rte on sha256:shrinkin"
)


@pytest.mark.parametrize("schedule", ["constant", "shrinking"])
def test_both_cells_of_such_a_pair_warn_of_it(on_other_data, schedule, reliability):
    found = on_other_data.warnings(cell(on_other_data, f"tiny-bert-{schedule}-rte"))

    assert found == [WORDS]
    reliability(
        "Keeping results",
        "constant and shrinking were trained on different data, or from different weights",
        happens=found[0],
        kept="both; their cells and the claims over them say so",
    )


def test_a_cell_that_is_compared_with_neither_does_not(on_other_data):
    assert on_other_data.warnings(cell(on_other_data, "tiny-bert-constant-cola")) == []


def test_a_claim_over_such_a_pair_says_so(on_other_data):
    words = {claim.id: on_other_data.claim(claim).our_words for claim in on_other_data.claims()}

    assert words["avg"].endswith(f"; {WORDS}")  # an average of which RTE is a column
    assert "unlike" not in words["reduction"]  # which is a count


def test_a_run_that_was_made_meanwhile_is_seen(on_other_data, tmp_path):
    wanted = cell(on_other_data, "tiny-bert-shrinking-rte")
    assert on_other_data.warnings(wanted) == [WORDS]
    recipe = on_other_data.recipe(wanted)
    for seed in range(3):
        made = results.load(tmp_path, recipe, seed)
        results.save(tmp_path, replace(made, fingerprints={"data": "sha256:constant", "weights": "random"}))
    on_other_data.filing._runs.clear()
    on_other_data.obtain([])

    assert on_other_data.warnings(wanted) == []
