"""A task's data by its name: where it comes from, what it is called after, and that the two sides are not one."""

from dataclasses import replace

import pytest

from progbench.errors import BadInput, Missing
from progbench.tasks import catalog, glue, toy
from progbench.tasks.source import Source

SST2 = glue.glue_tasks()["sst2"]


def test_without_GLUE_DIR_local_files_are_missing_and_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("GLUE_DIR", raising=False)

    with pytest.raises(Missing, match="set GLUE_DIR to a folder"):
        catalog.load(SST2, Source("GLUE_DIR"))


def test_GLUE_DIR_takes_the_hubs_place(monkeypatch, tmp_path):
    toy.write(tmp_path / "glue")
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "glue"))

    assert len(catalog.load(SST2, Source("nyu-mll/glue")).train) == toy.SIZES["train"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """GLUE_DIR with files of SST-2: two rows to train on, and one or two to evaluate on."""
    place = tmp_path / "SST-2"
    place.mkdir()
    (place / "train.tsv").write_text("sentence\tlabel\na\t0\nb\t1\n")
    (place / "dev.tsv").write_text("sentence\tlabel\nb\t1\nc\t0\n")
    monkeypatch.setenv("GLUE_DIR", str(tmp_path))
    return place


def test_evaluation_that_holds_only_training_texts_is_refused_with_both_paths(folder, reliability):
    (folder / "dev.tsv").write_text("sentence\tlabel\nb\t0\n")  # another label is no other text
    with pytest.raises(BadInput) as refused:
        catalog.load(SST2, Source("GLUE_DIR"))

    said = f"{folder}/dev.tsv: every text in it also stands in {folder}/train.tsv; evaluation must not know them"
    assert str(refused.value) == said
    reliability(
        "Bringing data", "evaluation on training data, under other labels", happens=said,
        kept="nothing is trained; other tasks run",
    )  # fmt: skip


def test_evaluation_that_holds_some_training_texts_is_read(folder):
    assert len(catalog.load(SST2, Source("GLUE_DIR")).evaluate["sst2"]) == 2


@pytest.mark.parametrize("changes", [{"labels": ("1", "0")}, {"unended": ("x",)}, {"broken_rows": 0.5}])
def test_the_same_files_read_by_another_entry_have_another_fingerprint(folder, changes):
    before, again, after = (
        catalog.load(task, Source("GLUE_DIR")).fingerprint for task in (SST2, SST2, replace(SST2, **changes))
    )

    assert before == again != after
    assert before.startswith("sha256:")


def test_published_counts_are_no_part_of_the_fingerprint(folder):
    other = replace(SST2, rows={"train": (2,), "sst2": (2,)})

    assert len({catalog.load(task, Source("GLUE_DIR")).fingerprint for task in (SST2, other)}) == 1
