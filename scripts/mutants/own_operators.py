"""Mutations that cosmic-ray does not have: what a function forgets, or does in the wrong order.

Each takes a syntax tree and yields changed copies of it, with the line of the change.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

Change = tuple[str, int, ast.Module]


def own_mutants(source: str) -> Iterator[Change]:
    """Operator name, line and changed tree of each mutant."""
    for operator in (_drop_statement, _swap_statements, _drop_element, _drop_keyword, _negate_in,
                     _drop_handler):  # fmt: skip
        yield from operator(ast.parse(source))


def _drop_statement(tree: ast.Module) -> Iterator[Change]:
    """Leave out a call for its effect, or an assignment to an item or attribute."""
    for block, index, statement in _statements(tree):
        if _is_effect(statement):
            name = "drop-statement"
            yield name, statement.lineno, _changed(tree, block, _replace_at(index, ast.Pass()))


def _swap_statements(tree: ast.Module) -> Iterator[Change]:
    """Exchange two successive statements that have effects."""
    for block, index, statement in _statements(tree):
        body = getattr(*block)
        if index + 1 < len(body) and _has_call(statement) and _has_call(body[index + 1]):
            yield "swap-statements", statement.lineno, _changed(tree, block, _swap_at(index))


def _drop_element(tree: ast.Module) -> Iterator[Change]:
    """Leave out an element of a collection: a clause of a condition, an error code."""
    types = set(_annotation_nodes(tree))
    for node in ast.walk(tree):
        is_loaded = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if isinstance(node, ast.Tuple | ast.List | ast.Set) and is_loaded and node not in types:
            for index, element in enumerate(node.elts):
                if not isinstance(element, ast.Starred) or len(node.elts) > 1:
                    yield (
                        "drop-element",
                        element.lineno,
                        _changed(tree, (node, "elts"), _remove_at(index)),
                    )
        elif isinstance(node, ast.Dict):
            for index, value in enumerate(node.values):
                yield "drop-element", value.lineno, _changed(tree, (node, ""), _remove_item(index))


def _annotation_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes of annotations, such as the types of ``dict[str, Any]``."""
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                yield from ast.walk(annotation)


def _drop_keyword(tree: ast.Module) -> Iterator[Change]:
    """Leave out a keyword argument: a token, a limit, a consistent read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for index, keyword in enumerate(node.keywords):
                yield (
                    "drop-keyword",
                    keyword.value.lineno,
                    _changed(tree, (node, "keywords"), _remove_at(index)),
                )


def _negate_in(tree: ast.Module) -> Iterator[Change]:
    """Exchange ``in`` and ``not in``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                if isinstance(operator, ast.In | ast.NotIn):
                    other = ast.NotIn() if isinstance(operator, ast.In) else ast.In()
                    yield (
                        "negate-in",
                        node.lineno,
                        _changed(tree, (node, "ops"), _replace_at(index, other)),
                    )


def _drop_handler(tree: ast.Module) -> Iterator[Change]:
    """Let a handled exception pass."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            for index, handler in enumerate(node.handlers):
                never = ast.ExceptHandler(
                    type=ast.Name(id="StopAsyncIteration", ctx=ast.Load()), name=handler.name,
                    body=handler.body,
                )  # fmt: skip
                yield (
                    "drop-handler",
                    handler.lineno,
                    _changed(tree, (node, "handlers"), _replace_at(index, never)),
                )


# changes of a copy

Place = tuple[ast.AST, str]


def _changed(tree: ast.Module, place: Place, change: Callable[[Any], None]) -> ast.Module:
    """A copy of the tree, changed at one place."""
    node, attribute = place
    memo: dict[int, Any] = {}
    copied = copy.deepcopy(tree, memo)
    twin = memo[id(node)]
    change(getattr(twin, attribute) if attribute else twin)
    return ast.fix_missing_locations(copied)


def _replace_at(index: int, node: ast.AST) -> Callable[[Any], None]:
    def change(items: Any) -> None:
        items[index] = node

    return change


def _remove_at(index: int) -> Callable[[Any], None]:
    def change(items: Any) -> None:
        del items[index]

    return change


def _remove_item(index: int) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        del node.keys[index]
        del node.values[index]

    return change


def _swap_at(index: int) -> Callable[[Any], None]:
    def change(items: Any) -> None:
        items[index], items[index + 1] = items[index + 1], items[index]

    return change


# statements


def _statements(tree: ast.Module) -> Iterator[tuple[Place, int, ast.stmt]]:
    """The statements of functions, with the block that contains each."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            for attribute in ("body", "orelse", "finalbody"):
                block = getattr(node, attribute, None)
                if isinstance(block, list) and not isinstance(node, ast.ClassDef | ast.Lambda):
                    for index, statement in enumerate(block):
                        yield (node, attribute), index, statement


def _is_effect(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    if isinstance(statement, ast.Assign):
        return isinstance(statement.targets[0], ast.Subscript)
    return isinstance(statement, ast.AugAssign)


def _has_call(statement: ast.stmt) -> bool:
    """Whether a statement is a call, or the assignment of its result."""
    value = getattr(statement, "value", None)
    return isinstance(statement, ast.Expr | ast.Assign) and isinstance(value, ast.Call)
