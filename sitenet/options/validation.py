"""A configuration beside its JSON schema: mistakes in words, text read as values, defaults."""

import copy
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator as Draft
from jsonschema import ValidationError
from jsonschema.validators import extend

from sitenet.options.option import COMPARISONS
from sitenet.options.schema import BOUNDS, config_schema

KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a section of options",
    "null": "null",
    "finite": "a finite number",
}
"""JSON types in words."""

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
"""Text that is read as a number."""

LIMITS = {BOUNDS[name]: name.replace("_", " ") for name in COMPARISONS}
"""Keywords of the limits of a number, in words."""


def _is_whole(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(checker: Any, value: Any) -> bool:
    return _is_whole(checker, value) or (isinstance(value, float) and math.isfinite(value))


# 50.0 is no whole number here, since it would be another name in a path.
Validator = extend(
    Draft,
    type_checker=Draft.TYPE_CHECKER.redefine_many({"integer": _is_whole, "number": _is_finite}),
)


def mistakes(config: Mapping[str, Any]) -> list[str]:
    """What does not conform to the schema: the dotted name of the option and what is allowed."""
    errors = Validator(config_schema()).iter_errors(config)
    found = [problem for error in sorted(errors, key=_place) for problem in _in_words(error)]
    return list(dict.fromkeys(found))  # several rules may meet one mistake


def _place(error: ValidationError) -> str:
    return str(error.path)


def with_text_read(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with text read as a number, truth value or null where the schema wants one.

    YAML takes 1e-4 for text, and Snakemake's `--config` makes every value text.
    """
    read = copy.deepcopy(dict(config))
    for error in Validator(config_schema()).iter_errors(config):
        if error.validator == "type" and isinstance(error.instance, str):
            section: Any = read
            *parents, name = error.path
            for parent in parents:
                section = section[parent]
            section[name] = _value_of(error.instance)
    return read


def _value_of(text: str) -> Any:
    """What `text` says if that is a number, truth value or null, else `text`."""
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    if not NUMBER.fullmatch(text.strip()):
        return text
    return float(text) if set(text.lower()) & set(".e") else int(text)


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a valid `config` with the schema's defaults, except in `variants` (overlays)."""
    filled = copy.deepcopy(dict(config))
    variants = filled.pop("variants", {})
    filler = extend(Validator, {"properties": _fill_then_descend})
    list(filler(config_schema()).iter_errors(filled))
    filled["variants"].update(variants)
    return filled


def _fill_then_descend(
    validator: Any, properties: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, option in properties.items():
            if "default" in option:
                instance.setdefault(name, copy.deepcopy(option["default"]))
    yield from Draft.VALIDATORS["properties"](validator, properties, instance, schema)


def _in_words(error: Any) -> Iterator[str]:
    """What is wrong, for a person, after the dotted name of the option."""
    where = _dotted(error.path)
    value = error.instance
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema["properties"])
        for key in sorted(set(map(str, value)) - set(allowed)):
            name = f"{where}.{key}" if where else key
            close = get_close_matches(key, allowed, 1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            yield f"{name} is unknown{meant}; allowed: {', '.join(allowed)}"
    elif error.validator == "required":
        for key in error.validator_value:
            if key not in value:
                yield f"{where + '.' if where else ''}{key} is missing"
    elif error.validator == "propertyNames" or "propertyNames" in error.schema_path:
        yield f"{where}: the name {value!r} may hold letters, digits, - and _ only"
    elif error.validator == "contains":
        if value:  # else told by minItems
            yield f"{where} must be given, not only {error.validator_value['not']['const']}"
    elif error.validator == "uniqueItems":
        for one in [one for one, count in Counter(map(repr, value)).items() if count > 1]:
            yield f"{where}: {one} is there twice"
    else:
        yield f"{where} must be {_expected(error)}, not {_shown(value)}"


def _expected(error: Any) -> str:
    rule, allowed = error.validator, error.validator_value
    if rule == "type":
        kinds = [allowed] if isinstance(allowed, str) else allowed
        if isinstance(error.instance, float) and not math.isfinite(error.instance):
            kinds = ["finite", *(kind for kind in kinds if kind == "null")]
        return " or ".join(KINDS[kind] for kind in kinds)
    if rule == "enum":
        return "one of " + ", ".join(map(str, allowed))
    if rule in LIMITS:
        return f"{LIMITS[rule]} {allowed}"
    if rule == "pattern":
        return "made of letters, digits, - and _ only"
    if rule in ("minItems", "minProperties", "minLength"):
        return "given" if allowed == 1 else f"at least {allowed} long"
    return f"such that {rule} is {allowed}"


def _shown(value: Any) -> str:
    if value in ({}, [], ""):
        return "empty"
    return repr(value) if len(repr(value)) < 80 else repr(value)[:77] + "..."


def _dotted(path: Any) -> str:
    """datasets.mp.tasks, runs[0].n."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
