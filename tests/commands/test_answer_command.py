"""progbench answer: the page, the picture and the README's part are what the command makes now."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from progbench import cli
from progbench.commands import answer as command
from progbench.report import figures
from progbench.session.reporting import standing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def found():
    """How the question stands, and its picture, which every start of the command makes anew: here once for all."""
    found, draw, drawn = standing(ROOT / "expected"), figures.draw, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "standing", {ROOT / "expected": found}.__getitem__)
        patch.setattr(
            figures, "draw", lambda name, report: drawn.get(name) or drawn.setdefault(name, draw(name, report))
        )
        yield found


@pytest.fixture(scope="module")
def made(found):
    return command.files(found, ROOT / "docs", ROOT / "README.md")


@pytest.mark.parametrize("name", ["docs/answer.md", "README.md"])
def test_every_number_of_the_answer_is_what_the_command_makes_now(made, name):
    assert (ROOT / name).read_text(encoding="utf-8") == made[ROOT / name], (
        "run: progbench answer --write docs --readme README.md"
    )


def words(svg):
    return [one.text for one in ElementTree.fromstring(svg).iter() if one.text and one.text.strip()]


def test_the_picture_shows_the_numbers_that_the_command_makes_now(made):
    path = ROOT / "docs" / "answer.svg"  # its texts alone: another version of the library draws other lines

    assert words(path.read_text(encoding="utf-8")) == words(made[path])


def test_the_known_facts_of_bert_base_come_from_the_code(made):
    page = " ".join(made[ROOT / "README.md"].split())

    assert "updates 25.9 % fewer parameters of bert-base" in page
    assert "spends 11.1 % fewer FLOPs" in page
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "progbench").rglob("*.py"))
    assert not re.search(r"25\.9 % fewer|11\.1 % fewer", re.sub(r'""".*?"""', "", source, flags=re.DOTALL))


def test_it_is_printed_without_a_run(capsys):
    assert cli.main(["answer"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("Is Progtuning")
    assert "bert-base          Avg       +0.2 (0.6)  within" in said


def test_the_picture_of_a_readme_needs_a_place(capsys):
    assert cli.main(["answer", "--readme", "README.md"]) == 2
    assert "--readme needs --write" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["not there", "no text"])
def test_a_readme_that_cannot_be_read_is_a_usage_error_with_its_path(tmp_path, capsys, content):
    readme = tmp_path / "README.md"
    if content:
        readme.write_bytes(content)

    assert cli.main(["answer", "--write", str(tmp_path), "--readme", str(readme)]) == 2
    assert f"--readme {readme}: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "answer.md").exists()


def test_a_readme_that_nobody_named_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("# mine\n")

    assert cli.main(["answer", "--write", "pages"]) == 0
    assert sorted(one.name for one in tmp_path.rglob("*.*")) == ["README.md", "answer.md", "answer.svg"]
    assert (tmp_path / "README.md").read_text() == "# mine\n"


def test_a_readme_without_marks_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "README.md").write_text("# mine\n")

    assert cli.main(["answer", "--write", str(tmp_path), "--readme", str(tmp_path / "README.md")]) == 2
    assert "to put the answer between them" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["README.md"]
