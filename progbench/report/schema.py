"""A JSON Schema of report.json, made from the classes whose fields it holds: so it says what is written, always.

Libraries that do this (pydantic for one) want models of their own, and would be a dependency for one file.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from progbench.judging.claims import ClaimVerdict
from progbench.judging.compared import Compared, PrintAlone
from progbench.judging.contrast import Contrast
from progbench.judging.verdict import OUTCOMES, Variant, Verdict
from progbench.report.attribution import Attribution
from progbench.report.report import SCHEMA_VERSION, Report
from progbench.runs.ledger import Cost, Entry

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
# what is written beside a class's own fields: texts that follow from them
_TEXTS = {"contrasts": "on_print", "differences": "sentence", "print_alone": "word"}
_KEYS: dict[str, type] = {
    "contrasts": Contrast,
    "verdicts": Verdict,
    "claims": ClaimVerdict,
    "variants": Variant,
    "differences": Compared,
    "print_alone": PrintAlone,
    "attribution": Attribution,
    "runs": Entry,
    "costs": Cost,
}


def schema() -> dict[str, Any]:
    """The schema of `Report.as_json`."""
    properties: dict[str, Any] = {name: {"type": "array", "items": of(kind)} for name, kind in _KEYS.items()}
    for key, text in _TEXTS.items():
        properties[key]["items"]["properties"][text] = {"type": "string"}
        properties[key]["items"]["required"].append(text)
    properties["verdicts"]["items"]["properties"]["outcome"] = {"enum": list(OUTCOMES)}
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    properties |= {
        "schema_version": {"const": SCHEMA_VERSION},
        "suite": {"type": "string"},
        "purpose": {"type": "string"},
        "asked": {"type": "array", "items": {"type": "string"}},
        "summary": _object(
            {
                "headline": {"type": "string"},
                "counts": {"type": "string"},
                "total": {"type": "integer"},
                "judged": {"type": "integer"},
                "outcomes": counts,
                "warnings": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "environment": {"type": "object"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report of progbench",
        **_object({name: properties[name] for name in Report("", [], {}).as_json()}),
    }


def of(kind: Any) -> dict[str, Any]:
    """The schema of values of a type: a plain one, a union, a sequence, a mapping, or a dataclass.

    >>> of(int | None), of(tuple[str, ...])
    ({'type': ['integer', 'null']}, {'type': 'array', 'items': {'type': 'string'}})
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if origin in (typing.Union, types.UnionType):
        return {"type": [_PLAIN[one] for one in inner]}
    if origin is tuple and inner[-1] is not ...:
        return {"type": "array", "prefixItems": [of(one) for one in inner]}
    if origin in (tuple, list, Sequence):
        return {"type": "array", "items": of(inner[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": of(inner[1])}
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return _object({field.name: of(hints[field.name]) for field in fields(kind)})
    raise TypeError(f"no schema for {kind}")


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
