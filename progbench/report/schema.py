"""A JSON Schema of report.json, made from the classes whose fields it holds: so it says what is written, always.

Libraries that do this (pydantic for one) want models of their own, and would be a dependency for one file.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from progbench.judging.verdict import OUTCOMES, Attribution
from progbench.report.report import SCHEMA_VERSION, Report
from progbench.runs.ledger import Cost

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_SUMMARY = {
    "headline": str, "counts": str, "total": int, "judged": int, "outcomes": dict[str, int], "warnings": list[str],
}  # fmt: skip
# what is written beside a class's own fields: texts that follow from them
_TEXTS = {"contrasts": "on_print", "differences": "sentence", "print_alone": "word"}


def schema() -> dict[str, Any]:
    """The schema of `Report.as_json`."""
    hints = typing.get_type_hints(Report)
    hints |= {"print_alone": hints["alone"], "runs": hints["ledger"], "attribution": list[Attribution]}
    kinds = hints | {"schema_version": int, "costs": list[Cost], "summary": _SUMMARY}
    properties = {name: of(kinds[name]) for name in Report("", [], {}).as_json()}
    for key, text in _TEXTS.items():
        properties[key]["items"]["properties"][text] = {"type": "string"}
        properties[key]["items"]["required"].append(text)
    properties["verdicts"]["items"]["properties"]["outcome"] = {"enum": list(OUTCOMES)}
    properties |= {"schema_version": {"const": SCHEMA_VERSION}, "environment": {"type": "object"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report of progbench",
        **_object(properties),
    }


def of(kind: Any) -> dict[str, Any]:
    """The schema of values of a type: a plain one, a union, a sequence, a mapping, a dataclass, or a dict of types.

    >>> of(int | None), of(tuple[str, ...])
    ({'type': ['integer', 'null']}, {'type': 'array', 'items': {'type': 'string'}})
    """
    if isinstance(kind, dict):
        return _object({name: of(one) for name, one in kind.items()})
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
        return of({field.name: hints[field.name] for field in fields(kind)})
    raise TypeError(f"no schema for {kind}")


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = {"required": list(properties), "additionalProperties": False}
    return {"type": "object", "properties": properties, **required}
