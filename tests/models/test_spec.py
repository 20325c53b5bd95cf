"""models.toml: what an entry may say."""

import pytest

from progbench import files
from progbench.errors import BadInput
from progbench.models import spec

ENTRY = {
    "architecture": "bert", "hub": "someone/own", "blocks": 2, "hidden": 8, "heads": 2, "intermediate": 16,
    "vocabulary": 99, "positions": 32, "token_types": 2, "source": "ours",
}  # fmt: skip


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Reads a models.toml with these contents."""

    def read(content):
        (tmp_path / "models.toml").write_text(content)
        monkeypatch.setattr(spec.importlib.resources, "files", lambda package: tmp_path)
        files.read_toml.cache_clear()
        return spec.specs.__wrapped__()

    return read


def written(**changes):
    values = {name: value for name, value in (ENTRY | changes).items() if value is not None}
    shown = {True: "true", False: "false"}
    lines = [f"{name} = {shown[v] if isinstance(v, bool) else repr(v)}" for name, v in values.items()]
    return "[own]\n" + "\n".join(lines) + "\n"


def test_a_sound_entry_is_read(read):
    assert read(written())["own"].hidden == 8


@pytest.mark.parametrize(
    ("fault", "content", "problem"),
    [
        ("an entry without a dimension", written(hidden=None), r"\[own\]: no hidden"),
        (
            "an entry with a field nobody knows",
            written(depth=2),
            r"\[own\]: unknown field 'depth'; known are architecture",
        ),
        ("a dimension that is a text", written(hidden="8"), r"\[own\]: hidden = '8': allowed is a whole number"),
        ("a dimension that is a truth value", written(heads=True), r"\[own\]: heads = True: allowed is a whole number"),
        ("a dimension below zero", written(blocks=-1), r"\[own\]: blocks = -1: allowed is a whole number"),
        ("tasks that are no names", written(seen=[1]), r"\[own\]: seen = \[1\]: allowed is a list of texts"),
        ("an entry that is random and names weights", written(random=True), "random = true, and yet it names weights"),
        ("a value in the place of an entry", "own = 5\n", r"\[own\] = 5: allowed is a table of architecture"),
        ("models.toml cut off", "[own", r"models\.toml: Expected ']'"),
    ],
)
def test_an_unsound_entry_is_refused_by_its_field(read, reliability, fault, content, problem):
    with pytest.raises(BadInput, match=problem) as refused:
        read(content)

    reliability("Models", fault, happens=str(refused.value), kept="nothing is read of models.toml")
