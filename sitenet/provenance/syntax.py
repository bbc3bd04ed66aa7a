"""The part of a source file that can change results, and what the file imports.

That part is the syntax tree without comments, docstrings and layout.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODULE = re.compile(r"sitenet(\.\w+)+")
FILE = re.compile(r"[\w*-][\w.*-]*\.\w+")
NOT_CODE = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)

DECLARATIONS = {"option", "required", "overlay"}
"""Functions of `sitenet.options.option` that declare an option."""

VERSION = "-".join(
    [*map(str, sys.version_info[:2]), hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]]
)
"""Python's syntax trees and this module in one version: what is cached is valid for it alone."""


@dataclass(frozen=True)
class Syntax:
    """The relevant part of a Python file.

    `fingerprint` is that of its syntax tree. Modules are named as in import statements, with every
    imported name as if it were a module: `imports` at the top level and in classes, `later` in
    functions and in literals such as "sitenet.crystal". `files` are literals that look like names
    of files or patterns of them, such as "*.cpp".
    """

    fingerprint: str
    imports: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: bytes, path: Path) -> "Syntax":
        """Parse a Python file; `path` is for messages. Raises SyntaxError."""
        tree = _WithoutIrrelevant().visit(ast.parse(source, str(path)))
        syntax = cls(digest("\0".join(_tokens(tree))))
        _collect(tree, syntax, inside=False)
        return syntax


class _WithoutIrrelevant(ast.NodeTransformer):
    """Drops statements that have no effect on results.

    These are literals such as docstrings, imports for type checkers, and the declarations of
    options (`name: type = option(default, description)`): rules have the values of options among
    their parameters.
    """

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        function = node.value.func if isinstance(node.value, ast.Call) else None
        declared = isinstance(function, ast.Name) and function.id in DECLARATIONS
        return None if declared else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
        return node.orelse if name == "TYPE_CHECKING" else node


def _tokens(node: Any) -> Iterator[str]:
    """The tree as text, without positions and without empty fields, which vary between Pythons."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in ast.iter_fields(node):
            if value is not None and value != []:
                yield name
                yield from _tokens(value)
        yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _tokens(item)
    else:
        yield repr(node)


def _collect(node: ast.AST, syntax: Syntax, *, inside: bool) -> None:
    """Add the imports and literals below `node`, which is inside a function or not."""
    imports = syntax.later if inside else syntax.imports
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            imports += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):  # absolute: the package has no relative ones
            imports += [f"{child.module}.{alias.name}" for alias in child.names]
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            if MODULE.fullmatch(child.value):
                syntax.later.append(child.value)
            elif FILE.fullmatch(child.value):
                syntax.files.append(child.value)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        _collect(child, syntax, inside=inside or function)


def data_fingerprint(path: Path) -> str:
    """The fingerprint of a data file; of C++ without comments and layout."""
    content = path.read_bytes()
    if path.suffix in (".cpp", ".h"):
        code = NOT_CODE.sub(lambda match: match[1] or " ", content.decode())
        lines = (" ".join(line.split()) for line in code.splitlines())
        content = "\n".join(filter(None, lines)).encode()
    return digest(content)


def digest(content: str | bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
