"""Chains of operations: compiled away from a CPU, and as they are where torch cannot compile."""

import functools
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from progbench.training import chains
from progbench.training.sublayers import Gelu, Normalised


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


@pytest.fixture
def graphs(monkeypatch):
    """The chains that torch traces, a name each time: here they then run as they are."""
    traced, compile = Counter(), torch.compile

    @functools.wraps(compile)  # what it takes is looked at
    def tracing(function, options, **rest):
        def backend(graph, _):
            traced[function.__name__] += 1
            return graph.forward

        return compile(function, backend=backend, **rest)

    monkeypatch.setattr(torch, "compile", tracing)
    monkeypatch.setattr(chains, "refused", set())
    chains.compiled.cache_clear()
    yield traced
    chains.compiled.cache_clear()
    torch._dynamo.reset()


def there_and_back(rows, size=4, trains=True):
    """Both functions of chains on a GPU's way: two seeds, so many rows."""
    product, residual, weight = (torch.empty(shape, device="meta") for shape in ((2, rows, size),) * 2 + ((2, size),))
    weight.requires_grad_(trains)
    product.requires_grad_()
    out = Normalised.apply(residual, weight, weight, 1e-12, product, weight, 0.1, None)
    Gelu.apply(out, weight).sum().backward()


def test_rows_of_any_number_share_a_graph_for_each_size_of_blocks_and_graphs_are_counted(graphs):
    before = chains.compilations()
    for rows in (192, 320, 448, 72, 88, 104, 96, 160):  # of blocks of 64, 8 and 32
        there_and_back(rows)
    there_and_back(192, trains=False)

    sums = {"_to_rows_and_sums": 3, "_gelu_backward_and_sums": 3}
    without_sums = {"_backward": 1, "_gelu_backward": 1}
    assert graphs == {"_forward": 1, "_gelu": 1, "_means": 1} | sums | without_sums
    assert chains.compilations() - before == graphs.total()
    assert not chains.refused


def test_a_backward_passs_thread_compiles_for_more_forms_than_torch_does_of_itself(graphs):
    """Torch's own limit is two in that thread: to pass the eight that it is takes five sizes."""

    def run():
        torch._dynamo.config.recompile_limit = 2
        for rows in (192, 96, 72):
            there_and_back(rows)

    with warnings.catch_warnings(), ThreadPoolExecutor(1) as pool:
        warnings.simplefilter("error")
        pool.submit(run).result()

    assert graphs["_to_rows_and_sums"] == 3
    assert not chains.refused
