"""glue.toml and squad.toml: what an entry may say."""

import pytest

from progbench import files
from progbench.errors import BadInput
from progbench.tasks import entries, glue, squad


@pytest.fixture
def read(tmp_path):
    """Reads an own glue.toml with an entry of one task, with changes."""

    def read(**changes):
        lines = {
            "folder": "'Own'", "hub": "''", "columns": "['text', 'label']", "text": "['text']", "hub_text": "[]",
            "label": "'label'", "labels": "['no', 'yes']", "metrics": "['accuracy']", "train": "'train.tsv'",
            "evaluate": "{ own = ['dev.tsv', ''] }", "rows": "{ train = 9, own = [3, 4] }",
        } | changes  # fmt: skip
        path = tmp_path / "glue.toml"
        path.write_text("[own]\n" + "\n".join(f"{name} = {value}" for name, value in lines.items() if value))
        files.read_toml.cache_clear()
        return entries.read(path, glue.WANTED, glue.OPTIONAL)["own"]

    return read


def test_a_sound_entry_is_read(read):
    assert read()["rows"] == {"train": 9, "own": [3, 4]}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rows": ""}, r"glue\.toml: \[own\]: no rows"),
        ({"rows": "{ train = 9 }"}, r"rows are of train: wanted are own, train"),
        ({"rows": "{ train = '9', own = 3 }"}, "rows = .*: allowed is a table of whole numbers"),
        ({"rows": "{ train = [], own = 3 }"}, "rows = .*: allowed is a table of whole numbers"),
        ({"metrics": "'accuracy'"}, "metrics = 'accuracy': allowed is a list of texts"),
        ({"hub_texts": "['a']"}, "unknown field 'hub_texts'; known are folder"),
        ({"evaluate": "{ own = ['dev.tsv'] }"}, "evaluate = .*: allowed is a table of two texts a set"),
        ({"broken_rows": "2"}, "broken_rows = 2: allowed is a number from 0 to 1"),
        ({"labels": "['yes', 'yes']"}, "labels = .*: allowed is a list of texts, each once"),
        ({"no_header": "1"}, "no_header = 1: allowed is true or false"),
    ],
)
def test_an_unsound_entry_is_refused_by_its_field(read, changes, problem):
    with pytest.raises(BadInput, match=problem):
        read(**changes)


@pytest.mark.parametrize(
    ("fault", "changes"),
    [("a task without a count of its rows", {"rows": ""}), ("a task whose metrics are one text", {"metrics": "'f1'"})],
)
def test_what_an_entry_lacks_is_told_with_its_place(read, reliability, fault, changes):
    with pytest.raises(BadInput) as refused:
        read(**changes)
    if fault in ("a task without a count of its rows",):  # the others are alike
        reliability("Bringing data", fault, happens=str(refused.value), kept="nothing is read of that file")


def test_the_tasks_of_squad_are_read():
    assert squad.squad_tasks()["squad2"].rows == {"train": (130_319,), "squad2": (11_873,)}
