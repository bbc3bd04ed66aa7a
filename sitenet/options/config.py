"""The pipeline's configuration: checked against a JSON schema, defaults filled, overlays applied.

Mistakes are told with the name of the option and what is allowed there, all at once.
"""

import copy
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a section of options",
    "null": "null",
}
"""JSON types in words."""

ENCODER = "encoder"
"""The variant that trains the encoder of Deep InfoMax with labels; no other may have its name."""

FOLDERS = ("figures", "maps", "representation", "tables", "transfer", "tuning")
"""Folders of `results` that are no data set's; none may have such a name."""

BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


class ConfigError(Exception):
    """The configuration has mistakes; the message lists them, one a line."""


def checked(config: Mapping[str, Any], schema: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """A copy of `config` that conforms to `schema`, with the schema's defaults filled in.

    Args:
        config: as read from the files.
        schema: JSON schema (draft 2020-12) whose objects are closed.
        origin: where the configuration is from, for messages.

    Raises:
        ConfigError: a key is unknown or missing, a value is of a wrong kind or out of bounds, or a
            run names a data set, task or variant that is not there.
    """
    config = _with_text_read(config, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: str(e.path))
    problems = [problem for error in errors for problem in _in_words(error)]
    if not problems:
        config = with_defaults(config, schema)
        problems = list(_dangling(config))
    if problems:
        raise ConfigError("\n".join(f"{origin}: {problem}" for problem in problems))
    return dict(config)


def _with_text_read(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with text read as a number, truth value or null where the schema wants one.

    YAML takes 1e-4 for text, and Snakemake's `--config` makes every value text.
    """
    read = copy.deepcopy(dict(config))
    for error in Draft202012Validator(schema).iter_errors(config):
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
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def with_defaults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a valid `config` with the schema's defaults, except in `variants` (overlays)."""
    filled = copy.deepcopy(dict(config))
    variants = filled.pop("variants", {})
    filler = extend(Draft202012Validator, {"properties": _fill_then_descend})
    list(filler(schema).iter_errors(filled))
    filled["variants"].update(variants)
    return filled


def _fill_then_descend(
    validator: Any, properties: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, option in properties.items():
            if "default" in option:
                instance.setdefault(name, copy.deepcopy(option["default"]))
    yield from Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


def overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `overlay` in place of its own; sections are merged."""
    merged = dict(base)
    for key, value in overlay.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if nested else value
    return merged


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
    else:
        yield f"{where} must be {_expected(error)}, not {_shown(value)}"


def _expected(error: Any) -> str:
    rule, allowed = error.validator, error.validator_value
    if rule == "type":
        kinds = [allowed] if isinstance(allowed, str) else allowed
        return " or ".join(KINDS[kind] for kind in kinds)
    if rule == "enum":
        return "one of " + ", ".join(map(str, allowed))
    if rule in BOUNDS:
        return f"{BOUNDS[rule]} {allowed}"
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


def _dangling(config: Mapping[str, Any]) -> Iterator[str]:
    """Names that are used but not there, or that stand for something else."""
    for name, section in config["datasets"].items():
        if name in FOLDERS:
            yield f"datasets.{name}: results/{name}/ holds something else, take another name"
        split, source = section["split"], section["source"]
        kept = "ids" in source or split["column"] in source.get("extra", ())
        if split["kind"] == "column" and not kept:
            yield (
                f"datasets.{name}.split.column: {split['column']!r} must be among the `extra` "
                "columns of a source of kind table or cif_folder"
            )
    if ENCODER in config["variants"]:
        yield f"variants.{ENCODER}: this name stands for the encoder of `infomax`, take another"
    if "infomax" in config:
        yield from _dangling_infomax(config)
    yield from _dangling_tuning(config)
    if not any(run["figures"] for run in config["runs"]):
        yield "runs: figures is false in all of them; figures 5 to 7 have nothing to show"
    for number, run in enumerate(config["runs"]):
        datasets = config["datasets"]
        if run["dataset"] not in datasets:
            yield _no_such(f"runs[{number}].dataset", run["dataset"], "data sets", datasets)
            continue
        tasks = datasets[run["dataset"]]["tasks"]
        for task in run["tasks"]:
            if task not in tasks:
                yield _no_such(f"runs[{number}].tasks", task, f"tasks of {run['dataset']}", tasks)
        if run["variant"] not in (*config["variants"], ENCODER):
            yield _no_such(
                f"runs[{number}].variant", run["variant"], "variants", config["variants"]
            )


def _dangling_tuning(config: Mapping[str, Any]) -> Iterator[str]:
    """Names that are used in `tuning` but not there, and ranges that end before they begin."""
    datasets, variants = config["datasets"], config["variants"]
    for name, section in config.get("tuning", {}).items():
        where = f"tuning.{name}"
        dataset, task = section["dataset"], section["task"]
        if dataset not in datasets:
            yield _no_such(f"{where}.dataset", dataset, "data sets", datasets)
        elif task not in datasets[dataset]["tasks"]:
            tasks = datasets[dataset]["tasks"]
            yield _no_such(f"{where}.task", task, f"tasks of {dataset}", tasks)
        if section["variant"] not in variants:
            yield _no_such(f"{where}.variant", section["variant"], "variants", variants)
        for parameter, (low, high) in section["ranges"].items():
            if low > high:
                yield f"{where}.ranges.{parameter} must be [smallest, largest], not [{low}, {high}]"


def _dangling_infomax(config: Mapping[str, Any]) -> Iterator[str]:
    """Names that are used in `infomax` but not there."""
    infomax, datasets = config["infomax"], config["datasets"]

    def task(where: str, dataset: str, name: str) -> Iterator[str]:
        if dataset not in datasets:
            yield _no_such(f"{where}.dataset", dataset, "data sets", datasets)
        elif name not in datasets[dataset]["tasks"]:
            yield _no_such(where, name, f"tasks of {dataset}", datasets[dataset]["tasks"])

    for name, section in infomax["pretrainings"].items():
        where = f"infomax.pretrainings.{name}"
        yield from task(f"{where}.split", section["dataset"], section["split"])
        for dataset in section["hold_out"]:
            if dataset not in datasets:
                yield _no_such(f"{where}.hold_out", dataset, "data sets", datasets)
    names = [section["name"] for section in infomax["experiments"]]
    for number, section in enumerate(infomax["experiments"]):
        where = f"infomax.experiments[{number}]"
        if section["name"] in names[:number]:
            yield f"{where}.name: {section['name']!r} is there twice"
        yield from task(f"{where}.task", section["dataset"], section["task"])
        if other := section["supervised"]:
            yield from task(f"{where}.supervised", other["dataset"], other["task"])
        for role in ("pretraining", "ablation"):
            known = infomax["pretrainings"]
            if section[role] is not None and section[role] not in known:
                yield _no_such(f"{where}.{role}", section[role], "pre-trainings", known)


def _no_such(where: str, name: str, what: str, known: Mapping[str, Any]) -> str:
    return f"{where}: there is no {name!r}; {what}: {', '.join(known) or 'none'}"
