"""The margins, looks and spreads that were stated before a run was looked at."""

import hashlib

import pytest

from progbench import files
from progbench.errors import BadInput
from progbench.judging import sentences, terms


def test_the_margins_and_looks_are_those_that_were_stated(answers):
    found = {name: terms.read(answers, name) for name in ("paper", "base", "mini", "smoke")}

    assert {(one.average, one.task, one.beside) for one in found.values()} == {(0.5, 1.0, 0.5)}
    assert {name: (one.looks.seeds, one.looks.level) for name, one in found.items()} == {
        "paper": ((5,), 0.05),
        "base": ((5,), 0.05),
        "mini": ((5, 10), 0.03),
        "smoke": ((5,), 0.05),
    }


def test_a_suite_that_is_not_named_is_looked_at_once(answers):
    assert terms.read(answers, "own").looks == terms.Looks((5,), 0.05)


def test_the_claims_margins_are_these(answers):
    for name in ("paper", "base", "mini"):
        margins = {one.margin for one in sentences.read(answers, name) if one.wanted == "not worse"}
        assert margins == {terms.read(answers, name).average}


def test_spreads_are_those_of_the_margins_where_a_source_gives_them(answers):
    spreads = terms.read(answers, "paper").spreads
    margins = files.read_toml(answers / "paper" / "tolerance.toml")["margin"]
    named = {name: one["seeds"]["sd"] for name, one in margins.items() if "seeds" in one and "/" not in name}

    assert {name: spreads["mnli" if name.startswith("mnli") else name].sd for name in named if name != "rte"} == {
        name: sd for name, sd in named.items() if name != "rte"
    }
    assert {name for name, one in spreads.items() if one.assumed} == {"mrpc", "qqp", "rte"}


def test_an_edited_margin_is_refused(copied):
    path = copied / "paper" / "difference.toml"
    path.write_text(path.read_text().replace("points = 0.5", "points = 5.0"))

    with pytest.raises(BadInput, match=r"difference\.toml was edited"):
        terms.read(copied, "mini")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("seeds = [5, 10]", "seeds = [10, 5]", "looks of mini: seeds = [10, 5]: allowed is a list of numbers of seeds"),
        ("seeds = [5, 10]", "seeds = [2]", "allowed is a list of numbers of seeds, rising from 3"),
        ("level = 0.03", "level = 0.5", "looks of mini: level = 0.5: allowed is a number from 0.001 to 0.2"),
        ("beside = 0.5, ", "", "margin task: no beside"),
        ("sd = 2.0", "sd = 0", "spread of rte: sd = 0: allowed is a number above 0"),
    ],
)
def test_terms_of_another_shape_are_refused(copied, old, new, problem):
    path, sums = copied / "paper" / "difference.toml", copied / "paper" / "SHA256SUMS"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text().replace(old, new))
    sums.write_text(sums.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))

    with pytest.raises(BadInput) as caught:
        terms.read(copied, "mini")
    assert problem in str(caught.value)
