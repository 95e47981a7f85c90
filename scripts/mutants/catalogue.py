"""The mutants of a module: those of cosmic-ray's operators, and of our own."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from . import own_operators
from .own_operators import own_mutants
from .targets import source_of

_COMPARISONS = {
    "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt",
    "GtE_Lt", "Is_IsNot", "IsNot_Is",
}  # fmt: skip
_BINARY = {"Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Mod_Mul", "FloorDiv_Mul", "Pow_Mul"}
_UNARY = {"USub_UAdd", "Delete_Not"}
_OTHER = {
    "AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ReplaceFalseWithTrue", "ReplaceOrWithAnd", "ReplaceTrueWithFalse",
    "ZeroIterationForLoop",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of a module.

    Attributes:
        module: The module's path below the package.
        operator: What was changed.
        line: The line of the change.
        text: That line, without indentation.
        source: The source of the changed module.

    """

    module: str
    operator: str
    line: int
    text: str
    source: str

    @property
    def name(self) -> str:
        """The name by which the module is imported."""
        return f"sageloop_runtime.{self.module.removesuffix('.py').replace('/', '.')}"

    @property
    def key(self) -> str:
        """The same for the same change of the same source."""
        return hashlib.sha256(f"{self.module}\n{self.source}".encode()).hexdigest()[:16]


def mutants_of(module: str, cache: Path) -> list[Mutant]:
    """The mutants of a module, each once, in the order of their lines.

    Args:
        module: The module's path below the package.
        cache: Folder that keeps them until the module or the operators change.

    """
    sources = [source_of(module), Path(__file__), Path(own_operators.__file__)]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    file = cache / f"{module.replace('/', '-')}-{digest}.json"
    if not file.exists():
        file.write_text(json.dumps([asdict(mutant) for mutant in _mutants(module)]))
    return [Mutant(**members) for members in json.loads(file.read_text())]


def _mutants(module: str) -> list[Mutant]:
    path = source_of(module)
    distinct: dict[str, Mutant] = {}
    for mutant in (*_of_cosmic_ray(module, path), *_of_ours(module, path)):
        distinct.setdefault(_normal(mutant.source), mutant)
    return sorted(distinct.values(), key=lambda mutant: (mutant.line, mutant.operator))


def mutants_at(module: str, operator: str, text: str) -> list[Mutant]:
    """The mutants of one operator on the lines with a text, in the order of their places.

    Args:
        module: The module's path below the package.
        operator: The operator's name.
        text: A line of the module, without indentation.

    """
    path = source_of(module)
    mutants = [*_of_cosmic_ray(module, path, operator=operator, text=text)]
    if not mutants:
        mutants = [each for each in _of_ours(module, path) if each.operator == operator]
    return [each for each in mutants if each.text == text]


def _of_cosmic_ray(
    module: str, path: Path, *, operator: str | None = None, text: str | None = None
) -> Iterator[Mutant]:
    """The mutants of cosmic-ray's operators: of all, or of one on the lines with a text."""
    source = path.read_text()
    lines, excluded = source.splitlines(), _excluded_lines(source)
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(operator_names()):
        short = name.partition("/")[2]
        if not _is_used(short) or operator not in {None, short}:
            continue
        change = get_operator(name)()
        positions = [
            position for node in nodes
            for position in change.mutation_positions(node)
        ]  # fmt: skip
        for occurrence, ((line, _), _) in enumerate(positions):
            own = lines[line - 1].strip()
            # The star before keyword-only parameters is no multiplication.
            if line in excluded or own == "*," or text not in {None, own}:
                continue
            mutated = mutate_code(source, change, occurrence)
            if mutated is not None and _compiles(mutated):
                yield Mutant(module=module, operator=short, line=line, text=own, source=mutated)


def _of_ours(module: str, path: Path) -> Iterator[Mutant]:
    source = path.read_text()
    lines, excluded = source.splitlines(), _excluded_lines(source)
    for operator, line, tree in own_mutants(source):
        if line not in excluded:
            yield Mutant(module=module, operator=operator, line=line,
                         text=lines[line - 1].strip(), source=ast.unparse(tree))  # fmt: skip


def _is_used(name: str) -> bool:
    """Whether an operator of cosmic-ray is used: of comparisons the nearest others only."""
    for prefix, kept in (
        ("ReplaceComparisonOperator_", _COMPARISONS), ("ReplaceBinaryOperator_", _BINARY),
        ("ReplaceUnaryOperator_", _UNARY),
    ):  # fmt: skip
        if name.startswith(prefix):
            return name.removeprefix(prefix) in kept
    return name in _OTHER


def _excluded_lines(source: str) -> set[int]:
    """Lines of log calls, imports, annotations, types and the decorators of classes."""
    excluded: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "log") or isinstance(
            node, ast.Import | ast.ImportFrom
        ):
            excluded |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            note = node.annotation
            if getattr(node, "value", None) is None:
                excluded |= set(range(note.lineno, (note.end_lineno or note.lineno) + 1))
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            excluded.add(node.returns.lineno)
        if isinstance(node, ast.ClassDef):
            # What a dataclass refuses is no behaviour of the functions.
            excluded |= {decorator.lineno for decorator in node.decorator_list}
        if isinstance(node, ast.For) and all(map(_is_log, node.body)):
            excluded.add(node.lineno)
        if isinstance(node, ast.Assign) and _is_type(node.value):
            excluded |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return excluded


def _is_type(value: ast.expr) -> bool:
    """Whether a value is a type with arguments, such as ``Callable[[str], None]``."""
    return isinstance(value, ast.Subscript) and getattr(value.value, "id", "") in {
        "Callable", "Mapping", "Sequence", "dict", "list", "tuple",
    }  # fmt: skip


def _is_log(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "log"


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _normal(source: str) -> str:
    """The source without its form, so that equal changes of two operators are one mutant."""
    return ast.unparse(ast.parse(source))
