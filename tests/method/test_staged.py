"""A training loop of one's own: `with anatomy.staged(schedule) as stages`."""

import gc
import weakref

import peft
import pytest
import tiny
import torch
from torch import nn

from progbench import Anatomy, apply_tuning
from progbench.errors import BadInput
from progbench.method.schedule import Schedule, Stage, constant, growing, shrinking


def flags(model):
    return [parameter.requires_grad for parameter in model.parameters()]


def test_each_stage_comes_with_the_model_frozen_to_it():
    model = tiny.model("BERT")
    anatomy = Anatomy.of(model)
    with anatomy.staged(shrinking(4, 2)) as stages:
        frozen = [sum(not p[0].requires_grad for p in anatomy.blocks) for _ in stages]

    assert frozen == [0, 2]
    assert all(flags(model))


def broken_off(anatomy):
    with anatomy.staged(growing(4, 2)) as stages:
        next(stages)
        assert not all(flags(anatomy.model))
        raise KeyboardInterrupt


def test_after_ctrl_c_in_a_stage_everything_is_as_it_was():
    model = tiny.model("BERT")
    with pytest.raises(KeyboardInterrupt):
        broken_off(Anatomy.of(model))

    assert all(flags(model))


def test_embeddings_frozen_on_purpose_stay_frozen_and_are_frozen_afterwards():
    model = tiny.model("BERT")
    model.bert.embeddings.requires_grad_(False)
    before = flags(model)
    with Anatomy.of(model).staged(shrinking(4, 2)) as stages:
        next(stages)
        assert flags(model) == before
    assert flags(model) == before


def test_what_was_frozen_trains_where_that_is_asked_for():
    model = tiny.model("BERT")
    model.bert.embeddings.requires_grad_(False)
    with Anatomy.of(model).staged(shrinking(4, 2), unfreeze=True) as stages:
        next(stages)
        assert all(flags(model))


def test_a_block_that_was_frozen_whole_is_refused_by_number():
    model = tiny.model("BERT")
    model.bert.encoder.layer[1].requires_grad_(False)

    with (
        pytest.raises(BadInput, match=r"everything in B2 was frozen before training began.*unfreeze\(\) first"),
        Anatomy.of(model).staged(shrinking(4, 2)),
    ):
        pass


def test_a_block_frozen_whole_may_stay_so_where_no_stage_trains_it():
    model = tiny.model("BERT")
    model.bert.encoder.layer[0].requires_grad_(False)
    high = Schedule("high", 4, (Stage(range(1, 4)), Stage(range(2, 4))))
    with Anatomy.of(model).staged(high) as stages:
        assert [stage.blocks.start for stage in stages] == [1, 2]


def test_an_optimizer_that_lacks_what_a_stage_trains_is_refused_by_name():
    model = tiny.model("BERT")
    half = torch.optim.AdamW(model.classifier.parameters())

    with (
        pytest.raises(BadInput, match=r"does not hold 71 .*: bert\.embeddings\.word.*Build it before the first stage"),
        Anatomy.of(model).staged(shrinking(4, 2), half),
    ):
        pass


def step(model, optimizer):
    row = tiny.rows("BERT", 2)
    model(input_ids=torch.stack([one["input_ids"] for one in row])).logits.sum().backward()
    optimizer.step()


def test_an_optimizer_built_inside_a_growing_stage_is_refused_before_the_next():
    model = tiny.model("BERT")
    with Anatomy.of(model).staged(growing(4, 2)) as stages:
        next(stages)
        step(model, torch.optim.AdamW(p for p in model.parameters() if p.requires_grad))

        with pytest.raises(BadInput, match="does not hold 32 of the parameters"):  # 2 blocks of 16 tensors
            next(stages)


def test_two_optimizers_that_share_the_parameters_are_fine():
    model = tiny.model("BERT")
    both = [torch.optim.AdamW(one.parameters()) for one in (model.bert, model.classifier)]
    with Anatomy.of(model).staged(growing(4, 2)) as stages:
        for _ in stages:
            for one in both:
                step(model, one)


def test_the_optimizer_of_another_model_that_goes_leaves_its_identity_to_no_other():
    """An optimizer of this model with its identity would be taken for it, and not be watched."""
    with Anatomy.of(tiny.model("BERT")).staged(growing(4, 2)) as stages:
        next(stages)
        other = torch.optim.SGD([nn.Parameter(torch.zeros(1))])
        other.step()
        left = weakref.ref(other)
        del other
        gc.collect()

        assert left() is not None


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_model_that_peft_changed_after_its_anatomy_was_taken_is_refused():
    model = tiny.model("BERT")
    anatomy = Anatomy.of(model)
    peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["query"]))

    with pytest.raises(BadInput, match=r"8 are new .*lora_A.*take Anatomy\.of\(model\) after that"):
        anatomy.freeze(Stage(range(4)))


def test_the_anatomy_of_the_whole_model_is_refused_where_a_tuning_was_applied():
    for tuning in ("lora", "bitfit"):
        model = tiny.model("BERT")
        apply_tuning(model, tuning)
        with pytest.raises(
            BadInput, match=rf"given {tuning} parameters by apply_tuning.*Anatomy\.of\(model, '{tuning}"
        ):
            Anatomy.of(model)


class Conformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 8)
        self.layers = nn.ModuleList(Block() for _ in range(2))
        self.out = nn.Linear(8, 2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)
        self.norm = nn.BatchNorm1d(8)


def test_batch_normalisation_in_a_block_that_is_frozen_is_said_to_go_on_moving():
    with (
        pytest.warns(UserWarning, match=r"running statistics of layers\.0\.norm go on moving"),
        Anatomy.of(Conformer()).staged(shrinking(2, 2)),
    ):
        pass
    with Anatomy.of(Conformer()).staged(constant(2, 2)):  # nothing is frozen, so nothing is said
        pass


def test_prefix_tuning_through_restrict_is_refused_since_no_block_trains():
    model = tiny.model("BERT")
    whole = Anatomy.of(model)

    with pytest.raises(BadInput, match="nothing that trains is in a block, so a schedule of blocks has no effect"):
        whole.restrict(model.classifier.parameters())
