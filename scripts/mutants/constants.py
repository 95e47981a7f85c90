"""Where a module's constants are used: their own lines are executed at import, before any test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from .targets import modules, source_of


@cache
def uses_of_constant(module: str, line: int) -> set[tuple[str, str]]:
    """Modules and lines that use what a line at module level assigns; empty for other lines.

    Names are followed through other constants of the module, and into the modules that import
    them.
    """
    names = _assigned(module, line)
    if not names:
        return set()
    users = {(module, number) for number in _lines_with(module, names)}
    for other in modules():
        imported = names & _imported(other, module)
        if imported:
            users |= {(other, number) for number in _lines_with(other, imported)}
    return users


@cache
def is_replaceable(module: str, line: int) -> bool:
    """Whether a line only assigns constants that no other module uses at its import."""
    names = _assigned(module, line)
    if not names:
        return False
    for other in modules():
        used = {name for node in _at_import(other) for name in _names(node)}
        if used & names & _imported(other, module):
            return False
    return True


def _at_import(module: str) -> Iterator[ast.AST]:
    """What a module executes when it is imported, other than imports."""
    for statement in _tree(module).body:
        if isinstance(statement, ast.FunctionDef):
            yield from (*statement.decorator_list, *_defaults(statement))
        elif isinstance(statement, ast.ClassDef):
            yield from (*statement.decorator_list, *statement.bases)
            for inner in statement.body:
                if isinstance(inner, ast.FunctionDef):
                    yield from (*inner.decorator_list, *_defaults(inner))
                else:
                    yield inner
        elif not isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement


def _defaults(function: ast.FunctionDef) -> Iterator[ast.expr]:
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if default is not None:
            yield default


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(source_of(module).read_text())


def _assigned(module: str, line: int) -> frozenset[str]:
    """The constants whose value depends on a line."""
    names: set[str] = set()
    for statement in _tree(module).body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        last = statement.end_lineno or statement.lineno
        if statement.lineno <= line <= last or names & set(_names(statement.value)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names |= {name for target in targets for name in _names(target)}
    return frozenset(names)


def _names(node: ast.AST | None) -> Iterator[str]:
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Name):
            yield inner.id


def _lines_with(module: str, names: frozenset[str]) -> set[str]:
    """The lines of functions that name one of the constants."""
    return {
        str(inner.lineno)
        for function in ast.walk(_tree(module))
        if isinstance(function, ast.FunctionDef)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Name) and inner.id in names
    }


def _imported(module: str, source: str) -> set[str]:
    """The names that a module imports from another."""
    name = f"sageloop_runtime.{source.removesuffix('.py').replace('/', '.')}"
    return {
        alias.name
        for statement in _tree(module).body
        if isinstance(statement, ast.ImportFrom) and statement.module == name
        for alias in statement.names
    }
