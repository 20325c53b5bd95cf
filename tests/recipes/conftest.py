"""A suite's files with a text of the test's own."""

from pathlib import Path

import pytest

from progbench.recipes import reading, recipe


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Read a recipe from a suite folder of one file; `change` edits the smoke suite's text."""

    def read(change):
        folder = tmp_path / "recipes" / "own"
        folder.mkdir(parents=True)
        text = (Path(recipe.__file__).parent / "smoke" / "glue.toml").read_text()
        (folder / "glue.toml").write_text(change(text))
        monkeypatch.setattr(reading, "_folder", lambda: tmp_path / "recipes")
        return reading.read("own", "glue", model="tiny-bert", schedule="shrinking", task="sst2")

    return read


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Read the settings of a suite from a suite.toml with this text."""

    def read(text):
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "suite.toml").write_text(text)
        monkeypatch.setattr(reading, "_folder", lambda: tmp_path)
        return reading.settings("own")

    return read
