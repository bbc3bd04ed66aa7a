"""The reference of all options in Markdown: `python -m sitenet.options.reference`.

One heading for each section, with a table of its options: values, default, description.
"""

import json
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from inspect import getdoc
from typing import Any, Literal, get_args, get_origin

from sitenet.options.configuration import Configuration
from sitenet.options.option import (
    COMPARISONS,
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
from sitenet.options.schema import plain

WORDS: dict[Any, tuple[str, str]] = {
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
    bool: ("true or false", "truth values"),
    Name: ("letters, digits, - and _", "names"),
}
"""Types in words: one value, several."""

HEAD = "| option | values | default | description |\n| --- | --- | --- | --- |"


@dataclass(frozen=True)
class Section:
    """A group of options at its place: `path` as in infomax.loss; `kind` where there are several.

    NAME in a path stands for any name, [] for the number of an entry.
    """

    path: str
    group: type[Options]
    kind: str = ""

    @property
    def title(self) -> str:
        """The heading."""
        return f"`{self.path}`" + (f" of kind `{self.kind}`" if self.kind else "")

    @property
    def level(self) -> str:
        """Marks of the heading: sections of the top level, those within them."""
        return "###" if "." in self.path.removesuffix(".NAME") else "##"

    @property
    def anchor(self) -> str:
        """The target of links."""
        return "-".join(
            [*self.path.lower().replace("[]", "").split("."), *filter(None, [self.kind])]
        )


def reference() -> str:
    """The whole reference."""
    root = Section("", Configuration)
    text = ["# Options of the configuration", getdoc(Configuration) or "", _table(root)]
    seen: dict[type[Options], Section] = {}
    for section in _within(root):
        text.append(f'<a id="{section.anchor}"></a>\n\n{section.level} {section.title}')
        if same := seen.get(section.group):
            text.append(f"The options of [{same.title}](#{same.anchor}).")
        else:
            text += [getdoc(section.group) or "", _table(section)]
        seen.setdefault(section.group, section)
    return "\n\n".join(text)


def _within(section: Section) -> Iterator[Section]:
    """All sections below one, each before those within it."""
    for option in options_of(section.group):
        for child in _children(section, option):
            yield child
            yield from _within(child)


def _children(section: Section, option: Option) -> list[Section]:
    """The sections that the value of an option holds."""
    here = f"{section.path}.{option.name}".lstrip(".")
    kinds = members(option.kind)
    if option.overlay is not None:
        return []
    if is_mapping(kinds[0]):
        return [Section(f"{here}.NAME", get_args(kinds[0])[1])]
    if get_origin(kinds[0]) is tuple:
        return [Section(f"{here}[]", group) for group in get_args(kinds[0]) if is_group(group)]
    if len(kinds) > 1:
        return [Section(here, group, kind_of(group)) for group in kinds]
    return [Section(here, group) for group in kinds if is_group(group)]


def _table(section: Section) -> str:
    options = sorted(options_of(section.group), key=lambda option: option.default is not MISSING)
    rows = [
        [f"`{option.name}`", _values(section, option), _default(option), option.text]
        for option in options
    ]
    if section.kind:
        rows.insert(0, ["`kind`", f"`{section.kind}`", "required", "Selects this kind of source."])
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join([HEAD, *(f"| {' | '.join(row)} |" for row in cells)])


def _default(option: Option) -> str:
    if option.default is MISSING:
        return "required"
    default = plain(option.default)
    return "" if default == {} else f"`{json.dumps(default, ensure_ascii=False)}`"


def _values(section: Section, option: Option) -> str:
    """What an option may be, in words; links for sections."""
    kind = members(option.kind)[0]
    links = [
        f"[{child.kind or 'section'}](#{child.anchor})" for child in _children(section, option)
    ]
    if option.overlay is not None:
        return f"options of [`{option.name}`](#{option.name})"
    if is_mapping(kind):
        return f"a {links[0]} for each name"
    if links:
        found = "list, each a " + links[0] if get_origin(kind) is tuple else ", ".join(links)
    else:
        found = _words(kind, option.limits)
    return f"{found}; or null" if is_optional(option.kind) else found


def _words(kind: Any, limits: Limits) -> str:
    """Values that are no sections."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    bounds = [(name, limit) for name, limit in limits.items() if name in COMPARISONS]
    within = " and ".join(f"{name.replace('_', ' ')} {limit}" for name, limit in bounds)
    if get_origin(kind) is not tuple:
        return f"{WORDS[kind][0]}, {within}" if within else WORDS[kind][0]
    first, *others = get_args(kind)
    if get_origin(first) is Literal:
        return f"list of {_words(first, {})}"
    several = f"{'list of' if others == [...] else 1 + len(others)} {WORDS[first][1]}"
    return f"{several}, each {within}" if within else several


if __name__ == "__main__":
    print(reference())
