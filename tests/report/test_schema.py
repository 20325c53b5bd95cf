"""The JSON Schema beside report.json: what is written fits it, and what is not written does not."""

import json

import pytest
from made_up import HOSTILE, MIXED, entry, everything

from progbench.report import schema
from progbench.report.report import Report
from progbench.report.writing import write

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: nothing to check a schema with")


def problems(content):
    return [one.message for one in jsonschema.Draft202012Validator(schema.schema()).iter_errors(content)]


def plain(report):
    return json.loads(json.dumps(report.as_json()))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize("report", [MIXED, everything(HOSTILE, HOSTILE), Report("s", [], {}, ledger=[entry()])])
def test_a_report_fits_the_schema(report):
    assert problems(plain(report)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("verdicts"), "'verdicts' is a required property"),
        (lambda content: content["verdicts"][0].update(outcome="fine"), "'fine' is not one of"),
        (lambda content: content["verdicts"][0].update(observed="66.5"), "'66.5' is not of type 'number', 'null'"),
        (lambda content: content.update(schema_version=2), "3 was expected"),
    ],
)
def test_what_is_no_report_does_not_fit(change, said):
    content = plain(MIXED)
    change(content)

    assert any(said in one for one in problems(content))


def test_it_lies_beside_the_report(tmp_path):
    write(MIXED, tmp_path)

    assert json.loads((tmp_path / "report.schema.json").read_text()) == schema.schema()
