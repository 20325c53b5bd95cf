"""progbench list, as a person and as a program ask it; and the words of the other commands that name what there is."""

import json

import pytest

from progbench import cli, places
from progbench.recipes import reading
from progbench.tasks.catalog import tasks


@pytest.fixture
def listed(capsys):
    def ask(*arguments):
        assert cli.main(["list", *arguments]) == 0
        return capsys.readouterr().out

    return ask


def test_the_suites_are_listed_with_their_tables(listed):
    rows = json.loads(listed("suites", "--json"))

    assert [one["suite"] for one in rows] == reading.suites()
    assert rows[0]["tables"] == list(reading.settings("base").tables)


def test_a_suites_tables_are_listed_with_the_mark_that_chooses_each(listed):
    rows = {one["table"]: one for one in json.loads(listed("tables", "--json"))}

    assert {name: one["mark"] for name, one in rows.items()} == {
        "figure1": "figures", "figure4": "figures", "table1": "glue", "table2": "squad", "table3": "params",
        "table4": "peft", "table5": "ablation",
    }  # fmt: skip
    assert (rows["table1"]["scores"], rows["table2"]["counts"]) == (60, 4)


def test_recipes_and_variants_are_listed_apart(listed):
    recipes, variants = (json.loads(listed(what, "--suite", "paper", "--json")) for what in ("recipes", "variants"))

    assert "bert-base-shrinking-rte" in [one["id"] for one in recipes]
    assert not [one["id"] for one in recipes if "~" in one["id"]]
    assert all("~" in one["id"] for one in variants)


def test_models_and_tasks_are_listed(listed):
    assert "google-bert/bert-base-uncased" in listed("models")
    assert [one["task"] for one in json.loads(listed("tasks", "--json"))] == list(tasks())


@pytest.mark.parametrize("what", ["suites", "tables", "recipes", "variants", "models", "tasks"])
def test_a_table_for_a_person_has_a_heading_and_a_row_each_within_80_columns(listed, what):
    lines = listed(what).splitlines()

    assert max(map(len, lines)) <= 80
    if what == "suites":
        assert lines[0].split() == ["suite", "seeds", "device", "tables"]
        assert [line.split()[0] for line in lines[2:] if line[0] != " "] == reading.suites()


@pytest.mark.parametrize(("typed", "meant"), [
    (["lst"], "progbench: argument command: invalid choice: 'lst': did you mean list?"),
    (["list", "suite"], "progbench list: argument what: invalid choice: 'suite': did you mean suites?"),
    (["plan", "--suite", "smok"], "progbench plan: argument --suite: invalid choice: 'smok': did you mean smoke?"),
])  # fmt: skip
def test_a_slip_of_the_hand_is_answered_with_the_nearest_name_in_one_line(capsys, typed, meant):
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(typed)

    assert capsys.readouterr().err == f"{meant}\n"


def test_an_included_folder_that_is_not_there_is_a_usage_error(capsys):
    assert cli.main(["list", "suites", "--include", "/no/such/folder"]) == 2
    assert "names /no/such/folder, which is not a folder" in capsys.readouterr().err


ARGUMENTS = {
    "compare": ["minilm", "--train", "mine.tsv", "--dev", "dev.tsv"],
    "report": ["runs"],
    "list": ["suites"],
    "params": ["minilm", "--epochs", "3"],
    "run": ["minilm-shrinking-rte"],
    "submit": ["--engine", "local"],
    "adopt": ["runs"],
    "card": ["seed0.json"],
}  # without which a command does not start


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_a_command_includes_a_folder_that_is_named_behind_it(command, tmp_path, monkeypatch):
    included = []
    monkeypatch.setattr(cli._module(command), "run", lambda _: included.extend(places.included()) or 0)

    assert cli.main([command, *ARGUMENTS.get(command, []), "--include", str(tmp_path)]) == 0
    assert included == [tmp_path]


def test_an_option_that_is_not_written_in_full_is_refused(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(["list", "suites", "--inc", "own"])

    assert "unrecognized arguments: --inc" in capsys.readouterr().err


def test_a_row_whose_recipe_cannot_be_read_is_said_beside_those_that_can(tmp_path, capsys, monkeypatch):
    row = '[[rows]]\nmodel = "tiny-bert"\nlabel = "{0}"\nschedule = "{0}"\n'
    table = 'table = "T"\nsource = "ours"\nrecipe = "r"\nunit = "points"\n'
    written = {
        "recipes/own/suite.toml": 'seeds = 1\ndevice = "cpu"\ntables = ["t"]\n',
        "recipes/own/r.toml": 'inherits = "smoke/glue"\n[defaults]\n',
        "expected/own/t.toml": f'{table}[columns]\nrte = {{ label = "RTE", metric = "accuracy" }}\n'
        + row.format("growing")
        + row.format("single_block_b9"),
    }
    for path, content in written.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    monkeypatch.setenv(places.VARIABLE, str(tmp_path))
    code = cli.main(["list", "recipes", "--suite", "own"])
    said = capsys.readouterr()

    assert code == 2
    assert "tiny-bert-growing-rte" in said.out
    assert "r.toml: i must be a block from 0 to 3" in said.err
