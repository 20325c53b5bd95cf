import gzip
from dataclasses import replace

import pytest
from made_up import result as made_up

from progbench.errors import BadInput
from progbench.recipes.reading import read
from progbench.runs import predictions, results

CLASSES = {"sst2": {"gold": [0, 1, 1], "predicted": [0, 1, 0]}}
LATER = {"sst2": {"gold": [0, 1, 1], "predicted": [0, 1, 1]}}
ANSWERS = {"squad1": {"predicted": ["Oslo", ""], "exact": [1, 0], "f1": [1.0, 0.5]}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seed0.json"


def test_predictions_come_back_by_set_and_epoch(path):
    named = predictions.save(path, [CLASSES, LATER])
    assert predictions.load(path, named) == {"sst2": {"gold": [0, 1, 1], "epochs": [[0, 1, 0], [0, 1, 1]]}}


def test_answers_come_back_with_their_exact_match_and_f1(path):
    named = predictions.save(path, [ANSWERS])
    assert predictions.load(path, named) == {
        "squad1": {"epochs": [["Oslo", ""]], "exact": [[1, 0]], "f1": [[1.0, 0.5]]}
    }


def test_a_run_without_a_scored_epoch_files_no_predictions(path):
    assert (predictions.save(path, [{}]), list(path.parent.iterdir())) == ({}, [])


def test_the_checksum_is_of_the_content_and_not_of_its_compression(path):
    named = predictions.save(path, [CLASSES])
    beside = predictions.path_beside(path)
    beside.write_bytes(gzip.compress(gzip.decompress(beside.read_bytes()), compresslevel=1, mtime=7))
    assert predictions.load(path, named)["sst2"]["epochs"] == [[0, 1, 0]]


@pytest.mark.parametrize("damage", [b"", b"no gzip", gzip.compress(b"{}", mtime=0), None])
def test_predictions_that_are_not_those_of_the_result_are_refused_by_their_file(path, damage):
    named = predictions.save(path, [CLASSES])
    beside = predictions.path_beside(path)
    beside.unlink() if damage is None else beside.write_bytes(damage)
    with pytest.raises(BadInput, match=r"seed0\.predictions\.json\.gz: "):
        predictions.load(path, named)


@pytest.mark.parametrize(
    "content",
    [
        "[]", "{}", "nonsense", '{"sst2":1}', '{"sst2":{"epochs":[[0]]}}', '{"sst2":{"epochs":[[0]],"gold":[0,1]}}',
        '{"sst2":{"epochs":[[null]],"gold":[0]}}', '{"squad1":{"epochs":[["a"]],"exact":[],"f1":[]}}',
        '{"squad1":{"epochs":[["a"]],"exact":[[1]],"f1":["1"]}}',
    ],
)  # fmt: skip
def test_a_content_of_another_shape_is_refused_though_its_checksum_fits(path, content):
    predictions.path_beside(path).write_bytes(gzip.compress(content.encode()))
    with pytest.raises(BadInput, match="not the predictions of a run"):
        predictions.load(path, {"checksum": predictions._checksum(content.encode())})


def test_a_result_names_the_file_of_its_predictions(tmp_path):
    wanted = read("smoke", "glue", model="tiny-bert", schedule="constant", task="sst2")
    made = made_up(wanted, 0, {"sst2": {"accuracy": 0.5}})
    made = replace(made, epochs=tuple(replace(epoch, predictions=CLASSES) for epoch in made.epochs))
    path = results.save(tmp_path, made)
    found = results.load(tmp_path, wanted, 0)
    assert predictions.load(path, found.predictions)["sst2"]["epochs"] == [[0, 1, 0]] * len(made.epochs)


def test_a_result_without_predictions_says_how_to_get_them(path):
    with pytest.raises(BadInput, match="made before runs kept their predictions; delete it"):
        predictions.load(path, {})


def test_mnli_takes_about_ten_kilobytes_an_evaluation_set(path):
    classes = [(i * i // 7) % 3 for i in range(9_815)]
    predictions.save(path, [{"mnli-m": {"gold": classes, "predicted": classes[::-1]}}] * 3)
    assert predictions.path_beside(path).stat().st_size < 20_000
