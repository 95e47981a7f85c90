"""Names and texts use the field's terms: see ``banned_words.toml``."""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST: dict[str, Any] = tomllib.loads((Path(__file__).parent / "banned_words.toml").read_text())
SCOPES = ("names", "texts")
# Packages of this repository; names imported from other packages are not checked.
OWN = ("benchmarks", "constructs_lib", "sageloop", "sageloop_runtime", "scripts", "stacks", "tests")


@dataclass(frozen=True, kw_only=True)
class Banned:
    """One form of a banned word."""

    form: str
    term: str
    scopes: tuple[str, ...]
    allowed: tuple[str, ...]
    not_in: tuple[str, ...]

    def holds_in(self, folder: str) -> bool:
        """Whether the word is banned in a folder of the list."""
        return not any(folder.startswith(prefix) for prefix in self.not_in)

    def is_in(self, text: str) -> bool:
        """Whether a text of lower-case words separated by spaces has the form."""
        if self.form not in text:
            return False
        for phrase in self.allowed:
            text = text.replace(phrase, "")
        return re.search(rf"\b{re.escape(self.form)}\b", text) is not None


@cache
def banned() -> tuple[Banned, ...]:
    return tuple(
        Banned(
            form=form,
            term=entry["term"],
            scopes=tuple(entry.get("scope", SCOPES)),
            allowed=tuple(entry.get("except", ())),
            not_in=tuple(entry.get("not_in", ())),
        )
        for entry in LIST["words"]
        for form in (entry["word"], *entry.get("forms", ()))
    )


@cache
def any_form() -> re.Pattern[str]:
    """What finds the form of any banned word; most texts have none, and are read no further."""
    return re.compile(rf"\b(?:{'|'.join(re.escape(each.form) for each in banned())})\b")


@cache
def words_of(name: str) -> str:
    """The words of an identifier: ``HoldOut`` and ``hold_out`` give ``hold out``."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.replace("_", " "))
    return " ".join(separated.lower().split())


def foreign_names(tree: ast.AST) -> set[str]:
    """Built-in names, and names that a module imports from other packages."""
    return set(dir(builtins)) | {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 0
        if (node.module or "").split(".")[0] not in OWN
        for alias in node.names
        if alias.asname is None
    }


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a module chooses itself, with its line."""
    foreign = foreign_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and node.id not in foreign:
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg is not None:
            yield node.value.lineno, node.arg


def texts_in(source: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string constant and comment of a module with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    # Comments are among these; the tokenizer, which knows which, takes a third of the test.
    if not any(any_form().search(words_in(text)) for text in re.findall(r"#.*", source)):
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def words_in(text: str) -> str:
    """The lower-case words of a text; identifiers in it are separated like names."""
    return " ".join(re.findall(r"[a-z0-9]+", words_of(text)))


def violations(
    source: str, module: str = "module", folder: str = "", *, scopes: tuple[str, ...] = SCOPES
) -> list[str]:
    """The banned words in a module of a folder and in its name, one message each."""
    messages = set()
    tree = ast.parse(source)
    names = [(0, module), *names_in(tree)]
    for scope, items in (("name", names), ("text", texts_in(source, tree))):
        if f"{scope}s" not in scopes:
            continue
        for line, text in items:
            words = words_of(text) if scope == "name" else words_in(text)
            if not any_form().search(words):
                continue
            messages |= {
                f"line {line}: {scope} {text[:60]!r} has {each.form!r}: use {each.term}"
                for each in banned()
                if f"{scope}s" in each.scopes and each.holds_in(folder) and each.is_in(words)
            }
    return sorted(messages)


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parent.as_posix()


def modules(folder: str) -> list[Path]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    exempt = {ROOT / name for name in LIST["exempt"]}
    return [path for path in paths if path not in exempt and "__pycache__" not in path.parts]


@pytest.mark.parametrize("folder", LIST["folders"])
def test_names_and_texts_have_no_banned_word(folder: str) -> None:
    paths = modules(folder)
    assert paths, f"{folder} has no modules"
    assert [
        f"{path.relative_to(ROOT)}: {message}"
        for path in paths
        for message in violations(path.read_text(), path.stem, folder_of(path))
    ] == []


@pytest.mark.parametrize("folder", LIST["text_folders"])
def test_texts_have_no_banned_word(folder: str) -> None:
    paths = modules(folder)
    assert paths, f"{folder} has no modules"
    assert [
        f"{path.relative_to(ROOT)}: {message}"
        for path in paths
        for message in violations(path.read_text(), path.stem, folder_of(path), scopes=("texts",))
    ] == []


def test_folders_are_named_in_the_field_s_terms() -> None:
    forms = [each for each in banned() if "names" in each.scopes]
    folders = {path.parent.name for folder in LIST["folders"] for path in modules(folder)}
    assert [name for name in folders for each in forms if each.is_in(words_of(name))] == []


def test_exempt_files_exist_and_need_the_exemption() -> None:
    for name in LIST["exempt"]:
        assert violations((ROOT / name).read_text()), f"{name} has no banned word"


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("def ask_model() -> None: ...", "ask"),
        ("class CostSwitch: ...", "cost switch"),
        ("def f(*, wanted: int) -> None: ...", "wanted"),
        ("x = f(told=1)", "told"),
        ("seen = 1", "seen"),
        ('x = "started by hand"', "by hand"),
        ('x = f"{y} is asked"', "asked"),
        ("x = 1  # nobody reads it", "nobody"),
        ('x = "HAND_ID: the truth"', "truth"),
        ("self.told = 1", "told"),
    ],
)
def test_banned_word_is_reported(source: str, form: str) -> None:
    assert [message for message in violations(source) if f"has {form!r}:" in message]


@pytest.mark.parametrize(
    "source",
    [
        'x = "ground truth"', "ground_truth = 1", 'x = "not found"', "expected = 1",
        "not_found = FileNotFoundError", "from hypothesis import given\n@given()\ndef f(): ...",
    ],
)  # fmt: skip
def test_right_word_is_not_reported(source: str) -> None:
    assert violations(source) == []


def test_scope_limits_what_is_checked() -> None:
    source = "told = 1  # nobody reads it"

    messages = violations(source, scopes=("texts",))

    assert len(messages) == 1
    assert "nobody" in messages[0]


def test_word_is_allowed_in_the_folders_of_its_entry() -> None:
    source = 'x = "one page"'

    assert violations(source, folder="lambda")
    assert violations(source, folder="sageloop/local_cloud/core") == []
