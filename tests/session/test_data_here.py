"""A finished result whose data has changed since: said wherever a result is taken, with both digests."""

import pytest
from made_up import cell, result, suite

from progbench import cli
from progbench.errors import BadInput
from progbench.judging import claims
from progbench.judging.caveats import other_data
from progbench.judging.verdict import Observed
from progbench.runs import results
from progbench.session import planning, reference
from progbench.tasks import catalog
from progbench.tasks.source import Source

NAME = "minilm-constant-rte"
HEAD = "index\tsentence1\tsentence2\tlabel\n"
TRAIN = f"{HEAD}0\ta dog\tan animal\tentailment\n1\ta dog\ta cat\tnot_entailment\n"
DEV, FLIPPED = f"{HEAD}0\ta cat\tan animal\tentailment\n", f"{HEAD}0\ta cat\tan animal\tnot_entailment\n"


@pytest.fixture
def dev(tmp_path, monkeypatch):
    """RTE's dev.tsv in a folder of data; the label of its one row can be flipped."""
    folder = tmp_path / "glue" / "RTE"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text(TRAIN)
    (folder / "dev.tsv").write_text(DEV)
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "glue"))
    monkeypatch.setattr("progbench.models.loading.require", lambda model: None)
    return folder / "dev.tsv"


def here():
    return catalog.load(catalog.tasks()["rte"], Source("GLUE_DIR")).fingerprint


@pytest.fixture
def runs(answers, tmp_path, dev):
    """A folder with a result that was made on the data as it lies there."""
    recipe = suite(answers, tmp_path, "mini").recipe(cell(suite(answers, tmp_path, "mini"), NAME))
    results.save(tmp_path / "runs", result(recipe, 0, {"rte": {"accuracy": 0.6667}}, fingerprints={"data": here()}))
    return tmp_path / "runs"


def words(before, now):
    return f"made on other data: {before}, and here it is {now}"


def test_the_fingerprint_taken_without_reading_a_row_is_the_one_that_loading_gives(dev):
    assert catalog.fingerprint_here(catalog.tasks()["rte"], Source("GLUE_DIR")) == here()


def test_while_the_data_is_the_same_nothing_is_said(answers, runs):
    own = suite(answers, runs, "mini", train=False)

    assert own.observed(cell(own, NAME)).changed == ""
    assert planning.plan(own, "glue").changed == ()


def test_a_flipped_label_makes_the_verdict_inconclusive_with_both_digests(answers, runs, dev, reliability):
    before = here()
    dev.write_text(FLIPPED)
    own = suite(answers, runs, "mini", train=False)
    verdict = own.verdict(cell(own, NAME))

    assert verdict.outcome == "inconclusive"
    assert verdict.sentence.endswith(f"not judged: seed 0: {words(before, here())}")
    reliability(
        "Bringing data", "data that changed since a result was made on it",
        happens=f"*inconclusive*: {verdict.sentence.replace(before, 'sha256:2d1e…').replace(here(), 'sha256:43ff…')}",
        kept="the result, until it is deleted; `progbench run` and `plan` say the same, seed by seed",
    )  # fmt: skip


def test_a_claim_over_it_is_not_judged(answers, runs, dev):
    dev.write_text(FLIPPED)
    own = suite(answers, runs, "mini", train=False)
    changed = own.observed(cell(own, NAME))
    measured = claims.our_quantity(own.claims()[0], "rte", [changed], [Observed({0: 60.0})])

    assert measured.missing == changed.changed != ""


def test_run_says_inconclusive_in_the_place_of_there(runs, dev, capsys):
    before = here()
    dev.write_text(FLIPPED)
    code = cli.main(["run", NAME, "--suite", "mini", "--runs", str(runs), "--seeds", "0"])
    line = capsys.readouterr().out.strip()

    assert code == 3
    assert line.startswith(f"{NAME}, seed 0: inconclusive: rte accuracy 66.67; {words(before, here())}; delete ")
    assert line.endswith("seed0.json to train this seed on the data here")


def test_plan_names_it(answers, runs, dev, capsys):
    before = here()
    dev.write_text(FLIPPED)
    cli.main(["plan", "--suite", "mini", "--runs", str(runs), "-m", "glue", "--untimed"])

    said = " ".join(capsys.readouterr().out.split())
    assert f"on file, and inconclusive: {NAME}, seed 0: {words(before, here())}" in said


def test_no_reference_is_recorded_from_it(answers, runs, dev, monkeypatch):
    dev.write_text(FLIPPED)
    monkeypatch.setattr(reference.caveats, "other_data", lambda wanted, made: [])
    own = suite(answers, runs, "mini", train=False)

    with pytest.raises(BadInput, match=rf"{NAME}, seed 0: made on other data: .*: no reference; delete it"):
        reference.gather(own, [cell(own, NAME)])


def test_files_that_are_not_here_say_nothing_about_a_result_that_is(answers, runs, dev):
    dev.unlink()
    own = suite(answers, runs, "mini", train=False)

    assert own.observed(cell(own, NAME)).changed == ""


def test_the_right_number_of_rows_with_other_content_is_not_the_published_data(answers, tmp_path):
    own = suite(answers, tmp_path, "paper", train=False)
    recipe = own.recipe(cell(own, "bert-base-constant-rte"))
    theirs, other = catalog.published_fingerprint(catalog.tasks()["rte"]), f"sha256:{'0' * 64}"
    made = {
        name: other_data(recipe, [result(recipe, 0, {"rte": {"accuracy": 0.7}}, fingerprints={"data": print_of})])
        for name, print_of in (("published", theirs), ("other", other), ("from the hub", "hub:nyu-mll/glue@1 0123"))
    }

    assert made["published"] == made["from the hub"] == []
    assert made["other"] == [
        "not the published data: its files hold the right number of rows and other content "
        f"({other}; published: {theirs})"
    ]
