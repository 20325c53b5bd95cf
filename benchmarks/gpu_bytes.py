"""The bytes and kernel launches of training steps, counted on meta tensors: no card, no weights, no data.

    python benchmarks/gpu_bytes.py [--also COMMIT]

counts this build, and one of another commit in a process of its own, by the same rules. An operation reads what it is
given and writes what it gives, once; views cost nothing; where CUDA starts several kernels for one operation of torch,
`LAUNCHES` says how many. Attention counts as the memory-efficient kernel does it. What is counted is no measurement:
caches, occupancy and the kernels' own speed are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import inspect
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from gpu_hours import SEEDS, grid, projected
from texts import head_of, rows, shuffled, words
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from progbench import Anatomy, apply_tuning
from progbench.models import loading
from progbench.models.spec import ModelSpec, spec
from progbench.recipes import reading
from progbench.training import packing, vocabulary
from progbench.training.side_by_side import stack

try:
    from progbench.training import chains
    from progbench.training import step as step_module
    from progbench.training.optimizer import build_optimizer
    from progbench.training.packed_seeds import SeedCollator
    from progbench.training.side_by_side import StackedSeeds
    from progbench.training.step import Step
except ImportError:  # the code of an earlier commit, by its own names
    from progbench.training.seed_rows import SeedCollator

    from progbench.training import fitting as step_module
    from progbench.training.fitting import Step, build_optimizer
    from progbench.training.side_by_side import Together as StackedSeeds

    chains = None

ROOT = Path(__file__).resolve().parents[1]
BATCHES = 6  # of unlike forms; the mean is what a step takes
# kernels of one operation, where they are not one: a copy of a bias or a table first, sums in two passes, sorting
LAUNCHES = {
    "baddbmm": 2, "index_copy": 2, "index_put": 2, "embedding_dense_backward": 7, "native_layer_norm_backward": 2,
    "_efficient_attention_backward": 4, "_scaled_dot_product_efficient_attention_backward": 4,
    "_scaled_dot_product_efficient_attention": 4,
}  # fmt: skip
CHAIN_WRITES = {"_move": ("weights", "first", "second")}  # what chains overwrite
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "baddbmm_")
ATTENTION = {
    "_efficient_attention_forward": 2, "_scaled_dot_product_efficient_attention": 2,
    "_efficient_attention_backward": 5, "_scaled_dot_product_efficient_attention_backward": 5,
}  # fmt: skip  # products of a text's queries with its keys
CHUNK, CHUNKS, TENSORS = 65536, 320, 36  # numbers, pieces and tensors of one launch over a list of tensors

# A roofline for one H200, by which counts become milliseconds: what such kernels reach there, not what the card could
PRODUCTS_A_SECOND, ATTENTION_A_SECOND, BYTES_A_SECOND, SECONDS_A_LAUNCH = 250e12, 45e12, 4.1e12, 0.8e-6


@dataclasses.dataclass
class Counted:
    """A step of all seeds: bytes moved, kernels started, and floating-point operations of products and of attention."""

    bytes: float = 0.0
    launches: float = 0.0
    products: float = 0.0
    attention: float = 0.0
    by_operation: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """A step by the roofline: products and attention are bound by arithmetic, everything else by memory."""
        memory = self.bytes - self.by_operation.get("of products", [0, 0])[1]
        seconds = self.products / PRODUCTS_A_SECOND + self.attention / ATTENTION_A_SECOND
        return 1000 * (seconds + memory / BYTES_A_SECOND + self.launches * SECONDS_A_LAUNCH)


def touched(tensor: torch.Tensor) -> int:
    """The bytes of a tensor in memory: what is expanded lies there once."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return math.prod(size for size, stride in sizes if stride) * tensor.element_size()


class Counting(TorchDispatchMode):
    """Counts what runs under it, and answers what meta tensors cannot."""

    now: Counting | None = None  # the one that runs

    def __init__(self) -> None:
        super().__init__()
        self.counted, self.paused = Counted(), False

    def __enter__(self) -> Counting:
        Counting.now = self
        return super().__enter__()

    def chain(self, function: Callable) -> Callable:
        """A chain reads what it is given and writes what it gives, once, in one kernel."""

        def one_kernel(*arguments: Any) -> Any:
            self.paused = True
            try:
                out = function(*arguments)
            finally:
                self.paused = False
            names, name = inspect.signature(function).parameters, function.__name__
            given = dict(zip(names, arguments, strict=True))
            made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
            made += [given[own] for own in CHAIN_WRITES.get(name, ())]
            read = [leaf for leaf in arguments if isinstance(leaf, torch.Tensor)]
            self.counted.bytes += (moved := sum(map(touched, [*read, *made])))
            self.counted.launches += 1
            self._note(f"chain {name}", 1, moved)
            return out

        return one_kernel

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name.partition("::")[2]
        out = _answer(name, func, args, kwargs)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        if self.paused or name.startswith(("empty", "new_empty", "lift", "detach", "_local_scalar")):
            return out
        writes = any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)
        storages = {tensor.untyped_storage()._cdata for tensor in given}
        if not writes and made and all(tensor.untyped_storage()._cdata in storages for tensor in made):
            return out  # a view
        self._add(name, given, made, args, kwargs, writes=writes)
        return out

    def _add(self, name: str, given: list, made: list, args: tuple, kwargs: dict, *, writes: bool) -> None:
        moved, launches = (
            sum(map(touched, {id(tensor): tensor for tensor in [*given, *made]}.values())),
            LAUNCHES.get(name, 1),
        )
        first = next(iter(given), None)
        if name in ("index_select", "embedding", "gather", "index"):  # only what is found is read
            moved = 2 * touched(made[0]) + touched(given[-1])
        elif name == "index_copy":  # a copy of the whole, and then of the rows
            moved = 2 * touched(first) + 2 * touched(given[-1]) + touched(given[1])
        elif name in ("index_copy_", "index_add_"):
            moved = (2 if name == "index_copy_" else 3) * touched(given[-1]) + touched(given[1])
        elif name in (
            "index_fill_",
            "fill_",
            "zero_",
            "zeros",
            "new_zeros",
            "new_full",
            "full",
            "zeros_like",
            "bernoulli_",
        ):
            moved = sum(map(touched, made))
        elif name == "baddbmm":  # the bias is written to every row of the result, which the product reads
            moved += 2 * touched(made[0])
        elif name == "_fused_adamw_":
            numbers = sum(tensor.numel() for tensor in args[0])
            scaled = kwargs.get("grad_scale") is not None  # then the scaled gradient is written, too
            moved, launches = (28 + 4 * scaled) * numbers, _launches(args[0])
        elif name.startswith("_foreach"):
            numbers, lists = sum(map(touched, args[0])), 1 if name == "_foreach_norm" else 2
            moved, launches = lists * numbers, _launches(args[0]) + (name == "_foreach_norm")
        elif writes and first is not None and name not in ("copy_", "_foreach_copy_"):
            moved += touched(first)  # it is read, and written
        elif name == "native_layer_norm_backward" and not any(args[-1][1:]):
            launches = 1  # of its input alone
        if name in PRODUCTS:
            self.counted.products += 2 * math.prod(made[0].shape) * args[-2].shape[-1]
            self._note("of products", 0, moved)
        if name in ATTENTION:
            query, key = (args[0], args[1]) if name.endswith("forward") or name[-9:] == "attention" else args[1:3]
            heads_first = "scaled" in name
            tokens = (query.shape[2], key.shape[2]) if heads_first else (query.shape[1], key.shape[1])
            heads = query.shape[1] if heads_first else query.shape[2]
            area = query.shape[0] * heads * tokens[0] * tokens[1] * query.shape[-1]
            self.counted.attention += 2 * ATTENTION[name] * area
        self.counted.bytes += moved
        self.counted.launches += launches
        self._note(name, launches, moved)

    def _note(self, name: str, launches: float, moved: float) -> None:
        known = self.counted.by_operation.setdefault(name, [0.0, 0.0])
        known[0] += launches
        known[1] += moved


def _launches(tensors: list[torch.Tensor]) -> int:
    """The launches of one operation over a list of tensors."""
    pieces = sum(math.ceil(tensor.numel() / CHUNK) for tensor in tensors)
    return max(math.ceil(pieces / CHUNKS), math.ceil(len(tensors) / TENSORS))


def _answer(name: str, func: Any, args: tuple, kwargs: dict) -> Any:
    """What an operation gives; some have no meta kernel, and some want a number."""
    if name == "_local_scalar_dense":
        return 1
    if name == "equal":
        return True
    if name == "_fused_adamw_":
        return None
    if name == "_efficient_attention_backward" and kwargs.get("shared_storage_dqdkdv"):
        batch, tokens, *heads = args[1].shape
        return *args[0].new_empty(batch, tokens, 3, *heads).unbind(2), None
    if name == "_efficient_attention_backward":
        return *(torch.empty_like(tensor) for tensor in args[1:4]), args[4] if args[15] else None
    return func(*args, **kwargs)


def _as_on_a_card(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_):
    """Scaled dot-product attention by the kernel that CUDA takes for float32."""
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        attn_mask = torch.zeros(attn_mask.shape, device=attn_mask.device).masked_fill_(attn_mask, -math.inf)
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*query.shape[:-1], key.shape[-2])
    call = torch.ops.aten._scaled_dot_product_efficient_attention
    return call(query, key, value, attn_mask, True, dropout_p, is_causal, scale=scale)[0]


def _dropout(x, p=0.5, training=True, inplace=False):
    return torch.ops.aten.native_dropout(x, p, True)[0] if training and p else x


def _counted_chain(function: Callable) -> Callable:
    return Counting.now.chain(function)


@contextlib.contextmanager
def pretending() -> Iterator[None]:
    """Let meta tensors go the way of a GPU's."""
    functional, optimizer = torch.nn.functional, sys.modules["torch.optim.optimizer"]
    before = functional.scaled_dot_product_attention, functional.dropout, step_module.autocast
    supported = optimizer._get_fused_kernels_supported_devices
    functional.scaled_dot_product_attention, functional.dropout = _as_on_a_card, _dropout
    step_module.autocast = lambda *_: contextlib.nullcontext()
    if chains:
        chains.compiled, compiled = _counted_chain, chains.compiled
    optimizer._get_fused_kernels_supported_devices = lambda: ["cuda", "meta"]
    try:
        yield
    finally:
        functional.scaled_dot_product_attention, functional.dropout, step_module.autocast = before
        if chains:
            chains.compiled = compiled
        optimizer._get_fused_kernels_supported_devices = supported


def count(model: str, tuning: str, task: str, batch: int, seeds: int = SEEDS) -> Counted:
    """The mean of a few steps' counts; everything trains that a tuning trains."""
    known = spec(model)
    made, collate = _stacked(known, tuning, task, seeds)
    lengths = [len(row["input_ids"]) for row in rows(known, task)[0]]
    orders = [shuffled(lengths, batch, BATCHES, seed) for seed in range(seeds)]
    recipe = reading.read("paper", "glue", model="bert-base", schedule="constant", task="sst2")
    recipe = dataclasses.replace(recipe, tuning=tuning, batch_size=batch)
    anatomy, axis = Anatomy.of(made, tuning), StackedSeeds(seeds)
    made.train()
    with pretending():
        with Counting():
            optimizer = build_optimizer(anatomy, recipe, axis, torch.zeros((), device="meta"))
        step, counts = Step(made, recipe, optimizer, anatomy.parameters(), axis), []
        for number, those in enumerate([None, *zip(*orders, strict=True)]):
            chosen = [[rows(known, task)[0][i] for i in order] for order in those or next(zip(*orders, strict=True))]
            inputs = collate(chosen).to("meta").inputs()
            with Counting() as counting:
                step(inputs)
            if number:  # the first makes the moments
                counts.append(counting.counted)
    whole = Counted()
    for own in counts:
        for name in ("bytes", "launches", "products", "attention"):
            setattr(whole, name, getattr(whole, name) + getattr(own, name) / len(counts))
        for name, (launches, moved) in own.by_operation.items():
            before = whole.by_operation.get(name, [0.0, 0.0])
            whole.by_operation[name] = [before[0] + launches / len(counts), before[1] + moved / len(counts)]
    return whole


def _stacked(known: ModelSpec, tuning: str, task: str, seeds: int) -> tuple[torch.nn.Module, SeedCollator]:
    """A model of this shape for so many seeds, without numbers, and what makes its batches."""
    with torch.device("meta"), Counting():
        model = loading.build(known, 2, head_of(task))
        apply_tuning(model, tuning)
        agrees = packing._agrees_with_padding
        packing._agrees_with_padding = lambda *_: True  # without numbers nothing can be compared
        try:
            packed = packing.pack(model)
        finally:
            packing._agrees_with_padding = agrees
        stack([model] * seeds)
        vocabulary.cut(model, words(known, task))
    longest = min(known.readable, 384 if task == "squad1" else 128)
    options = {"lengths": [len(row["input_ids"]) for row in rows(known, task)[0]]} if LEARNS else {}
    pad, answering = model.config.pad_token_id, head_of(task) == "question_answering"
    return model, SeedCollator(packed, pad, longest, answering, **options)


LEARNS = "lengths" in {field.name for field in dataclasses.fields(SeedCollator)}


def counted(shapes: list[dict]) -> list[dict]:
    """A record for each shape, as `gpu_hours.projected` takes them."""
    records = []
    for shape in ({name: value for name, value in own.items() if name != "short"} for own in shapes):
        step = count(**shape)
        records.append({
            **shape, "precision": "tf32", "seeds": SEEDS, "milliseconds": step.milliseconds / SEEDS,
            "bytes": step.bytes, "launches": step.launches, "products": step.products, "attention": step.attention,
            "by_operation": step.by_operation,
        })  # fmt: skip
    return records


@contextlib.contextmanager
def other_build(commit: str, arguments: list[str]) -> Iterator[Callable[[], list[dict]]]:
    """The same of another commit's code, in a process of its own that begins now; call it for the records."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "progbench"], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        variables = os.environ | {"PYTHONPATH": folder}
        command = [sys.executable, __file__, "--json", *arguments]
        with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True) as process:
            yield lambda: json.loads(process.communicate()[0])


def table(ours: list[dict], theirs: list[dict]) -> str:
    """Both builds beside each other, and the hours of the grid by the roofline."""
    lines = [
        "| shape | GB moved: then, now | ratio | launches: then, now | ratio | attention's operations, ratio "
        "| ms a seed's step by the roofline: then, now |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for now, then in zip(ours, theirs, strict=True):
        share = {name: now[name] / then[name] for name in ("bytes", "launches", "attention")}
        lines.append(
            f"| {now['model']} {now['tuning']} {now['task']} x {now['batch']} "
            f"| {then['bytes'] / 1e9:.1f}, {now['bytes'] / 1e9:.1f} | {share['bytes']:.2f} "
            f"| {then['launches']:.0f}, {now['launches']:.0f} | {share['launches']:.2f} | {share['attention']:.2f} "
            f"| {then['milliseconds']:.2f}, {now['milliseconds']:.2f} |"
        )
    for name, records in (("then", theirs), ("now", ours)):
        if hours := projected(records):
            each = ", ".join(f"{table} {taken:.1f}" for table, taken in hours.items())
            lines.append(f"\nHours of the grid by the roofline, {name}: {sum(hours.values()):.1f} ({each}).")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the bytes and launches of training steps.")
    parser.add_argument("--also", metavar="COMMIT", help="count that build, too")
    parser.add_argument("--only", metavar="TEXT", default="", help="the shapes whose names hold this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--operations", action="store_true", help="say what each operation moves")
    options = parser.parse_args()
    shapes = [s for s in grid()["shapes"] if options.only in f"{s['model']}-{s['tuning']}-{s['task']}"]
    if options.json:
        print(json.dumps(counted(shapes)))
        return
    with contextlib.ExitStack() as both:
        also = both.enter_context(other_build(options.also, ["--only", options.only])) if options.also else None
        ours = counted(shapes)
        theirs = also() if also else ours
    print(table(ours, theirs))
    for record in ours if options.operations else ():
        print(f"{record['model']} {record['tuning']} {record['task']}")
        for name, (launches, moved) in sorted(record["by_operation"].items(), key=lambda item: -item[1][1])[:25]:
            print(f"  {name:<45}{launches:7.0f} {moved / 1e9:8.2f} GB")


if __name__ == "__main__":
    main()
