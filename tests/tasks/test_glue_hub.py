"""The hub's copy of GLUE: read by its own columns, whole and in range, or refused at its place."""

import re

import pytest

from progbench.errors import BadInput, Missing
from progbench.tasks import catalog, glue
from progbench.tasks.source import Source

MNLI, STSB = (glue.glue_tasks()[name] for name in ("mnli", "stsb"))


@pytest.fixture
def hub_copy(tmp_path, monkeypatch):
    """MNLI laid out as the hub's copy is, in its cache on this machine."""
    import datasets
    import huggingface_hub

    monkeypatch.delenv("GLUE_DIR", raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path / "hub"))
    rows = {"premise": ["p0", "p1"], "hypothesis": ["h0", "h1"], "label": [2, 0], "idx": [0, 1]}
    for name in ("train", "validation_matched", "validation_mismatched"):
        of_split = rows if name == "train" else rows | {"premise": ["q0", "q1"]}
        datasets.Dataset.from_dict(of_split).to_parquet(tmp_path / "hub" / "mnli" / f"{name}-00000-of-00001.parquet")
    return tmp_path / "hub" / "mnli"


def test_the_hubs_copy_is_read_by_its_own_file_and_column_names(hub_copy):
    data = catalog.load(MNLI, Source("nyu-mll/glue", "pinned"))

    assert data.train == glue.Examples((["p0", "p1"], ["h0", "h1"]), [2, 0])
    assert sorted(data.evaluate) == ["mnli-m", "mnli-mm"]
    assert re.fullmatch("hub:nyu-mll/glue@pinned [0-9a-f]{8}", data.fingerprint)  # and how its entry reads it


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"label": -1}, r"row 1: the label is -1"),
        ({"label": 3}, r"row 1: the label is 3"),
        ({"label": None}, r"row 1: the label is None"),
        ({"premise": ""}, r"row 1: nothing in column premise"),
        ({"hypothesis": None}, r"row 1: nothing in column hypothesis"),
    ],
)
def test_a_row_of_the_hubs_copy_that_does_not_fit_is_refused_at_its_place(hub_copy, row, problem):
    import datasets

    whole = {"premise": "p", "hypothesis": "h", "label": 0, "idx": 0}
    datasets.Dataset.from_list([whole, whole | row]).to_parquet(hub_copy / "train-00000-of-00001.parquet")

    with pytest.raises(BadInput, match=f"nyu-mll/glue train: {problem}$"):
        catalog.load(MNLI, Source("nyu-mll/glue", "pinned"))


@pytest.mark.parametrize(("score", "fits"), [(0.0, True), (5.0, True), (-0.1, False), (float("nan"), False)])
def test_a_score_of_the_hubs_copy_is_from_0_to_5(hub_copy, score, fits):
    import datasets

    for name in ("train", "validation"):
        rows = {"sentence1": [name], "sentence2": ["b"], "label": [score], "idx": [0]}
        datasets.Dataset.from_dict(rows).to_parquet(hub_copy.parent / "stsb" / f"{name}-00000-of-00001.parquet")

    if fits:
        assert catalog.load(STSB, Source("nyu-mll/glue", "pinned")).train.labels == [score]
    else:
        with pytest.raises(BadInput, match="nyu-mll/glue validation: row 0: the label is"):
            catalog.load(STSB, Source("nyu-mll/glue", "pinned"))


def test_an_incomplete_copy_of_the_hubs_files_is_not_trained_on(hub_copy):
    (hub_copy / "validation_mismatched-00000-of-00001.parquet").unlink()

    with pytest.raises(Missing, match="nyu-mll/glue is not on this machine, and the hub did not give it"):
        catalog.load(MNLI, Source("nyu-mll/glue", "pinned"))
