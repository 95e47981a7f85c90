"""``python -m scripts.words [FILE]``: writes the words of the project into one file for review.

For each module: its docstring, its public names with the first lines of their docstrings, error
messages, console messages, texts of alarms and descriptions, and the names of tests. FILE is
``words.txt`` by default.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYER = "lambda/layer/python/"
# Functions that print their arguments, by their last name, and keywords that hold a text.
_CONSOLE = frozenset({"echo", "fail", "print", "say", "_print", "_say"})
_KEYWORDS = {
    "alarm_description": "alarm", "description": "description", "help": "console",
    "subject": "alert",
}  # fmt: skip
# Errors whose messages are not read by a user of the library.
_INTERNAL = frozenset({"AttributeError", "NotImplementedError", "StopIteration"})
_SHORTEST = 2


@dataclass(frozen=True, order=True, kw_only=True)
class Word:
    """One name or text of a module: its line, kind (such as ``class`` or ``error``) and text."""

    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"  {self.kind}: {self.text}"


def words_of(source: str) -> list[Word]:
    r"""The public names and the texts of a module, in the order of its lines.

    >>> [str(word) for word in words_of('def put(key: str) -> None:\n    "Store a key."')]
    ['  function: put: Store a key.']
    """
    return _words(ast.parse(source))


def _words(tree: ast.AST) -> list[Word]:
    return sorted({*_names(tree, ""), *_texts(tree)})


def render(paths: list[str]) -> str:
    """The words of modules, grouped by module; paths are relative to the checkout."""
    sections = []
    for path in paths:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        title = _with_docstring(_module(path), tree)
        sections.append("\n".join([title, *map(str, _words(tree))]))
    return "\n\n".join(sections) + "\n"


def _module(path: str) -> str:
    name = path.removeprefix(LAYER).removesuffix(".py").removesuffix("/__init__")
    return name.replace("/", ".")


def _with_docstring(name: str, node: ast.AST) -> str:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    docstring = ast.get_docstring(node) if documented else None  # type: ignore[arg-type]
    return name if docstring is None else f"{name}: {docstring.splitlines()[0]}"


def _names(node: ast.AST, prefix: str) -> Iterator[Word]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef) or child.name.startswith("_"):
            continue
        name = f"{prefix}{child.name}"
        yield Word(line=child.lineno, kind=_kind(child, prefix), text=_with_docstring(name, child))
        if isinstance(child, ast.ClassDef):
            yield from _names(child, f"{name}.")


def _kind(node: ast.ClassDef | ast.FunctionDef, prefix: str) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    if node.name.startswith("test_"):
        return "test"
    return "method" if prefix else "function"


def _texts(tree: ast.AST) -> Iterator[Word]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            if _called(node.exc) not in _INTERNAL:
                yield from _arguments(node.exc, "error")
        elif isinstance(node, ast.Call):
            if _called(node) in _CONSOLE:
                yield from _arguments(node, "console")
            for keyword in node.keywords:
                if keyword.arg in _KEYWORDS:
                    yield from _text(keyword.value, _KEYWORDS[keyword.arg])


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _arguments(call: ast.Call, kind: str) -> Iterator[Word]:
    for argument in call.args:
        yield from _text(argument, kind)


def _text(node: ast.expr, kind: str) -> Iterator[Word]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.JoinedStr):
        text = "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"{{{_expression(part)}}}"
            for part in node.values
        )
    else:
        return
    if len(text.split()) >= _SHORTEST:
        yield Word(line=node.lineno, kind=kind, text=" ".join(text.split()))


def _expression(part: ast.expr) -> str:
    return ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "words.txt")
    path: Path = parser.parse_args().file
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, text=True, check=True, capture_output=True
    ).stdout
    path.write_text(render([name for name in listed.split("\0") if name]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
