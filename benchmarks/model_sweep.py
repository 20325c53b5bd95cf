"""Is every model of transformers taken apart rightly? No network, no weights, a minute or two on a CPU:

    python benchmarks/model_sweep.py [--write] [TYPE ...]

Each pair of model type and head that the eight Auto classes below know is built with four blocks of width 32 and taken
apart. It is `right` if the blocks are as many as the configuration says, if a forward pass calls them once each and in
their order, E before them and H not before, and if two steps of training move what the stage trains and nothing else.
It is `refused` if `Anatomy.of` says so, and `wrong` otherwise. What a library that is missing here is needed for, or
what transformers itself cannot make of its default configuration, is `not built`. --write puts the table into
docs/models.md. The exit code is 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import collections
import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sweep_checks import wrong_with
from sweep_inputs import inputs_for
from tiny_configurations import tiny

from progbench import Anatomy
from progbench.errors import BadInput
from progbench.method.choice import require_stacks
from progbench.method.layout import TOWER
from progbench.method.wrappers import stages_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
HEADS = {
    "CAUSAL_LM": "causal LM",
    "SEQUENCE_CLASSIFICATION": "sequence",
    "TOKEN_CLASSIFICATION": "token",
    "SEQ_TO_SEQ_CAUSAL_LM": "seq2seq LM",
    "IMAGE_CLASSIFICATION": "image",
    "AUDIO_CLASSIFICATION": "audio",
    "MASKED_LM": "masked LM",
    "QUESTION_ANSWERING": "question answering",
}
RIGHT, REFUSED, WRONG, NOT_BUILT = "right", "refused", "wrong", "not built"


@dataclass(frozen=True)
class Pair:
    """A model type and a head, with the name of the class that transformers has for the two."""

    kind: str
    head: str
    name: str


@dataclass(frozen=True)
class Found:
    """What came of a pair: how many blocks, by which rule, or why not."""

    pair: Pair
    outcome: str
    L: int | None
    why: str


def pairs(kinds: Collection[str] = ()) -> list[Pair]:
    """Every pair that transformers knows, or those of some types."""
    known = {head: getattr(modeling_auto, f"MODEL_FOR_{head}_MAPPING_NAMES") for head in HEADS}
    pairs = [
        Pair(kind, head, name if isinstance(name, str) else name[0])
        for head, names in known.items()
        for kind, name in names.items()
    ]
    return [pair for pair in pairs if not kinds or pair.kind in kinds]


def build(pair: Pair) -> nn.Module:
    """The tiny model, with random weights. A class for one of a composite's models takes its configuration."""
    make = getattr(transformers, pair.name)
    whole = tiny(pair.kind)
    inner = [whole, *(getattr(whole, name) for name in whole.sub_configs)]
    configuration = next((own for own in inner if isinstance(own, make.config_class)), whole)
    if pair.head == "CAUSAL_LM":
        configuration.is_decoder = True
    for own in (configuration, configuration.get_text_config()):
        own.pad_token_id = getattr(own, "pad_token_id", None) or 0
    torch.manual_seed(0)
    return make(configuration)


def judged(pair: Pair) -> Found:
    """Build a pair, take it apart, and look."""
    try:
        model = build(pair)
    except Exception as error:
        return Found(pair, NOT_BUILT, None, _first_words(str(error)))
    try:
        anatomy = Anatomy.of(model)
    except BadInput as error:
        said = re.sub(r"^\w+(?: \([\w-]+\))?(?::|(?= has)) ?", "", str(error)).strip()
        return Found(pair, REFUSED, None, re.split(r"; (?:name|choose) ", said)[0])
    why = wrong_with(model, anatomy, inputs_for(model, pair.head))
    return Found(pair, WRONG if why else RIGHT, anatomy.L, why or rule_of(model, anatomy))


def rule_of(model: nn.Module, anatomy: Anatomy) -> str:
    """How the blocks lie in the model, in words."""
    said = []
    for stack in require_stacks(model):
        if stages_of(stack.configuration) and len(stack.blocks) == sum(stages_of(stack.configuration)):
            said.append(f"stages in a row: `{stack.path}`")
        elif len(stack.lists) > 1:
            said.append(f"parallel lists: {', '.join(f'`{path}`' for path in stack.lists)}")
        else:
            said.append(f"one list: `{stack.path}`")
    towers = [f"`{piece.path}`" for piece in anatomy.pieces if piece.why == TOWER]
    return ", then ".join(said) + (f"; towers: {', '.join(towers)}" if towers else "")


def _first_words(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 110 else f"{line[:110].rpartition(' ')[0]} …"


def table(every: Iterable[Found]) -> list[str]:
    """A row for each type and outcome, its heads together."""
    grouped: dict[tuple, list[str]] = {}
    for own in sorted(every, key=lambda own: own.pair.kind):
        key = (own.pair.kind, own.outcome, own.L, own.why)
        grouped.setdefault(key, []).append(HEADS[own.pair.head])
    return [
        f"| {kind} | {', '.join(heads)} | {'' if L is None else L} | {outcome} | {why} |"
        for (kind, outcome, L, why), heads in grouped.items()
    ]


def counts(every: Iterable[Found]) -> list[str]:
    """The outcomes of each head, and of all."""
    rows = collections.defaultdict(collections.Counter)
    for own in every:
        for name in (HEADS[own.pair.head], "all"):
            rows[name][own.outcome] += 1
    order = (RIGHT, REFUSED, WRONG, NOT_BUILT)
    return [
        f"| {name} | {' | '.join(str(rows[name][outcome]) for outcome in order)} |"
        for name in (*HEADS.values(), "all")
        if name in rows
    ]


def written(page: str, every: Collection[Found]) -> str:
    """The page with both tables anew."""
    head = "| head | right | refused | wrong | not built |\n| --- | --- | --- | --- | --- |"
    rows = "| type | heads | L | outcome | rule, or why not |\n| --- | --- | --- | --- | --- |"
    for mark, top, lines in (("counts", head, counts(every)), ("sweep", rows, table(every))):
        before, _, rest = page.partition(f"<!-- {mark} -->\n")
        body = "\n".join([top, *lines])
        page = (
            f"{before}<!-- {mark} -->\n\n{body}\n\n<!-- end of {mark} -->{rest.partition(f'<!-- end of {mark} -->')[2]}"
        )
    return page


def all_judged(kinds: Collection[str]) -> Iterator[Found]:
    for pair in pairs(kinds):
        judgement = judged(pair)
        if judgement.outcome != RIGHT:
            print(f"{judgement.outcome:9}  {pair.kind} ({HEADS[pair.head]}): {judgement.why}", flush=True)
        yield judgement


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="TYPE", help="model types; all unless given")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/models.md")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    every = list(all_judged(asked.kinds))
    print("\n".join(counts(every)))
    if asked.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), every), encoding="utf-8")
    return int(any(own.outcome == WRONG for own in every))


if __name__ == "__main__":
    sys.exit(main())
