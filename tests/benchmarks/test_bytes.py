"""Bytes and launches counted on meta tensors: by hand on small ones, and what a step of the paper's models keeps."""

import sys
from pathlib import Path

import pytest
import torch

from progbench import Anatomy
from progbench.models.spec import spec
from progbench.training import memory
from progbench.training.side_by_side import Product, StackedSeeds
from progbench.training.sublayers import Normalised

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import gpu_bytes
from texts import rows, shuffled


def counted(function):
    with gpu_bytes.Counting() as counting:
        function()
    return counting.counted.bytes, counting.counted.launches


def on_meta(*shape):
    return torch.empty(shape, device="meta")


def test_a_view_moves_nothing():
    one = on_meta(4, 6)

    assert counted(lambda: one.view(24)[3:].unflatten(0, (3, 7)).transpose(0, 1)) == (0, 0)


def test_an_operation_reads_what_it_is_given_and_writes_what_it_gives():
    one = on_meta(4, 6)

    assert counted(lambda: one + one) == (2 * 96, 1)  # the same tensor is read once
    assert counted(lambda: one + on_meta(6).expand(4, 6)) == (2 * 96 + 24, 1)  # what is expanded lies in memory once
    assert counted(lambda: one.mul_(2.0)) == (2 * 96, 1)


def test_of_a_table_only_what_is_looked_up_is_read():
    table, places = on_meta(1000, 4), torch.empty(3, dtype=torch.int64, device="meta")

    assert counted(lambda: table.index_select(0, places)) == (2 * 48 + 24, 1)


def test_a_product_with_a_bias_writes_it_to_every_row_first():
    rows, weight, bias = on_meta(2, 5, 3), on_meta(2, 4, 3), on_meta(2, 4)
    given = 4 * (30 + 24 + 8)

    assert counted(lambda: torch.baddbmm(bias[:, None], rows, weight.mT)) == (given + 3 * 160, 2)


def test_adamw_moves_28_bytes_a_number_and_4_more_where_it_divides_the_gradient():
    one = [on_meta(10)]
    options = {"lr": 1.0, "beta1": 0.9, "beta2": 0.9, "weight_decay": 0.0, "eps": 1e-8, "amsgrad": False,
               "maximize": False}  # fmt: skip
    plain, scaled = (
        counted(
            lambda scale=scale: torch._fused_adamw_(one, one, one, one, [], [on_meta()], **options, grad_scale=scale)
        )
        for scale in (None, on_meta())
    )

    assert (plain, scaled) == ((280, 1), (320, 1))


def test_a_chain_reads_what_it_is_given_and_writes_what_it_gives_and_of_its_sums_a_row_a_block():
    rows, weight = on_meta(2, 24, 3).requires_grad_(), on_meta(2, 3).requires_grad_()
    whole, few, small, blocks = 4 * 2 * 24 * 3, 4 * 2 * 24, 4 * 2 * 3, 3
    with gpu_bytes.pretending(), gpu_bytes.Counting() as counting:
        out = Normalised.apply(rows, weight, weight, 1e-12)
        forward = counting.counted.bytes
        torch.autograd.grad(out, (rows, weight), on_meta(2, 24, 3))
    found = counting.counted.by_operation

    assert forward == 2 * whole + 2 * small + 2 * few
    assert found["chain _means"] == [1, 2 * whole + 4 * few + small]
    assert found["chain _to_rows_and_sums"] == [1, 3 * whole + 4 * few + small + 2 * blocks * small]
    assert found["sum"] == [1, 2 * blocks * small + 2 * small]


def test_no_gradient_of_a_weight_is_copied():
    """By torch's own `baddbmm` each is: it comes transposed."""

    def trained(product):
        rows, weight, bias = on_meta(2, 5, 3), on_meta(2, 4, 3).requires_grad_(), on_meta(2, 4).requires_grad_()
        with gpu_bytes.Counting() as counting:
            product(rows, weight, bias).sum().backward()
        return {name for name in counting.counted.by_operation if name in ("clone", "copy_", "new_empty_strided")}

    assert trained(Product.apply) == set()
    assert trained(lambda x, w, b: torch.baddbmm(b[:, None], x, w.mT))


def test_attention_of_a_gpu_keeps_all_keys_of_a_text_in_one_block(monkeypatch):
    """Or torch splits more than 128 of them, and sums in the order in which blocks end."""
    seen, answer = [], gpu_bytes._answer

    def noted(name, func, args, kwargs):
        if name == "_efficient_attention_backward":
            seen.append(kwargs["num_splits_key"])
        return answer(name, func, args, kwargs)

    monkeypatch.setattr(gpu_bytes, "_answer", noted)
    found = gpu_bytes.count("tiny-bert", "lora", "squad1", 4, seeds=2)

    assert {*seen} == {1}
    # a model of a card and one of a CPU answer alike: no product of attention is taken apart
    assert found.by_operation["_efficient_attention_backward"][0] > 0
    assert "_softmax" not in found.by_operation
    assert found.attention > 0


@pytest.mark.parametrize(("model", "task", "batch"), [("bert-base", "rte", 32), ("bert-large", "squad1", 12)])
def test_a_step_keeps_what_the_estimate_of_memory_says(model, task, batch):
    known, kept = spec(model), {}
    made, collate = gpu_bytes._stacked(known, "full", task, 5)
    lengths = [len(row["input_ids"]) for row in rows(known, task)[0]]
    orders = [shuffled(lengths, batch, 4, seed) for seed in range(5)]
    chosen = [[rows(known, task)[0][i] for i in one] for one in next(zip(*orders, strict=True))]
    weights = {one.untyped_storage()._cdata for one in Anatomy.of(made).parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    made.train()
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with gpu_bytes.pretending(), gpu_bytes.Counting(), hooks:
        StackedSeeds(5).losses(made, collate(chosen).to("meta").inputs())
    tokens = memory.LENGTH * batch * (384 if task == "squad1" else 128)
    each = sum(storage.nbytes() for storage in kept.values()) / 5 / (4 * tokens * known.hidden * known.blocks)

    assert 0.75 * memory.KEPT / 2 < each < 1.05 * memory.KEPT / 2


def test_both_builds_stand_beside_each_other():
    now = [{"model": "bert-base", "tuning": "full", "task": "sst2", "batch": 32, "bytes": 1e9, "launches": 10.0,
            "attention": 1.0, "milliseconds": 2.0, "seeds": 5, "precision": "tf32"}]  # fmt: skip
    then = [{**now[0], "bytes": 2e9, "launches": 40.0, "attention": 4.0, "milliseconds": 4.0}]

    assert gpu_bytes.table(now, then).splitlines()[2] == (
        "| bert-base full sst2 x 32 | 2.0, 1.0 | 0.50 | 40, 10 | 0.25 | 0.25 | 4.00, 2.00 |"
    )
