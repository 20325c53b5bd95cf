"""Every architecture of `tiny`, trained in the Trainer: exactly the stage moves, and what moves is what is counted.

docs/models.md holds the table of what these tests checked. With PROGBENCH_WRITE_DOCS=1 it is written anew.
"""

import os
import re
from pathlib import Path

import pytest
import tiny
import trainers

from progbench import Anatomy, ProgressiveFreezing, apply_tuning, updated_parameters
from progbench.errors import BadInput
from progbench.method.layout import EMBEDDINGS, HEAD
from progbench.method.schedule import growing, shrinking

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
SETTINGS = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "warmup_steps": 0}
TUNINGS = {"lora": {"rank": 2}, "adapter": {"reduction": 4}, "bitfit": {}}
WITHOUT_BIASES = {"ModernBERT", "Llama", "Qwen3", "Gemma 3", "T5"}  # in their blocks


def run(folder, model, tuning, schedule, rows):
    anatomy, watch = Anatomy.of(model, tuning), trainers.Watch(model)
    names = anatomy.names()
    trainers.trainer(folder, model, [ProgressiveFreezing(schedule, tuning), watch], rows, **SETTINGS).train()

    assert watch.moved == [{names[id(p)] for p in anatomy.trainable(stage)} for stage in schedule]
    assert sum(watch.updated) == updated_parameters(model, schedule, tuning)


@pytest.mark.parametrize("make", [shrinking, growing])
@pytest.mark.parametrize("name", tiny.MODELS)
def test_in_each_epoch_the_stage_moves_and_nothing_else_by_a_bit(tmp_path, name, make):
    run(tmp_path, tiny.model(name), "full", make(tiny.BLOCKS, 2), tiny.rows(name, 4))


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("name", tiny.MODELS)
def test_with_a_tuning_what_it_trains_in_the_stage_moves_and_nothing_else(tmp_path, name, tuning):
    model = tiny.model(name)
    if tuning == "bitfit" and name in WITHOUT_BIASES:
        with pytest.raises(BadInput, match="has no bias in its blocks, so BitFit would train nothing there"):
            apply_tuning(model, tuning)
        return
    apply_tuning(model, tuning, **TUNINGS[tuning])
    run(tmp_path, model, tuning, shrinking(tiny.BLOCKS, 2), tiny.rows(name, 4))


def places(anatomy, part):
    """The paths of E or H, each with the rule that chose it."""
    by_rule = {}
    for piece in anatomy.pieces:
        if piece.component == part:
            by_rule.setdefault(piece.why, []).append(f"`{piece.path}`")
    return "; ".join(f"{', '.join(paths)} ({why})" for why, paths in by_rule.items())


def table():
    rows = ["| architecture | class | E | blocks | H | tunings |", "| --- | --- | --- | --- | --- | --- |"]
    for name in tiny.MODELS:
        model = tiny.model(name)
        anatomy = Anatomy.of(model)
        blocks = [piece.path for piece in anatomy.pieces if piece.component.startswith("block")]
        lists = ", then ".join(f"`{path}`" for path in dict.fromkeys(re.sub(r"\.\d+$", "", path) for path in blocks))
        tunings = ", ".join(one for one in TUNINGS if one != "bitfit" or name not in WITHOUT_BIASES)
        cells = [name, f"`{type(model).__name__}`", places(anatomy, EMBEDDINGS), lists, places(anatomy, HEAD), tunings]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_page_holds_the_table_of_what_was_checked():
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end of table -->\n")[2]
    page = f"{before}<!-- table -->\n\n{table()}\n\n<!-- end of table -->\n{after}"
    if os.environ.get("PROGBENCH_WRITE_DOCS"):
        PAGE.write_text(page, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page, "write it anew with PROGBENCH_WRITE_DOCS=1"
