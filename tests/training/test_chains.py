"""Chains of operations: compiled away from a CPU, and as they are where torch cannot compile."""

import pytest
import torch

from progbench.training import chains


def on_meta():
    return torch.empty(2, 3, 4, device="meta")


def test_a_cpu_runs_a_chain_as_it_is(monkeypatch):
    monkeypatch.setattr(chains, "compiled", lambda function: pytest.fail("compiled"))

    assert chains.chain(lambda tensor: tensor + 1)(torch.ones(2)).tolist() == [2, 2]


def test_elsewhere_a_chain_is_compiled(monkeypatch):
    monkeypatch.setattr(chains, "compiled", lambda function: lambda tensor: "compiled")

    assert chains.chain(lambda tensor: tensor + 1)(on_meta()) == "compiled"


def test_what_torch_cannot_compile_runs_as_it_is_from_then_on_and_says_so(monkeypatch):
    tried = []

    def compiled(function):
        tried.append(function)
        raise torch._dynamo.exc.TorchDynamoException("no C compiler")

    monkeypatch.setattr(chains, "compiled", compiled)
    monkeypatch.setattr(chains, "refused", set())

    def plus(tensor):
        return tensor + 1

    run = chains.chain(plus)
    with pytest.warns(UserWarning, match="plus runs as it is: no C compiler"):
        assert run(on_meta()).shape == (2, 3, 4)
    assert run(on_meta()).shape == (2, 3, 4)
    assert len(tried) == 1
