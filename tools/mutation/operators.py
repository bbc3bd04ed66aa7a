"""Small wrong changes of a Python file, one at a time, as replaced pieces of its text."""

import ast
import random
import re
from dataclasses import dataclass
from itertools import pairwise

OPPOSITES: dict[type, tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.Add: (r"\+", ("-",)),
    ast.Sub: ("-", ("+",)),
    ast.Mult: (r"\*", ("/",)),
    ast.Div: ("/", ("*",)),
    ast.FloorDiv: ("//", ("/",)),
    ast.Mod: ("%", ("//",)),
    ast.Pow: (r"\*\*", ("*",)),
    ast.BitAnd: ("&", ("|",)),
    ast.BitOr: (r"\|", ("&",)),
    ast.And: ("and", ("or",)),
    ast.Or: ("or", ("and",)),
}
"""Each operator as a pattern, and what is written in its place."""

NAMES = {"min": "max", "minimum": "maximum", "argmin": "argmax", "any": "all", "floor": "ceil",
         "zeros": "ones", "mean": "sum", "sin": "cos", "exp": "log", "first": "last"}  # fmt: skip
NAMES |= {other: name for name, other in NAMES.items()}
"""Functions that are taken for each other."""

SILENT = {"log", "progress", "warnings"}
"""What is said to the user is no result: calls of these are left alone."""


@dataclass(frozen=True)
class Mutant:
    """Bytes `start` to `stop` of a file, on `line`, replaced by `new`."""

    line: int
    start: int
    stop: int
    new: str
    kind: str

    def applied(self, source: bytes) -> bytes:
        """The changed file."""
        return source[: self.start] + self.new.encode() + source[self.stop :]


def mutants(source: bytes) -> list[Mutant]:
    """All mutants of a file, in their order in it; each of them can be compiled."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    found = sorted(set(finder.found), key=lambda m: (m.start, m.stop, m.new))
    return [mutant for mutant in found if _compiles(mutant.applied(source))]


def sample(found: list[Mutant], count: int, seed: str) -> list[Mutant]:
    """At most `count` of them, drawn by the seed; a line has a second one after all have one."""
    drawn = random.Random(seed).sample(found, len(found))
    seen: dict[int, int] = {}
    turn = []
    for mutant in drawn:
        seen[mutant.line] = seen.get(mutant.line, 0) + 1
        turn.append(seen[mutant.line])
    order = sorted(range(len(drawn)), key=turn.__getitem__)
    return sorted((drawn[k] for k in order[:count]), key=lambda m: (m.start, m.stop, m.new))


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


class _Finder(ast.NodeVisitor):
    """Collects mutants of what can change a result, not of types, messages and docstrings."""

    def __init__(self, source: bytes) -> None:
        self.source, self.found = source, list[Mutant]()
        lines = source.splitlines(keepends=True)
        self._line_start = [0]
        for line in lines:
            self._line_start.append(self._line_start[-1] + len(line))

    def _span(self, node: ast.AST) -> tuple[int, int]:
        first, last = self._line_start[node.lineno - 1], self._line_start[node.end_lineno - 1]
        return first + node.col_offset, last + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        start, stop = self._span(node)
        return self.source[start:stop].decode()

    def _add(self, node: ast.AST, new: str, kind: str) -> None:
        self.found.append(Mutant(node.lineno, *self._span(node), new, kind))

    def _between(self, left: ast.AST, right: ast.AST, operator: ast.AST) -> None:
        """The operator between two nodes, replaced by its opposites."""
        if type(operator) not in OPPOSITES:
            return
        pattern, others = OPPOSITES[type(operator)]
        start, stop = self._span(left)[1], self._span(right)[0]
        found = re.search(pattern.encode(), self.source[start:stop])
        if found is None:
            return
        line = self.source[: start + found.start()].count(b"\n") + 1
        for new in others:
            where = start + found.start(), start + found.end()
            self.found.append(Mutant(line, *where, new, type(operator).__name__))

    def visit_Compare(self, node: ast.Compare) -> None:
        for (left, right), operator in zip(
            pairwise([node.left, *node.comparators]), node.ops, strict=True
        ):
            self._between(left, right, operator)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._between(node.left, node.right, node.op)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in pairwise(node.values):
            self._between(left, right, node.op)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._between(node.target, node.value, node.op)
        self._add(node, "pass", "dropped statement")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            self._add(node, f"({self._text(node.operand)})", "dropped sign")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add(node, str(not value), "constant")
        elif isinstance(value, int):
            self._add(node, str(value + 1), "constant")
        elif isinstance(value, float):
            self._add(node, repr(2 * value if value else 1.0), "constant")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._add(node.test, f"not ({self._text(node.test)})", "condition")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if self._text(node.test) != "TYPE_CHECKING":
            self._add(node.test, f"not ({self._text(node.test)})", "condition")
            self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add(node, "break", "loop")

    def visit_Break(self, node: ast.Break) -> None:
        self._add(node, "continue", "loop")

    def visit_Call(self, node: ast.Call) -> None:
        if self._silent(node):
            return
        plain = [a for a in node.args if not isinstance(a, ast.Starred)]
        if len(plain) >= 2 and plain[:2] == node.args[:2]:
            start, stop = self._span(plain[0])[0], self._span(plain[1])[1]
            middle = self.source[self._span(plain[0])[1] : self._span(plain[1])[0]].decode()
            new = f"{self._text(plain[1])}{middle}{self._text(plain[0])}"
            self.found.append(Mutant(plain[0].lineno, start, stop, new, "swapped arguments"))
        self._renamed(node.func)
        self.generic_visit(node)

    def _renamed(self, function: ast.expr) -> None:
        name = function.attr if isinstance(function, ast.Attribute) else self._text(function)
        if name in NAMES:
            stop = self._span(function)[1]
            start = stop - len(name.encode())
            line = function.end_lineno or function.lineno
            self.found.append(Mutant(line, start, stop, NAMES[name], "function"))

    def _silent(self, node: ast.Call) -> bool:
        return self._text(node.func).split(".")[0] in SILENT

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and not self._silent(node.value):
            self._add(node, "pass", "dropped statement")
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._add(node, "pass", "dropped statement")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg != "strict":  # of zip: a check that never fails
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts are messages, and before Python 3.12 their parts have no positions."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Written for readers and type checkers."""
