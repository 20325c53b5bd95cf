"""Sublayers in fewer operations compute what transformers' own modules compute, and their gradients."""

import copy
import math

import pytest
import torch
from alone_and_stacked import model, rows

from progbench.training import side_by_side
from progbench.training.packed_seeds import SeedCollator
from progbench.training.packing import pack
from progbench.training.side_by_side import stack
from progbench.training.sublayers import Gelu, Normalised


def as_they_were(models, monkeypatch):
    """Seeds stacked, with the sublayers of transformers."""
    with monkeypatch.context() as patch:
        patch.setattr(side_by_side, "fuse", lambda model: None)
        return stack(models)


def losses(stacked, inputs):
    """Each seed's loss, and what a backward pass leaves."""
    axis = side_by_side.StackedSeeds(2)
    found = axis.losses(stacked, inputs)
    found.sum().backward()
    return found.detach(), {name: one.grad for name, one in stacked.named_parameters() if one.grad is not None}


@pytest.mark.parametrize(("name", "head"), [("tiny-bert", "classification"), ("tiny-roberta", "question_answering")])
@pytest.mark.parametrize("frozen", [0, 1], ids=["whole", "lowest block frozen"])
def test_losses_and_gradients_are_those_of_transformers_own_sublayers(name, head, frozen, monkeypatch):
    models = [model(name, head, "full", seed) for seed in (0, 1)]
    others = [copy.deepcopy(one) for one in models]
    packed, _ = pack(models[0]), pack(others[0])
    chosen = [rows(head, seed)[:4] for seed in (0, 1)]
    inputs = SeedCollator(packed, pad=0, longest=16, answering=head == "question_answering")(chosen).inputs()
    found = []
    for stacked in (stack(models), as_they_were(others, monkeypatch)):
        for block in stacked.base_model.encoder.layer[:frozen]:
            block.requires_grad_(False)
        found.append(losses(stacked.train(), inputs))
    (ours, gradients), (theirs, expected) = found
    for part in ("weight", "bias"):
        for whole in [one for one in gradients if one.endswith(f"query.{part}")]:
            each = [expected.pop(whole.replace("query", one)) for one in ("query", "key", "value")]
            torch.testing.assert_close(gradients.pop(whole), torch.cat(each, 1), rtol=0, atol=1e-12)

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    assert gradients.keys() == expected.keys()
    for one, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[one], rtol=0, atol=1e-12)


@pytest.mark.parametrize("tuning", ["lora", "adapter", "bitfit"])
def test_what_a_tuning_has_changed_stays_in_its_way(tuning):
    models = [model("tiny-bert", "classification", tuning, seed) for seed in (0, 1)]
    pack(models[0])
    block = stack(models).base_model.encoder.layer[0]

    assert hasattr(block.attention.self, "key") is (tuning == "lora")
    assert ("forward" in vars(block.output)) is (tuning != "adapter")


def test_dropout_scales_what_it_keeps_and_drops_the_same_from_the_gradient():
    torch.manual_seed(0)
    product, residual = torch.ones(2, 500, 40).requires_grad_(), torch.zeros(2, 500, 40).requires_grad_()
    weight, bias, product_bias = torch.ones(40), torch.zeros(40), torch.ones(2, 40).requires_grad_()
    out = Normalised.apply(residual, weight, bias, 0.0, product, product_bias, 0.2, None)
    dropped = out < 0
    before = torch.nn.functional.layer_norm(2 * 1.25 * ~dropped, (40,), eps=0.0)
    (out * torch.randn_like(out)).sum().backward()

    assert float(dropped.float().mean()) == pytest.approx(0.2, abs=0.01)
    torch.testing.assert_close(out, before)
    torch.testing.assert_close(product.grad, residual.grad * 1.25 * ~dropped)
    torch.testing.assert_close(product_bias.grad, product.grad.sum(1))


def test_gelu_of_a_product_and_its_bias_is_torchs_and_so_are_its_gradients():
    torch.manual_seed(0)
    product, bias = torch.randn(2, 7, 4).double().requires_grad_(), torch.randn(2, 4).double().requires_grad_()
    weights = torch.randn(2, 7, 4).double()
    found, expected = Gelu.apply(product, bias), torch.nn.functional.gelu(product + bias[:, None])
    gradients = [torch.autograd.grad((out * weights).sum(), (product, bias)) for out in (found, expected)]

    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_a_pass_that_broke_off_leaves_no_gradient_to_the_next():
    models = [model("tiny-bert", "classification", "full", seed) for seed in (0, 1)]
    inputs = SeedCollator(pack(models[0]), pad=0, longest=16)([rows("classification", 0)[:4]] * 2).inputs()
    stacked = stack(models).train()
    _, expected = losses(stacked, inputs)
    expected = {name: one.clone() for name, one in expected.items()}
    stacked.zero_grad()
    for block in stacked.base_model.encoder.layer:
        block.output.around.gradient = block.attention.output.around.gradient = torch.tensor(math.nan)
    _, found = losses(stacked, inputs)

    assert all(torch.equal(found[name], one) for name, one in expected.items())


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["seeds one by one", "all at once"])
def test_a_product_is_the_same_however_its_bias_gets_there(limit, monkeypatch):
    torch.manual_seed(0)
    rows, weight, bias = torch.randn(2, 7, 4).double(), torch.randn(2, 3, 4).double(), torch.randn(2, 3).double()
    monkeypatch.setattr(side_by_side, "ALONE", limit)
    found = side_by_side.Product.apply(rows, weight, bias)

    torch.testing.assert_close(found, torch.einsum("snh,soh->sno", rows, weight) + bias[:, None], rtol=0, atol=1e-12)
