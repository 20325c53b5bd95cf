"""Seeds side by side compute what each computes alone: steps over a stage change, the last batch shorter."""

import pytest
import torch
from company import compare

from progbench.method import schedule
from progbench.training import side_by_side


@pytest.mark.parametrize("seeds", [(3,), (0, 2, 4), (0, 1, 2, 3, 4)])
def test_any_company_trains_as_alone(wanted, seeds):
    compare(wanted(), "tiny-bert", "classification", "full", schedule.shrinking, seeds)


def gradients(*norms):
    """Two stacked parameters whose gradients together have these norms, a seed each."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.nn.Parameter(torch.zeros(len(norms), *shape, dtype=torch.float64)) for shape in ((3, 4), (5,))]
    for parameter in made:
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    for place, norm in enumerate(norms):
        whole = sum(parameter.grad[place].square().sum() for parameter in made).sqrt()
        for parameter in made:
            parameter.grad[place] *= norm / whole
    return made


def test_clipping_bites_in_the_seeds_whose_own_norm_is_above():
    stacked = gradients(10.0, 0.5, 2.0)
    alone = [[torch.nn.Parameter(one.detach()[place].clone()) for one in stacked] for place in range(3)]
    for place, parameters in enumerate(alone):
        for parameter, whole in zip(parameters, stacked, strict=True):
            parameter.grad = whole.grad[place].clone()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    side_by_side.clip(stacked, 1.0)

    for place, parameters in enumerate(alone):
        for parameter, whole in zip(parameters, stacked, strict=True):
            torch.testing.assert_close(whole.grad[place], parameter.grad, rtol=0, atol=1e-12)


def test_a_gradient_that_is_not_a_number_stays_in_its_seed():
    stacked = gradients(1.0, 1.0)
    stacked[0].grad[1, 0, 0] = torch.nan
    before = [parameter.grad[0].clone() for parameter in stacked]
    side_by_side.clip(stacked, 5.0)

    assert all(torch.equal(parameter.grad[0], old) for parameter, old in zip(stacked, before, strict=True))
    assert all(parameter.grad[1].isnan().all() for parameter in stacked)


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
