"""The JSON schema (draft 2020-12) of the configuration, derived from its groups of options.

`python -m sitenet.options.schema > workflow/schemas/config.schema.json` writes the file that
editors read. Objects are closed: unknown options are refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from functools import cache
from inspect import getdoc
from typing import Any, Literal, get_args, get_origin

from sitenet.options.configuration import Configuration
from sitenet.options.option import (
    Limits,
    Name,
    Option,
    Options,
    is_group,
    is_mapping,
    is_optional,
    kind_of,
    members,
    options_of,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"

NAME = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}

TYPES: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    Name: NAME,
}

BOUNDS = {
    "at_least": "minimum",
    "at_most": "maximum",
    "more_than": "exclusiveMinimum",
    "less_than": "exclusiveMaximum",
}
"""Keywords of the limits of a number."""

NOT_EMPTY = {"array": "minItems", "string": "minLength", "object": "minProperties"}
"""Keywords of the least length, by type."""

Schema = dict[str, Any]
Definitions = dict[str, Schema]


@cache
def config_schema() -> Schema:
    """The schema of the whole configuration; not to be changed by the caller."""
    definitions: Definitions = {}
    root = _section(Configuration, definitions)
    return {
        "$schema": DRAFT,
        "title": "Configuration of the Site-Net pipeline",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def summary(group: type[Options]) -> str:
    """The first sentence or two of a group's docstring, on one line."""
    return (getdoc(group) or "").split("\n\n")[0].replace("\n", " ")


def _section(group: type[Options], definitions: Definitions) -> Schema:
    """A closed object with the options of a group; groups within it go to `definitions`."""
    options = options_of(group)
    needed = [option.name for option in options if option.default is MISSING]
    return {
        "description": summary(group),
        "type": "object",
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
        "properties": {option.name: _property(option, definitions) for option in options},
    }


def _property(option: Option, definitions: Definitions) -> Schema:
    if option.overlay is not None:
        return {**_reference(option.overlay, definitions), "description": option.text}
    found = {**_value(option.kind, option.limits, definitions), "description": option.text}
    return found if option.default is MISSING else {**found, "default": plain(option.default)}


def _value(kind: Any, limits: Limits, definitions: Definitions) -> Schema:
    """Values of a type within some limits."""
    parts = members(kind)
    if len(parts) > 1:
        return _by_kind(parts, definitions)
    if is_optional(kind):
        return _or_null(parts[0], limits, definitions)
    if is_group(kind):
        return _reference(kind, definitions)
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if is_mapping(kind):
        entries = _value(get_args(kind)[1], {}, definitions)
        found: Schema = {"type": "object", "propertyNames": NAME, "additionalProperties": entries}
    elif get_origin(kind) is tuple:
        found = _list(kind, limits, definitions)
    else:
        found = {**TYPES[kind], **_bounds(limits)}
    return {**found, NOT_EMPTY[found["type"]]: 1} if limits.get("not_empty") else found


def _bounds(limits: Limits) -> Schema:
    return {BOUNDS[name]: limit for name, limit in limits.items() if name in BOUNDS}


def _list(kind: Any, limits: Limits, definitions: Definitions) -> Schema:
    """A list of any length, or of that of a tuple such as (int, int)."""
    first, *others = get_args(kind)
    items = {**_value(first, {}, definitions), **_bounds(limits)}
    found: Schema = {"type": "array", "items": items}
    if others != [...]:
        found |= {"minItems": 1 + len(others), "maxItems": 1 + len(others)}
    if limits.get("unique"):
        found["uniqueItems"] = True
    if "not_only" in limits:
        found["contains"] = {"not": {"const": limits["not_only"]}}
    return found


def _or_null(kind: Any, limits: Limits, definitions: Definitions) -> Schema:
    found = _section(kind, definitions) if is_group(kind) else _value(kind, limits, definitions)
    return {**found, "type": [found["type"], "null"]}


def _reference(group: type[Options], definitions: Definitions) -> Schema:
    if group.__name__ not in definitions:
        definitions[group.__name__] = _section(group, definitions)
    return {"$ref": f"#/$defs/{group.__name__}"}


def _by_kind(groups: Sequence[type[Options]], definitions: Definitions) -> Schema:
    """One of several groups of options, chosen by the option `kind`."""
    cases = []
    for group in groups:
        case = {"properties": {"kind": {"const": kind_of(group)}}, "required": ["kind"]}
        cases.append({"if": case, "then": _reference(group, definitions)})
        section = definitions[group.__name__]
        section["properties"] = {"kind": {"const": kind_of(group)}, **section["properties"]}
    told = " ".join(f"`{kind_of(group)}`: {summary(group)}" for group in groups)
    kind = {"enum": list(map(kind_of, groups)), "description": told}
    return {"type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": cases}


def plain(default: Any) -> Any:
    """A default as JSON has it; a group of options with its own defaults is {}."""
    if isinstance(default, Options):
        return {}
    if isinstance(default, tuple):
        return [plain(one) for one in default]
    if isinstance(default, Mapping):
        return {name: plain(one) for name, one in default.items()}
    return default


if __name__ == "__main__":
    print(json.dumps(config_schema(), indent=2, ensure_ascii=False))
