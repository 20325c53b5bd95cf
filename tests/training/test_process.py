"""What a run sets for its process, and gives back."""

import pytest
import torch

from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import packing, prepared, process, train

pytestmark = pytest.mark.usefixtures("forty_rows")


@pytest.mark.parametrize(("precision", "products"), [("fp32", "highest"), ("tf32", "high")])
def test_a_run_multiplies_in_its_recipes_precision_and_leaves_torchs_own_as_it_was(smoke_recipe, precision, products):
    seen = set()
    wanted = smoke_recipe(model="tiny-roberta", epochs=1, precision=precision)
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: seen.add(torch.get_float32_matmul_precision()))
            train.train(wanted, 0)

        assert seen == {products}
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_training_leaves_torchs_own_random_stream_where_it_was(smoke_recipe):
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0)

    assert torch.equal(torch.rand(1), wanted)


def test_a_run_uses_the_threads_it_is_told_to(smoke_recipe, monkeypatch):
    seen, clip = set(), torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: seen.add(torch.get_num_threads()) or clip(*a))
    result = train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0, threads=2)

    assert seen == {result.environment["threads"]} == {2}


def test_a_run_leaves_torchs_number_of_threads_as_it_was(smoke_recipe, monkeypatch):
    monkeypatch.setattr(prepared, "pack", lambda model: torch.no_such_name)
    before = torch.get_num_threads()
    try:
        with pytest.raises(AttributeError, match="no_such_name"):
            train.train(smoke_recipe(), 0, threads=before + 1)

        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)


def test_a_model_is_proved_in_full_precision_whatever_the_run_multiplies_in(monkeypatch):
    seen, close = [], packing._close
    monkeypatch.setattr(packing, "_close", lambda *two: seen.append(1) or close(*two))
    model = loading.build(spec("tiny-bert"), num_labels=2)
    model.classifier.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    with process.products("tf32"):
        packing.pack(model)

    assert seen == ["highest", "highest", 1]
