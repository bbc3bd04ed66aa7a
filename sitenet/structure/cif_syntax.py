"""Syntax of CIF 1.1: from text to data blocks of tags and values.

Tags and keywords are case-insensitive. A tag that is given twice or is in a loop that is cut off is
an error only if it is asked for: much of a CIF says nothing about the crystal.
S. R. Hall, J. D. Westbrook, International Tables for Crystallography G (2006), chapter 2.2.
"""

import re
from dataclasses import dataclass, field

from sitenet.structure.rejection import RejectedCrystal

MISSING = (".", "?", "")
"""Values that stand for none: not applicable, unknown."""

LONGEST_LINE = 1000
"""Characters that are kept of words without quotes after a tag."""

_TOKEN = re.compile(
    r"""\#[^\n]*
      | ^;(?P<text>(?s:.*?))\n;
      | '(?P<single>(?:[^'\n]|'(?=[^ \t\n]))*+)'(?=[ \t\n]|\Z)
      | "(?P<double>(?:[^"\n]|"(?=[^ \t\n]))*+)"(?=[ \t\n]|\Z)
      | (?P<word>[^ \t\n]+)""",
    re.VERBOSE | re.MULTILINE,
)
_WORD = re.compile(r"[^ \t\n]+")
_SPECIAL = re.compile(r"['\"#;_]")
_KEYWORD = re.compile(r"(?:data_|save_)\S*|(?:loop_|stop_|global_)\Z", re.IGNORECASE)
_FIRST_BLOCK = re.compile(r"^[ \t]*data_", re.MULTILINE | re.IGNORECASE)


@dataclass
class Block:
    """A data block: values of each tag, a single one outside of loops.

    Tags are in lower case, with an underscore in place of the point that later dictionaries use
    (`_atom_site.fract_x`).
    """

    columns: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    """Why a tag cannot be used."""

    def column(self, tag: str) -> list[str] | None:
        """Values of a tag, None if it is not given. Raises RejectedCrystal if it has a fault."""
        if tag in self.faults:
            raise RejectedCrystal(self.faults[tag])
        return self.columns.get(tag)

    def value(self, tag: str) -> str:
        """The single value of a tag; empty if it is missing, `.` or `?`."""
        values = self.column(tag) or [""]
        if len(values) > 1:
            raise RejectedCrystal(f"malformed CIF: {tag} has {len(values)} values")
        return "" if values[0] in MISSING else values[0]

    def add(self, tag: str, values: list[str]) -> None:
        """Set the values of a tag."""
        if tag in self.columns:
            self.faults[tag] = f"the CIF gives {tag} twice"
        self.columns[tag] = values


def parse_blocks(text: str) -> list[Block]:
    """The data blocks of a CIF whose lines end with a line feed.

    Raises:
        RejectedCrystal: there is none, a quote or text field is not closed, or text belongs to no
            tag.
    """
    start = _FIRST_BLOCK.search(text)
    if start is None:
        raise RejectedCrystal("this is not a CIF (it has no data_ block)")
    reader = _Reader(text)
    position = start.start()
    while token := _TOKEN.search(text, position):
        position = token.end()
        if token.lastgroup == "word":
            reader.word(token)
        elif token.lastgroup:  # else a comment
            reader.value(token)
        if reader.values:
            position = reader.rows(position)
    reader.end_loop()
    return reader.blocks


class _Reader:
    """Takes tokens one after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blocks: list[Block] = []
        self.tag = ""  # the last one outside of loops
        self.end = -1  # of its value; -1 if it has none yet
        self.tags: list[str] | None = None  # of the present loop
        self.values: list[str] = []

    def word(self, token: re.Match[str]) -> None:
        """A token without quotes: a tag, a keyword or a value."""
        word = token["word"]
        if word[0] == "_":
            self.start_tag(word)
        elif word[0] in "lLdDsSgG" and _KEYWORD.match(word):
            self.keyword(word.lower(), token)
        elif word[0] in "'\"":
            raise self.error("a quote is not closed", token)
        elif word[0] == ";" and self.text[token.start() - 1] == "\n":
            raise self.error("a text field is not closed", token)
        else:
            self.value(token)

    def start_tag(self, word: str) -> None:
        """A tag, of a loop or with a single value."""
        tag = word.lower().replace(".", "_").rstrip("_")  # some old files end tags with one
        if self.tags is not None and not self.values:
            self.tags.append(tag)
            return
        self.end_loop()
        self.blocks[-1].add(tag, [""])
        self.tag, self.end = tag, -1

    def keyword(self, word: str, token: re.Match[str]) -> None:
        """data_, loop_, or one that no CIF of a crystal has."""
        self.end_loop()
        self.tag = ""
        if word.startswith("data_"):
            self.blocks.append(Block())
        elif word == "loop_":
            self.tags, self.values = [], []
        else:
            raise self.error(f"{word[:40]} is not expected", token)

    def value(self, token: re.Match[str]) -> None:
        """A value of the present loop or of the last tag."""
        value = token[token.lastgroup or 0]
        if self.tags:
            self.values.append(value)
        elif self.tag and self.end < 0:
            self.blocks[-1].columns[self.tag] = [value]
            self.end = token.end()
        elif self.tag and "\n" not in self.text[self.end : token.start()]:
            words = self.blocks[-1].columns[self.tag]  # without quotes: P 21/c
            if len(words[0]) < LONGEST_LINE:
                words[0] += f" {value}"
            self.end = token.end()
        else:
            raise self.error(f"{value.strip()[:40]!r} belongs to no tag", token)

    def rows(self, start: int) -> int:
        """Take words of the present loop from `start` on, as long as they can only be values.

        Returns where the others begin. This is most of a CIF, and faster than token by token.
        """
        special = _SPECIAL.search(self.text, start)
        end = special.start() if special else len(self.text)
        end = max(self.text.rfind(space, start, end) for space in " \t\n")
        if end <= start:
            return start
        self.values += _WORD.findall(self.text, start, end)
        return end

    def end_loop(self) -> None:
        """Add the columns of the present loop, if there is one, to its block."""
        tags, values, block = self.tags, self.values, self.blocks[-1] if self.blocks else Block()
        self.tags, self.values = None, []
        if tags is None:
            return
        for k, tag in enumerate(tags):
            block.add(tag, values[k :: len(tags)])
        if not tags or not values or len(values) % len(tags):
            name = f" of {tags[0]}" if tags else ""
            size = f"{len(values)} values for {len(tags)} columns"
            fault = f"malformed CIF: the loop{name} is empty or cut off ({size})"
            block.faults |= dict.fromkeys(tags, fault)

    def error(self, what: str, token: re.Match[str]) -> RejectedCrystal:
        line = self.text.count("\n", 0, token.start()) + 1
        return RejectedCrystal(f"malformed CIF: {what} (line {line})")
