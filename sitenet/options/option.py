"""Options as fields of frozen dataclasses: type, default, limits and one description.

`option` and `required` declare an option. Its choices are a `Literal` type. From these fields come
the checks of every instance, the JSON schema of the configuration (`sitenet.options.schema`) and
the reference of the documentation (`sitenet.options.reference`).
"""

import operator
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import (
    Any,
    Literal,
    NewType,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    get_args,
    get_origin,
)

T = TypeVar("T")

Name = NewType("Name", str)
"""Name of a data set, task and so on: part of a path, hence letters, digits, - and _ only."""

COMPARISONS = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "more_than": operator.gt,
    "less_than": operator.lt,
}
"""Limits of a number."""


class Limits(TypedDict, total=False):
    """What a value must satisfy beside its type; of a list of numbers, each of them."""

    at_least: float
    at_most: float
    more_than: float
    less_than: float
    not_empty: bool


def option(default: T, text: str, **limits: Unpack[Limits]) -> T:
    """A field that the configuration may set; `text` describes it in the reference."""
    metadata = {"text": text, **limits}
    if isinstance(default, dict):
        return cast(T, field(default_factory=default.copy, metadata=metadata))
    return cast(T, field(default=default, metadata=metadata))


def required(text: str, **limits: Unpack[Limits]) -> Any:
    """A field that the configuration must set."""
    return field(metadata={"text": text, **limits})


@dataclass(frozen=True)
class Options:
    """Base of all groups of options.

    Fields declared without `option` or `required` are set by the code and not by the configuration.
    Instances are checked: ValueError names the field and what is allowed.
    """

    def __post_init__(self) -> None:
        for known in fields(self):
            if problem := _problem(known, getattr(self, known.name)):
                raise ValueError(f"{known.name} must be {problem}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; lists become tuples. Unknown names raise TypeError."""
        kinds = {known.name: known.type for known in fields(cls)}
        return cls(**{name: _typed(kinds.get(name), value) for name, value in values.items()})


def options_of(group: type[Options]) -> list[Field[Any]]:
    """The fields of a group that the configuration may set, in their order."""
    return [known for known in fields(group) if "text" in known.metadata]


def choices(kind: Any) -> tuple[str, ...]:
    """The values that a type allows if it is a `Literal`, or a tuple of one, or one or None."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next(filter(None, map(choices, get_args(kind))), ())


def groups(kind: Any) -> list[type[Options]]:
    """The groups of options that a type allows: itself, or the members of a union."""
    parts = (kind, *get_args(kind))
    return [part for part in parts if isinstance(part, type) and issubclass(part, Options)]


def _problem(known: Field[Any], value: Any) -> str | None:
    """What is wrong with the value of a field: what it must be, and what it is."""
    allowed = choices(known.type)
    if known.metadata.get("not_empty") and not value:
        return "given, not empty"
    for one in value if isinstance(value, tuple) else (value,):
        if one is None:
            continue
        if allowed and one not in allowed:
            return f"one of {', '.join(allowed)}, not {one!r}"
        for limit, holds in COMPARISONS.items():
            if limit in known.metadata and not holds(one, known.metadata[limit]):
                return f"{limit.replace('_', ' ')} {known.metadata[limit]}, not {one!r}"
    return None


def _typed(kind: Any, value: Any) -> Any:
    """A plain value as the type of its field has it."""
    if isinstance(value, list):
        return tuple(_typed(get_args(kind)[0] if get_args(kind) else None, one) for one in value)
    if not isinstance(value, Mapping):
        return value
    if get_origin(kind) is not None and (members := get_args(kind)) and members[0] is str:
        return {name: _typed(members[1], one) for name, one in value.items()}
    for group in groups(kind):
        kinds = {known.name: choices(known.type) for known in fields(group)}
        if "kind" not in kinds or value.get("kind") in kinds["kind"]:
            return group.from_dict(value)
    return dict(value)
