"""Options as fields of frozen dataclasses: type, default, limits and a description.

`option`, `required` and `overlay` declare an option of the configuration; choices are a `Literal`
type. A subclass that gives a field another default keeps its description and limits. From these
fields come the checks of every instance, the JSON schema (`sitenet.options.schema`) and the
reference of the documentation (`sitenet.options.reference`).
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from math import isfinite
from types import NoneType
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
"""Text that becomes part of a path: letters, digits, - and _ only. So are all names of entries."""

LARGEST_N = 10_000
"""Of the atoms of a supercell: distances of all pairs are computed, and counted in 16 bits."""

LARGEST_SEED = 2**32 - 1
"""What all random number generators take."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "more_than": operator.gt,
    "less_than": operator.lt,
}
"""Limits of a number; as words, with spaces, they are what messages say."""


class Limits(TypedDict, total=False):
    """What a value must satisfy beside its type; limits of a number hold for each of a list.

    `unique`: no entry of a list may be there twice. `not_only`: it must hold something else than
    this choice.
    """

    at_least: float
    at_most: float
    more_than: float
    less_than: float
    not_empty: bool
    unique: bool
    not_only: str


def option(default: T, text: str, **limits: Unpack[Limits]) -> T:
    """A field that the configuration may set; `text` describes it to users."""
    metadata = {"text": text, "limits": limits}
    if isinstance(default, dict):
        return cast(T, field(default_factory=default.copy, metadata=metadata))
    return cast(T, field(default=default, metadata=metadata))


def required(text: str, **limits: Unpack[Limits]) -> Any:
    """A field that the configuration must set."""
    return field(metadata={"text": text, "limits": limits})


def overlay(group: "type[Options]", text: str) -> Any:
    """A field for any options of `group`, which are laid over a section and not filled in."""
    return field(default_factory=dict, metadata={"text": text, "limits": {}, "overlay": group})


@dataclass(frozen=True)
class Option:
    """What is known of a field that the configuration may set.

    `kind` is its type, `default` MISSING where it is required, `overlay` the group of options
    whose subset it is, if any.
    """

    name: str
    kind: Any
    default: Any
    text: str
    limits: Limits
    overlay: "type[Options] | None"


@dataclass(frozen=True)
class Options:
    """Base of all groups of options.

    Fields that are not declared as options are set by the code. Instances are checked: ValueError
    names the field and what is allowed.
    """

    def __post_init__(self) -> None:
        for known in fields(self):
            limits = _metadata(type(self), known.name).get("limits", {})
            for problem in _problems(getattr(self, known.name), choices(known.type), limits):
                raise ValueError(f"{known.name} must be {problem}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; lists become tuples. Unknown names raise TypeError."""
        kinds = {known.name: known.type for known in fields(cls)}
        return cls(**{name: _typed(kinds.get(name), value) for name, value in values.items()})

    @classmethod
    def from_untrusted(cls, values: Mapping[str, Any]) -> Self:
        """The same for values of which nothing is known, not even the types.

        Raises ValueError, which names the field.
        """
        kinds = {known.name: known.type for known in fields(cls)}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"{name} is unknown")
            if not _is_of(value, kinds[name]):
                raise ValueError(f"{name} must not be {value!r:.80}")
        return cls.from_dict(values)


def options_of(group: type[Options]) -> tuple[Option, ...]:
    """The fields of a group that the configuration may set, in their order."""
    found = []
    for known in fields(group):
        if facts := _metadata(group, known.name):
            found.append(
                Option(
                    name=known.name,
                    kind=known.type,
                    default=_default(known),
                    text=facts["text"],
                    limits=facts["limits"],
                    overlay=facts.get("overlay"),
                )
            )
    return tuple(found)


def choices(kind: Any) -> tuple[str, ...]:
    """What a type allows if it is a `Literal`, a list of one, or one or None."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next(filter(None, map(choices, get_args(kind))), ())


def members(kind: Any) -> tuple[Any, ...]:
    """The types of a union without None; a type that is no union alone."""
    if get_origin(kind) in (None, tuple, Literal) or is_mapping(kind):
        return (kind,)
    return tuple(part for part in get_args(kind) if part is not NoneType)


def is_optional(kind: Any) -> bool:
    """Whether a type allows None."""
    return NoneType in get_args(kind)


def is_mapping(kind: Any) -> bool:
    """Whether a type is a mapping: entries by name."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def is_group(kind: Any) -> bool:
    """Whether a type is a group of options."""
    return isinstance(kind, type) and issubclass(kind, Options)


def kind_of(group: type[Options]) -> str:
    """The value of `kind` by which a group of options is selected among several."""
    return str(next(known.default for known in fields(group) if known.name == "kind"))


def _metadata(group: type[Options], name: str) -> Mapping[str, Any]:
    """Metadata of a field, or of the base's field whose default it replaces."""
    for base in group.__mro__:
        known = getattr(base, "__dataclass_fields__", {}).get(name)
        if known is not None and known.metadata:
            return known.metadata
    return {}


def _default(known: Field[Any]) -> Any:
    if known.default_factory is not MISSING:
        return known.default_factory()
    return known.default


def _problems(value: Any, allowed: tuple[str, ...], limits: Limits) -> Iterator[str]:
    """What a value must be instead, and what it is."""
    if value is None:
        return
    if limits.get("not_empty") and not value:
        yield "given, not empty"
    elif "not_only" in limits and not set(value) - {limits["not_only"]}:
        yield f"given, not only {limits['not_only']}"
    elif limits.get("unique") and len(set(value)) < len(value):
        yield "without repetition"
    for one in value if isinstance(value, tuple) else (value,):
        if allowed and one not in allowed:
            yield f"one of {', '.join(allowed)}, not {one!r}"
        if isinstance(one, float) and not isfinite(one):
            yield f"a finite number, not {one!r}"
        for name, limit in limits.items():
            if name in COMPARISONS and not COMPARISONS[name](one, limit):
                yield f"{name.replace('_', ' ')} {limit}, not {one!r}"


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a plain value is of the type of a field; other groups of options are of none."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        one = get_args(kind)[0]
        return isinstance(value, list | tuple) and all(_is_of(item, one) for item in value)
    if get_args(kind):  # a union
        return any(_is_of(value, part) for part in get_args(kind))
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and isfinite(value)
    return isinstance(value, kind)


def _typed(kind: Any, value: Any) -> Any:
    """A plain value as its field has it: lists as tuples, sections as groups of options."""
    if isinstance(value, list):
        items = get_args(members(kind)[0]) if kind else ()
        return tuple(_typed(items[0] if items else None, one) for one in value)
    if isinstance(value, Mapping) and is_mapping(kind):
        return {name: _typed(get_args(kind)[1], one) for name, one in value.items()}
    if isinstance(value, Mapping):
        groups = [group for group in members(kind) if is_group(group)]
        return _chosen(groups, value).from_dict(value) if groups else value
    return value


def _chosen(groups: list[type[Options]], values: Mapping[str, Any]) -> type[Options]:
    """The group that `kind` in `values` selects; ValueError if there is none."""
    if len(groups) == 1:
        return groups[0]
    kinds = {kind_of(group): group for group in groups}
    if values.get("kind") not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {values.get('kind')!r}")
    return kinds[values["kind"]]
