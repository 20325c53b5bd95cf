"""models.toml: what an entry may say."""

import pytest

from progbench import files
from progbench.errors import BadInput
from progbench.models import spec
from progbench.tasks import catalog

ENTRY = {
    "architecture": "bert", "hub": "someone/own", "revision": "1" * 40, "blocks": 2, "hidden": 8, "heads": 2,
    "intermediate": 16, "vocabulary": 99, "positions": 32, "token_types": 2, "source": "ours",
}  # fmt: skip


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Reads a models.toml with these contents."""

    def read(content):
        catalog.tasks()  # read before their files are looked for in this folder
        (tmp_path / "models.toml").write_text(content)
        monkeypatch.setattr(spec, "__file__", str(tmp_path / "spec.py"))
        files.read_toml.cache_clear()
        return spec.specs.__wrapped__()

    return read


def written(called="own", /, **changes):
    values = {name: value for name, value in (ENTRY | changes).items() if value is not None}
    shown = {True: "true", False: "false"}
    lines = [f"{name} = {shown[v] if isinstance(v, bool) else repr(v)}" for name, v in values.items()]
    return f"[{called}]\n" + "\n".join(lines) + "\n"


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
        ("a model without a head", written(heads=0), r"\[own\]: heads = 0: allowed is a whole number from 1 to"),
        ("a model without a block", written(blocks=0), r"\[own\]: blocks = 0: allowed is a whole number from 1 to"),
        ("a model of a million blocks", written(blocks=10**6), r"\[own\]: blocks = 1000000: allowed is a whole"),
        ("a model that reads no position", written(positions=0), r"\[own\]: positions = 0: allowed is a whole number"),
        ("heads that do not share out the width", written(heads=3), r"hidden = 8 does not divide by heads = 3"),
        (
            "positions that leave none for a text",
            written(architecture="roberta", positions=2),
            r"positions = 2: a roberta keeps 2 of them",
        ),
        ("a dropout of everything", written(dropout=1.0), r"\[own\]: dropout = 1\.0: allowed is a number from 0 to"),
        (
            "a normalisation that divides by nothing",
            written(layer_norm_eps=0.0),
            r"layer_norm_eps = 0\.0: allowed is a number above 0",
        ),
        ("an activation nobody knows", written(activation="melt"), r"\[own\]: activation = 'melt': allowed is one of"),
        (
            "a name in seen that is not a task",
            written(seen=["qpq"]),
            r"\[own\]: seen = 'qpq' is no task; known are .*qqp",
        ),
        ("a hub without a revision", written(revision=None), r"\[own\]: hub = 'someone/own' without revision"),
        (
            "a package without a folder",
            written(hub=None, revision=None, package="own_model"),
            r"\[own\]: package = 'own_model' without folder",
        ),
        ("a model's name with a slash", written("'a/b'"), "the name of an entry = 'a/b': allowed is a plain name"),
        (
            "a model's name that is a folder above",
            written("'..'"),
            r"name of an entry = '\.\.': allowed is a plain name",
        ),
        (
            "two entries on one hub id",
            written() + written("other", revision="2" * 40),
            r"\[own\] and \[other\] both answer to 'someone/own'",
        ),
        (
            "an entry called as the last part of another's hub id",
            written("first", hub="someone/second") + written("second", hub="someone/third"),
            r"\[first\] and \[second\] both answer to 'second'",
        ),
        ("an entry that is random and names weights", written(random=True), "random = true, and yet it names weights"),
        ("a value in the place of an entry", "own = 5\n", r"\[own\] = 5: allowed is a table of architecture"),
        ("models.toml cut off", "[own", r"models\.toml: Expected ']'"),
    ],
)
def test_an_unsound_entry_is_refused_by_its_field(read, reliability, fault, content, problem):
    with pytest.raises(BadInput, match=problem) as refused:
        read(content)

    if fault in (
        "an entry without a dimension",
        "heads that do not share out the width",
        "two entries on one hub id",
    ):  # the others are alike
        reliability("Naming a model", fault, happens=str(refused.value), kept="nothing is read of models.toml")


def test_transformers_knows_every_activation_that_an_entry_may_name():
    from transformers.activations import ACT2FN

    assert set(spec.ACTIVATIONS) <= set(ACT2FN)


@pytest.mark.parametrize("name", spec.specs())
def test_every_model_is_found_by_each_name_it_answers_to(name):
    assert {spec.spec(one).name for one in spec.specs()[name].answers_to} == {name}
