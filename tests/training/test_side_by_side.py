"""Seeds side by side compute what each computes alone: steps over a stage change, the last batch shorter."""

import copy

import pytest
import torch
from alone_and_stacked import compare

from progbench.method import schedule
from progbench.training import side_by_side


@pytest.mark.parametrize("seeds", [(3,), (0, 2, 4)])
def test_any_company_trains_as_alone(wanted, seeds):
    compare(wanted(), "tiny-bert", "classification", "full", schedule.shrinking, seeds)


def gradients(*norms, dtype=torch.float64):
    """Two stacked parameters whose gradients together have these norms, a seed each."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.nn.Parameter(torch.zeros(len(norms), *shape, dtype=dtype)) for shape in ((3, 4), (5,))]
    for parameter in made:
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=dtype)
    for place, norm in enumerate(norms):
        whole = sum(parameter.grad[place].square().sum() for parameter in made).sqrt()
        for parameter in made:
            parameter.grad[place] *= norm / whole
    return made


def clipped(parameters, norm):
    """The gradients that AdamW's first step takes into its moments, a tenth of each."""
    together = side_by_side.StackedSeeds(len(parameters[0]))
    optimizer = together.adamw([{"params": parameters, "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.999), fused=True)
    together.clip(parameters, norm)
    optimizer.step()
    return [optimizer.state[one]["exp_avg"] * 10 for one in parameters]


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_clipping_bites_in_the_seeds_whose_own_norm_is_above(dtype, close):
    stacked = gradients(10.0, 0.5, 2.0, dtype=dtype)
    alone = [[torch.nn.Parameter(one.detach()[place].clone()) for one in stacked] for place in range(3)]
    for place, parameters in enumerate(alone):
        for parameter, whole in zip(parameters, stacked, strict=True):
            parameter.grad = whole.grad[place].clone()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    found = clipped(stacked, 1.0)

    for place, parameters in enumerate(alone):
        for parameter, whole in zip(parameters, found, strict=True):
            torch.testing.assert_close(whole[place], parameter.grad, rtol=0, atol=close)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_step_moves_each_seed_as_torchs_adamw_moves_it_alone(dtype):
    """In float32, too, where the kernel divides the gradients: twice, with weight decay, clipped and not."""
    stacked, options = gradients(10.0, 0.5, dtype=dtype), {"lr": 1e-2, "weight_decay": 0.1, "fused": True}
    alone = [[torch.nn.Parameter(one.detach()[place].clone()) for one in stacked] for place in range(2)]
    together = side_by_side.StackedSeeds(2)
    optimizer, others = (
        together.adamw([{"params": stacked}], **options),
        [torch.optim.AdamW(a, **options) for a in alone],
    )
    drawn = [one.grad.clone() for one in stacked]
    for factor in (1.0, -3.0):
        for one, grad in zip(stacked, drawn, strict=True):
            one.grad = factor * grad
        for place, parameters in enumerate(alone):
            for parameter, grad in zip(parameters, drawn, strict=True):
                parameter.grad = factor * grad[place]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            others[place].step()
        together.clip(stacked, 1.0)
        optimizer.step()

    for place, parameters in enumerate(alone):
        for parameter, whole in zip(parameters, stacked, strict=True):
            torch.testing.assert_close(whole[place], parameter, rtol=0, atol=1e-12 if dtype is torch.float64 else 1e-6)


def test_a_gradient_that_is_not_a_number_stays_in_its_seed():
    stacked = gradients(1.0, 1.0)
    expected = [parameter.grad[0].clone() for parameter in stacked]
    stacked[0].grad[1, 0, 0] = torch.nan
    found = clipped(stacked, 5.0)

    for one, own in zip(found, expected, strict=True):
        torch.testing.assert_close(one[0], own, rtol=0, atol=1e-12)
        assert one[1].isnan().all()


@pytest.mark.parametrize("biased", [True, False])
def test_a_stacked_product_has_torchs_own_gradients_to_the_last_bit_and_that_of_a_weight_as_it_lies_in_memory(biased):
    torch.manual_seed(0)
    rows, weight, bias = torch.randn(2, 7, 4), torch.randn(2, 3, 4), torch.randn(2, 3) if biased else None
    found = []
    for product in (
        side_by_side.Product.apply,
        lambda x, w, b: x @ w.mT if b is None else torch.baddbmm(b[:, None], x, w.mT),
    ):
        given = [one if one is None else one.clone().requires_grad_() for one in (rows, weight, bias)]
        out = product(*given)
        out.square().sum().backward()
        found.append([out.detach(), *(one.grad for one in given if one is not None)])

    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))
    assert found[0][2].is_contiguous()


def test_a_stacked_normalisation_has_torchs_own_gradients():
    torch.manual_seed(0)
    layers = [torch.nn.LayerNorm(4).double() for _ in range(2)]
    for layer in layers:
        torch.nn.init.normal_(layer.weight), torch.nn.init.normal_(layer.bias)
    x, weights = torch.randn(2, 6, 4, dtype=torch.float64), torch.randn(2, 6, 4, dtype=torch.float64)
    copies = [copy.deepcopy(layer) for layer in layers]
    stacked, ours = side_by_side.stack(copies), x.clone().requires_grad_()
    (stacked(ours) * weights).sum().backward()
    for place, layer in enumerate(layers):
        theirs = x[place].clone().requires_grad_()
        (layer(theirs) * weights[place]).sum().backward()
        for found, expected in (
            (ours.grad[place], theirs.grad),
            (stacked.weight.grad[place], layer.weight.grad),
            (stacked.bias.grad[place], layer.bias.grad),
        ):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_module_that_is_not_known_is_refused_by_name():
    class Odd(torch.nn.Linear):
        pass

    with pytest.raises(TypeError, match="Odd cannot be trained side by side"):
        side_by_side.stack([Odd(2, 2), Odd(2, 2)])


def test_what_is_frozen_and_the_same_is_shared_and_what_differs_is_not():
    models = [torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)).requires_grad_(False) for _ in range(2)]
    models[1][0].load_state_dict(models[0][0].state_dict())
    stacked = side_by_side.stack(models)

    assert stacked[0].weight.shape == (2, 2)
    assert stacked[1].weight.shape == (2, 2, 2)
    assert not stacked[1].weight.requires_grad


def test_a_padding_row_of_a_stacked_table_does_not_train():
    models = [torch.nn.Embedding(5, 3, padding_idx=1) for _ in range(2)]
    stacked = side_by_side.stack(models)
    stacked(torch.tensor([[0, 1, 1], [1, 2, 4]])).sum().backward()

    assert stacked.weight.grad.sum(-1).tolist() == [[3, 0, 0, 0, 0], [0, 0, 3, 0, 3]]


def test_a_model_that_cannot_be_stacked_is_left_as_it_was():
    class Odd(torch.nn.Linear):
        pass

    models = [torch.nn.Sequential(torch.nn.Linear(2, 2), Odd(2, 2)) for _ in range(2)]
    with pytest.raises(TypeError):
        side_by_side.stack(models)

    assert models[0][0].weight.shape == (2, 2)


def test_a_regressions_squares_are_not_rounded_to_half_precision():
    logits = torch.tensor([[1.0], [2.0]], dtype=torch.bfloat16)
    labels = torch.tensor([[1.001, 2.001]], dtype=torch.float64)
    (loss,) = side_by_side.losses_of({"logits": logits}, {"labels": labels})

    assert float(loss) == pytest.approx(1e-6, rel=1e-2)
