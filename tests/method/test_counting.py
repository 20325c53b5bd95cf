import dataclasses
import itertools
import subprocess
import sys

import pytest
import torch

from progbench import apply_tuning, updated_parameters
from progbench.errors import BadInput
from progbench.method.counting import sizes
from progbench.method.options import TUNINGS
from progbench.method.schedule import SCHEDULES, constant, shrinking
from progbench.models import loading
from progbench.models.spec import spec, specs

# Parameters of the classifiers with two labels, as Hugging Face's num_parameters() is widely quoted for them.
BERT_BASE, BERT_LARGE, ROBERTA_BASE = 109_483_778, 335_143_938, 124_647_170
TINY = [name for name in specs() if name.startswith("tiny-")]  # one of each architecture at the least


@pytest.mark.parametrize(
    ("name", "L", "whole"),
    [("bert-base", 12, BERT_BASE), ("bert-large", 24, BERT_LARGE), ("roberta-base", 12, ROBERTA_BASE)],
)
def test_fine_tuning_updates_the_whole_model_in_each_epoch(name, L, whole):
    assert updated_parameters(name, constant(L, 3)) == 3 * whole


def test_mpnet_totals_are_those_worked_out_by_hand():
    block = 4 * (768 * 768 + 768) + 2 * 2 * 768 + (768 * 3072 + 3072) + (3072 * 768 + 768)
    # words and positions, LayerNorm, and the bias by relative position: 32 buckets for each of 12 heads
    embeddings = (30_527 + 514) * 768 + 2 * 768 + 32 * 12
    head = (768 * 768 + 768) + (2 * 768 + 2)

    assert (
        updated_parameters("all-mpnet-base-v2", constant(12, 3)) == 3 * (embeddings + 12 * block + head) == 328_464_006
    )
    assert (
        updated_parameters("mpnet", shrinking(12, 3)) == 3 * (embeddings + head) + (12 + 8 + 4) * block == 243_409_542
    )


@pytest.mark.parametrize("targets", [("query", "value"), ("q", "o"), ("query", "q")])
def test_lora_on_mpnet_counts_what_the_model_has_however_its_targets_are_called(targets):
    with torch.device("meta"):
        model = loading.build(spec("tiny-mpnet"), 2)
        apply_tuning(model, "lora", targets=targets)
    stages = shrinking(3, 3)

    assert updated_parameters("tiny-mpnet", stages, "lora", targets=targets) == updated_parameters(
        model, stages, "lora"
    )


def test_an_architecture_without_closed_forms_has_none():
    odd = dataclasses.replace(spec("bert-base"), name="odd", architecture="electra")
    with pytest.raises(BadInput, match="how many parameters 'electra' has is not known"):
        sizes(odd, 2)


def test_bert_base_progtuning_leaves_out_four_then_eight_blocks():
    block = 4 * (768 * 768 + 768) + 2 * 2 * 768 + (768 * 3072 + 3072) + (3072 * 768 + 768)

    assert updated_parameters("bert-base", shrinking(12, 3)) == 3 * BERT_BASE - 12 * block == 243_396_870


def test_bert_large_totals_are_those_printed_in_section_4_2():
    assert f"{updated_parameters('bert-large', constant(24, 3)) / 1e6:.1f}" == "1005.4"
    assert f"{updated_parameters('bert-large', shrinking(24, 3)) / 1e6:.1f}" == "703.1"


@pytest.mark.parametrize(
    ("schedule", "T", "printed"),
    [(constant, 3, "326.7"), (shrinking, 3, "241.6"), (constant, 2, "217.8"), (shrinking, 2, "175.3")],
)
def test_without_a_pooler_and_with_two_outputs_bert_base_totals_are_those_of_table_2(schedule, T, printed):
    # 217.786 is printed as 217.7, truncated; the others are rounded
    total = updated_parameters("bert-base", schedule(12, T), head="question_answering")

    assert f"{total / 1e6:.1f}" == printed


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("tuning", TUNINGS)
def test_closed_form_of_question_answering_equals_the_model_itself(name, tuning):
    known = spec(name)
    with torch.device("meta"):
        model = loading.build(known, 2, "question_answering")
        apply_tuning(model, tuning)
    stages = shrinking(known.blocks, 3)
    by_name = updated_parameters(name, stages, tuning, head="question_answering")

    assert by_name == updated_parameters(model, stages, tuning)


@pytest.mark.parametrize("name", ["bert-base", "bert-base-uncased", "google-bert/bert-base-uncased"])
def test_a_model_goes_by_its_short_name_its_hub_id_and_that_ids_last_part(name):
    assert updated_parameters(name, constant(12, 3)) == 328_451_334


def test_each_further_label_adds_one_output_row_an_epoch():
    more = updated_parameters("bert-base", constant(12, 3), num_labels=3)

    assert more - updated_parameters("bert-base", constant(12, 3)) == 3 * (768 + 1)


@pytest.mark.parametrize(("name", "num_labels"), [*((name, 2) for name in specs()), *itertools.product(TINY, (1, 3))])
def test_closed_form_equals_the_model_itself(name, num_labels):
    known = spec(name)
    with torch.device("meta"):
        model = loading.build(known, num_labels)
    for make in SCHEDULES.values():
        stages = make(known.blocks, 3)
        assert updated_parameters(name, stages, num_labels=num_labels) == updated_parameters(model, stages)


def test_counting_by_name_loads_no_torch():
    code = (
        "import sys; from progbench import updated_parameters, constant; "
        "print(updated_parameters('bert-base', constant(12, 3)), 'torch' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["328451334", "False"]


@pytest.mark.parametrize(
    ("model", "L", "options", "problem"),
    [
        ("bert-huge", 12, {}, "unknown model 'bert-huge': known are bert-base"),
        ("", 12, {}, "unknown model '': known are bert-base"),
        ("bert-base", 12, {"tuning": "prefix"}, "unknown tuning 'prefix': known are full"),
        (
            "bert-base", 12, {"head": "translation"},
            "unknown head 'translation': known are classification, question_answering",
        ),
        ("bert-base", 24, {}, "cut for L=24 blocks, but bert-base has 12"),
        (torch.nn.Linear(1, 1), 1, {"num_labels": 2}, "a model object already has them"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused_with_what_can(model, L, options, problem):
    with pytest.raises(BadInput, match=problem):
        updated_parameters(model, constant(L, 3), **options)
