"""progbench compare, as a person starts it: its plan, its suite, its answer, and that it goes on where it stood."""

import json
import re
import tomllib

import pytest

from progbench import cli, places
from progbench.session import probing


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys, trained):
    """Start the command in an empty folder with a few rows; training is stood in for, and no step is timed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probing, "filled", lambda found, suite: found)
    for name in ("mine.tsv", "dev.tsv"):
        (tmp_path / name).write_text(f"text\tlabel\n{name}\twet\nb\tdry\nc\twet\n", encoding="utf-8")

    def start(*arguments):
        code = cli.main(["compare", "tiny-bert", "--train", "mine.tsv", "--dev", "dev.tsv", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return start


def written(tmp_path, path):
    return tomllib.loads((tmp_path / "compare" / "tiny-bert-on-mine" / path).read_text(encoding="utf-8"))


def test_the_plan_comes_first_and_the_answer_last(compare, trained):
    code, said, _ = compare("--seeds", "2")
    lines = said.splitlines()

    assert code == 0
    assert lines[0] == "tiny-bert, 2 classes of text: 3 rows to train on, 3 to score"
    assert lines[1].startswith("4 runs of 2 recipes are missing")
    assert len(trained) == 4
    (differ,) = [i for i, line in enumerate(lines) if line.startswith("progtuning less fine-tuning on mine: ")]
    assert differ > len(lines) - 8


def test_a_plan_alone_trains_nothing(compare, trained):
    code, said, _ = compare("--plan")

    assert (code, trained) == (0, [])
    assert "less fine-tuning" not in said


def test_a_report_that_has_no_place_is_refused_before_anything_is_trained(compare, trained):
    code, _, said = compare("--report", "mine.tsv")

    assert (code, trained) == (2, [])
    assert "--report mine.tsv: not a folder" in said


def test_the_same_again_trains_nothing_and_new_data_is_trained_anew(compare, trained, tmp_path):
    compare("--seeds", "2")
    trained.clear()
    compare("--seeds", "2")
    again = list(trained)
    (tmp_path / "mine.tsv").write_text("text\tlabel\nanother\twet\nb\tdry\n", encoding="utf-8")
    compare("--seeds", "2")

    assert again == []
    assert len(trained) == 4


def test_what_was_chosen_stands_in_the_recipe_beside_the_defaults(compare, tmp_path):
    compare("--plan", "--epochs", "4", "--tuning", "lora", "--lora-targets", "query", "--margin", "0.5")
    recipe = written(tmp_path, "recipes/tiny-bert-on-mine/compare.toml")
    claims = written(tmp_path, "expected/tiny-bert-on-mine/claims.toml")["claims"]

    assert recipe["defaults"]["epochs"] == {"value": 4, "source": "chosen"}
    assert recipe["defaults"]["learning_rate"] == {"value": 5e-4, "source": "compare's default"}
    assert recipe["tunings"]["lora"]["lora_targets"]["value"] == ["query"]
    assert claims[0]["at_least"] == -0.5
    assert claims[0]["left"] == "table1/tiny-bert-lora-shrinking"


def test_its_report_begins_with_the_lines_that_the_terminal_ends_with(compare, tmp_path):
    compare("--seeds", "2", "--report", "out")
    page, text, data = ((tmp_path / "out" / f"report.{ending}").read_text() for ending in ("html", "md", "json"))
    first, *_ = json.loads(data)["asked"]

    assert first.startswith("progtuning less fine-tuning on mine: ")
    shown = re.escape(first).replace(r"\ \-", r"\ −")  # a page has a true minus
    assert re.search(rf"</h1>\s*<ul class=.plain.>\s*<li>{shown}</li>", page)
    assert text.splitlines()[2].startswith("- progtuning less fine-tuning on mine: ")


def test_more_schedules_are_each_compared_with_fine_tuning(compare):
    _, said, _ = compare("--seeds", "2", "--schedules", "progtuning,growing")

    assert said.count(" less fine-tuning on mine: ") == 2


def test_its_report_names_no_command_that_records_a_reference_and_no_memory_of_a_cpu(compare, tmp_path):
    """A comparison has no reference of its own, and a CPU's peak memory is that of the process, whatever it trained."""
    _, said, _ = compare("--seeds", "2", "--report", "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    assert "update-reference" not in page + said + (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "nothing yet to compare it with" not in page
    assert " ".join(said.split()).endswith("; peak memory: on a CPU not measured apart from its process")
    assert max(map(len, said.split("written: ")[-1].splitlines()[2:])) <= 100


def test_its_suite_is_judged_by_the_other_commands(compare, tmp_path, capsys):
    compare("--seeds", "2")
    folder = tmp_path / "compare" / "tiny-bert-on-mine"
    code = cli.main(["report", "runs", "--include", str(folder)])

    assert code == 0
    assert "tiny-bert on mine, 2 seeds" in capsys.readouterr().out


def test_who_calls_the_command_has_included_nothing_afterwards(compare):
    compare("--plan")

    assert places.included() == ()


@pytest.mark.parametrize(("arguments", "problem"), [
    (["--schedules", "melting"], "--schedules melting: 'melting' is none of fine-tuning, progtuning, constant"),
    (["--schedules", "fine-tuning"], "name one to compare with fine-tuning"),
    (["--margin", "0"], "--margin = 0.0: allowed is a number above 0"),
    (["--seeds", "0"], "--seeds = 0: allowed is a whole number from 1"),
    (["--epochs", "0"], "--epochs = 0: allowed is a whole number from 1"),
    (["--max-length", "4096"], "progbench compare: --max-length 4096: tiny-bert reads 64 tokens"),
    (["--tuning", "lora", "--lora-targets", "x"], "progbench compare: LoRA target 'x' matches nothing"),
    (["--epochs", "1"], "--epochs 1: progtuning is fine-tuning with 1 epoch of 4 blocks: take 2 of each"),
    (["--schedules", "without_low_blocks", "--epochs", "5"], "--epochs 5: without_low_blocks needs T <= L"),
    (["--lora-targets", "query"], "lora_targets means nothing to full tuning"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anything_is_trained(compare, trained, arguments, problem):
    code, _, said = compare(*arguments)

    assert (code, trained) == (2, [])
    assert problem in said


def test_a_model_that_nobody_knows_is_refused_with_what_would_be_right(compare, capsys):
    code = cli.main(["compare", "bort", "--train", "mine.tsv", "--dev", "dev.tsv"])

    assert code == 2
    assert "bort: no folder, and no known model; wanted is one of bert-base" in capsys.readouterr().err


def sources(tmp_path):
    claims = written(tmp_path, "expected/tiny-bert-on-mine/claims.toml")["claims"]
    return [claim["source"] for claim in claims]


def test_a_margin_that_is_changed_after_the_results_says_so(compare, tmp_path):
    before = "asked before the first result"
    compare("--seeds", "2", "--margin", "1")
    first = sources(tmp_path)
    _, said, _ = compare("--seeds", "2", "--margin", "3")
    second = sources(tmp_path)
    compare("--seeds", "2", "--margin", "1")

    assert first == [before, before]
    assert second == ["the margin was changed from 1 to 3 points after 2 runs", before]
    assert "shrinking-keeps-up: the margin was changed from 1 to 3 points after 2 runs" in said
    assert sources(tmp_path) == first


def test_a_margin_of_a_plan_binds_nobody(compare, tmp_path):
    compare("--plan", "--margin", "1")
    kept = [*tmp_path.glob("runs/**/margin.json")]
    compare("--seeds", "2", "--margin", "3")

    assert kept == []
    assert {*sources(tmp_path)} == {"asked before the first result"}


def test_results_that_nobody_stated_a_margin_for_say_that_they_were_there(compare, tmp_path):
    compare("--seeds", "2")
    for file in tmp_path.glob("runs/*/*/*/margin.json"):
        file.unlink()
    compare("--seeds", "2")

    assert {*sources(tmp_path)} == {"asked after 2 runs"}


def test_other_files_of_the_same_name_get_a_suite_of_their_own(compare, tmp_path):
    compare("--plan")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.tsv").write_text("text\tlabel\nx\twet\nb\tdry\n", encoding="utf-8")
    _, said, _ = compare("--plan", "--train", "other/mine.tsv")
    compare("--plan", "--train", "other/mine.tsv")
    names = sorted(folder.name for folder in (tmp_path / "compare").iterdir())

    assert written(tmp_path, "tasks.toml")["mine"]["train"] == str(tmp_path / "mine.tsv")
    assert [name[:18] for name in names] == ["tiny-bert-on-mine", "tiny-bert-on-mine-"]
    assert f"compare/{names[1]} is its suite" in " ".join(said.split())


def test_questions_can_be_compared_on_a_model_that_reads_little(compare, tmp_path):
    """A window moves by a third of its length: by 128 tokens where it has SQuAD's usual 384."""
    for name in ("mine", "dev"):
        answers = {"text": ["Oslo"], "answer_start": [9]}
        row = {"context": "It is in Oslo.", "question": f"Where is {name}?", "answers": answers}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    code, _, said = compare("--plan", "--train", "mine.jsonl", "--dev", "dev.jsonl", "--max-length", "24")
    chosen = written(tmp_path, "recipes/tiny-bert-on-mine/compare.toml")["defaults"]

    assert (code, said) == (0, "")
    assert (chosen["doc_stride"]["value"], chosen["max_answer_length"]["value"]) == (8, 24)
