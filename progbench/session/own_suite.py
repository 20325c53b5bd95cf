"""The paper's question on a person's own model and data, as a suite of files made on the fly.

It is planned, trained, judged and reported like any other suite. Its results are filed under digests, so that the same
question again goes on from them.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from progbench import files, kinds, places
from progbench.errors import BadInput
from progbench.judging.compared import Paired
from progbench.method.schedule import PAPERS, SCHEDULES, constant, ours
from progbench.session.own_data import Described
from progbench.session.own_model import Guest
from progbench.session.pairing import paired
from progbench.session.suite import Suite

FILE = "compare"  # the recipe's, in the suite's folder
TABLE = "table1"
# What a recipe says where nobody chose: for full tuning as the paper's own recipes, for the others as its peft.toml.
LEARNING_RATES = {"full": 2e-5, "adapter": 1e-4, "bitfit": 1e-3, "lora": 5e-4}
OPTIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "bitfit": {},
    "adapter": {"adapter_reduction": 16},
    "lora": {"lora_rank": 8, "lora_alpha": 8, "lora_targets": ["query", "value"]},
}
STEADY = {
    "warmup": 0.0,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "clip_norm": 1.0,
}
EPOCHS = 3
BEFORE = "asked before the first result"


@dataclass(frozen=True)
class Question:
    """Schedules of a model that are compared on data with a tuning; `margin` is in points, stated beforehand.

    `values` are the recipe's fields that a person chose, by name.
    """

    model: Guest
    data: Described
    schedules: tuple[str, ...]
    tuning: str = "full"
    seeds: int = 5
    device: str = "auto"
    margin: float = 1.0
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def suite(self) -> str:
        """The name of its suite.

        >>> from progbench.session.own_model import describe
        >>> data = Described("reviews", {}, "0", "classification", ("accuracy",), (9, 9))
        >>> Question(describe("minilm"), data, ("constant",)).suite
        'minilm-on-reviews'
        """
        return f"{self.model.name}-on-{self.data.name}"


def schedules(text: str) -> tuple[str, ...]:
    """The schedules of a command line; fine-tuning comes first, and the others are compared with it.

    >>> schedules("progtuning,growing")
    ('constant', 'shrinking', 'growing')

    Raises BadInput for an unknown name.
    """
    named = [ours(name.strip()) for name in text.split(",") if name.strip()]
    if unknown := [name for name in named if name not in SCHEDULES]:
        raise BadInput(f"--schedules {text}: {unknown[0]!r} is none of {', '.join([*PAPERS, *SCHEDULES])}")
    others = [name for name in dict.fromkeys(named) if name != "constant"]
    if not others:
        raise BadInput(f"--schedules {text}: name one to compare with fine-tuning, such as progtuning")
    return ("constant", *others)


def require_different(schedules: Sequence[str], blocks: int, epochs: int) -> None:
    """Raise BadInput for a schedule that so many blocks and epochs do not allow, or that is fine-tuning with them.

    >>> require_different(["constant", "shrinking"], blocks=4, epochs=1)
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: --epochs 1: progtuning is fine-tuning with 1 epoch of 4 blocks: take 2 of each, or more
    """
    for name in schedules[1:]:
        try:
            stages = SCHEDULES[name](blocks, epochs).stages
        except ValueError as problem:
            raise BadInput(f"--epochs {epochs}: {problem}") from None
        if stages == constant(blocks, epochs).stages:
            counts = f"{epochs} epoch{'s' * (epochs != 1)} of {blocks} block{'s' * (blocks != 1)}"
            same = f"{called(name)} is fine-tuning with {counts}"
            raise BadInput(f"--epochs {epochs}: {same}: take 2 of each, or more")


def write(asked: Question, folder: Path) -> None:
    """Write the suite's files below a folder, in place of an earlier question's; the folder can then be included."""
    name = asked.suite
    for kind in ("recipes", "expected"):
        if (folder / kind).is_dir():
            shutil.rmtree(folder / kind)
    written = {
        "tasks.toml": {asked.data.name: asked.data.entry},
        f"recipes/{name}/suite.toml": {
            "title": f"{asked.model.name} on {asked.data.name}",
            "seeds": asked.seeds,
            "device": asked.device,
            "tables": [TABLE, "claims"],
        },
        f"recipes/{name}/{FILE}.toml": _recipe(asked),
        f"expected/{name}/{TABLE}.toml": _table(asked),
        f"expected/{name}/claims.toml": claims(asked, {}),
    }
    if asked.model.entry:
        written["models.toml"] = {asked.model.name: asked.model.entry}
    for path, content in written.items():
        write_toml(folder / path, content)
    places.forget()


def write_toml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of the suite, which is read anew then."""
    files.write_atomically(path, f"# written by progbench compare\n{toml(content)}\n")
    files.read_toml.cache_clear()


def difference(suite: Suite, asked: Question, schedule: str) -> Paired:
    """A schedule's scores beside fine-tuning's, for each seed that has both, in the data's first metric."""
    column = _words(asked.data.metrics[0])
    cells = {one.schedule: one for one in suite.table(TABLE).cells if one.column == column and one.kind == "scored"}
    (task,) = paired(suite, [cells[schedule]], [cells["constant"]])
    return task


def _recipe(asked: Question) -> dict[str, Any]:
    answering = asked.data.kind == "answers"
    length = min(384 if answering else 128, asked.model.readable)
    chosen = asked.values.get("max_length", length)
    values = {
        "dataset": "files",
        "revision": asked.data.digest,
        "epochs": EPOCHS,
        "learning_rate": 3e-5 if answering and asked.tuning == "full" else LEARNING_RATES[asked.tuning],
        "batch_size": 12 if answering else 32,
        "max_length": length,
        **STEADY,
        **OPTIONS[asked.tuning],
        **({"doc_stride": chosen // 3, "n_best": 20, "max_answer_length": min(30, chosen)} if answering else {}),
        **({"null_threshold": 0.0} if asked.data.entry.get("unanswerable") else {}),
    }
    if strange := sorted(set(asked.values) - set(values)):
        raise BadInput(f"{strange[0]} means nothing to {asked.tuning} tuning of {asked.data.kind}")

    lines = {field: {"value": value, "source": "compare's default"} for field, value in values.items()}
    lines |= {field: {"value": value, "source": "chosen"} for field, value in asked.values.items()}
    of_tuning = {field: lines.pop(field) for field in OPTIONS[asked.tuning]}
    return {"defaults": lines, "tunings": {asked.tuning: of_tuning}}


def _table(asked: Question) -> dict[str, Any]:
    first, *others = asked.data.metrics
    name = asked.data.name
    columns = {name: {"label": _words(first), "metric": first}}
    for metric in others:
        columns[f"{name}-{_SHORT.get(metric, metric)}"] = {"label": _words(metric), "metric": metric, "set": name}
    columns["updated"] = {"label": "Updated parameters", "count": {"task": name}}
    model = {"model": asked.model.name, "tuning": asked.tuning}
    rows = [model | {"schedule": name, "label": f"{asked.model.name} {called(name)}"} for name in asked.schedules]
    about = {"table": "Table 1", "source": "progbench compare", "recipe": FILE, "unit": "points"}
    return about | {"columns": columns, "rows": rows}


def claims(asked: Question, sources: Mapping[str, str]) -> dict[str, Any]:
    """What claims.toml says; `sources` says by its id when a claim was asked, if not before the first result."""
    body = asked.model.name if asked.tuning == "full" else f"{asked.model.name}-{asked.tuning}"
    asked_for = []
    for schedule in asked.schedules[1:]:
        whole = {
            "quantity": "difference",
            "left": f"{TABLE}/{body}-{schedule}",
            "right": f"{TABLE}/{body}-constant",
            "columns": [asked.data.name],
        }
        points = f"{asked.margin:g} point{'s' * (asked.margin != 1)}"
        keeps = f"{called(schedule)} scores at most {points} below fine-tuning"
        asked_for.append({"id": f"{schedule}-keeps-up", "sentence": keeps, **whole, "at_least": -asked.margin})
        higher = f"{called(schedule)} scores higher"
        asked_for.append({"id": f"{schedule}-is-better", "sentence": higher, **whole, "above": 0.0})
    return {"claims": [claim | {"source": sources.get(claim["id"], BEFORE)} for claim in asked_for]}


_SHORT = {"matthews_correlation": "mcc", "exact_match": "em"}  # in a cell's name


def called(schedule: str) -> str:
    """What the paper calls a schedule, if it does.

    >>> called("shrinking"), called("growing")
    ('progtuning', 'growing')
    """
    return next((paper for paper, here in PAPERS.items() if here == schedule), schedule)


def _words(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def toml(content: Mapping[str, Any]) -> str:
    """A file of tables within tables as TOML; Python's own library only reads it.

    >>> print(toml({"seeds": 5, "task": {"label": "RTE", "rows": {"train": 1}}}))
    seeds = 5
    <BLANKLINE>
    [task]
    label = "RTE"
    rows = { train = 1 }
    """
    tables = {name: value for name, value in content.items() if isinstance(value, Mapping)}
    lines = [f"{_key(name)} = {_value(value)}" for name, value in content.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{_key(name)}]", *(f"{_key(field)} = {_value(value)}" for field, value in table.items())]
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_value(item)}' for name, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    try:
        files.refuse_halves(value)
    except ValueError as problem:  # as in the name of a file that is not UTF-8
        raise BadInput(f"{kinds.shown(value)}: {problem}, and no file of UTF-8 can hold it: rename it") from None
    # a JSON text without such halves is one of TOML, but for this character
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
