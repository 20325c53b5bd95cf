"""A model that the fast trainer does not know is an entry of models.toml and no code: the plain trainer trains it."""

import dataclasses

import pytest
import transformers

from progbench.errors import BadInput
from progbench.method.counting import updated_parameters
from progbench.method.schedule import shrinking
from progbench.models import loading
from progbench.models import spec as spec_module
from progbench.models.agreement import configuration_of
from progbench.recipes import reading
from progbench.runs import results
from progbench.session import jobs
from progbench.training import train

# what an entry says of each besides the dimensions of tiny-bert
ENTRIES = {
    "distilbert": {"token_types": 0, "configuration": {"hidden_dim": 128}},
    "electra": {"configuration": {"embedding_size": 32}},
    "deberta-v2": {
        "token_types": 0,
        "configuration": {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]},
    },
    "xlm-roberta": {"positions": 66, "token_types": 1},
    "modernbert": {"token_types": 0, "configuration": {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}},
}

LORA = {"tuning": "lora", "lora_rank": 4, "lora_alpha": 8.0, "lora_targets": ("query",)}

pytestmark = pytest.mark.usefixtures("forty_rows", "known")


@pytest.fixture
def known(monkeypatch):
    """models.toml with a tiny random entry of each architecture, called "tiny-" and its name."""
    known = spec_module.specs()
    made = {
        f"tiny-{name}": dataclasses.replace(known["tiny-bert"], name=f"tiny-{name}", architecture=name, **fields)
        for name, fields in ENTRIES.items()
    }
    monkeypatch.setattr(spec_module, "specs", lambda: known | made)


def recipe(architecture, file="glue", task="rte", **changes):
    read = reading.read("smoke", file, model="tiny-bert", schedule="shrinking", task=task)
    return dataclasses.replace(read, model=f"tiny-{architecture}", **{"epochs": 2} | changes)


@pytest.mark.parametrize(
    ("architecture", "file", "task", "changes"),
    [
        ("distilbert", "glue", "rte", {"tuning": "adapter", "adapter_reduction": 16}),
        ("electra", "glue", "rte", {}),
        ("deberta-v2", "glue", "stsb", {"tuning": "bitfit"}),
        ("xlm-roberta", "squad", "squad2", {}),
        ("modernbert", "glue", "sst2", LORA),
    ],
)
def test_a_model_of_another_architecture_is_trained_filed_and_read(tmp_path, architecture, file, task, changes):
    wanted = recipe(architecture, file, task, **changes)
    (made,) = jobs.execute(jobs.Job(wanted, (0,), "cpu"), 1, None)
    results.save(tmp_path, made)
    found = results.checked(results.load(tmp_path, wanted, 0))

    assert found.error == ""
    assert found.provenance.trainer == "plain"
    assert found.notes[-1].startswith("trained by the plain trainer: packed batches do not serve")
    assert [epoch.updated_parameters for epoch in found.epochs] == [*wanted.planned_by_epoch()]
    assert [epoch.flops for epoch in found.epochs] == [None, None]  # there is no closed form
    assert [*found.epochs[1].scores] == [task]


def test_seeds_of_such_a_model_are_trained_one_by_one_where_others_are_side_by_side():
    first, second = train.train_together(recipe("electra", epochs=1), [0, 1], "cpu", 1)

    assert [one.seed for one in (first, second)] == [0, 1]
    assert {one.provenance for one in (first, second)} == {first.provenance}
    assert first.epochs[0].loss != second.epochs[0].loss


def test_on_a_gpu_a_job_of_such_a_model_is_one_seed():
    assert [[job.seeds for job in jobs] for jobs in jobs.families([(recipe("electra"), [0, 1], "cuda")])] == [
        [(0,)], [(1,)],
    ]  # fmt: skip


@pytest.mark.parametrize("architecture", ENTRIES)
def test_such_a_model_is_counted_by_its_name(architecture):
    name = f"tiny-{architecture}"
    model = loading.build(spec_module.spec(name), 3)

    assert updated_parameters(name, shrinking(4, 3), num_labels=3) == updated_parameters(model, shrinking(4, 3))


def entry(**changes):
    return dataclasses.replace(spec_module.spec("tiny-bert"), name="own", **changes)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("nomic", "own: unknown architecture 'nomic': transformers has none of this name"),
        ("vit", "own: transformers has no model of 'vit' for classification"),
    ],
)
def test_an_entry_that_no_model_can_be_made_of_is_refused(architecture, words):
    with pytest.raises(BadInput, match=words):
        loading.build(entry(architecture=architecture), 2)


def test_what_an_entry_says_of_its_configuration_is_part_of_its_identity():
    assert "configuration" not in entry().identity()
    assert entry(configuration={"pad_token_id": 1}).identity() != entry().identity()
    assert configuration_of(entry(configuration={"pad_token_id": 1}), 2) != transformers.BertConfig()
