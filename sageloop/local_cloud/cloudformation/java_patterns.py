r"""Regular expressions of ``java.util.regex.Pattern`` as ones of the ``regex`` package.

CloudFormation evaluates ``AllowedPattern`` in Java
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-regexes.html). What differs is
translated: POSIX classes are of ASCII (``\p{Alnum}``), so are ``\d``, ``\w`` and ``\s``; classes
are nested and intersected; ``\Q`` quotes; ``\h``, ``\R``, ``\z`` and ``\Z``. What Java refuses is
refused, for example Python's ``(?P<name>…)``, and so are flags that are not translated.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sageloop.local_cloud.cloudformation.java_classes import PREDEFINED, property_class

_GROUPS = ("?:", "?=", "?!", "?<=", "?<!", "?>")
_NAMED = re.compile(r"\?<([A-Za-z][A-Za-z0-9]*)>")
_FLAGS = re.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_TRANSLATED_FLAGS = frozenset("ims")
_REPETITION = re.compile(r"\{\d+(?:,\d*)?\}")
_LINE_END = r"(?:\r\n|[\n\r\x85\u2028\u2029])"
_ANCHORS = {
    "b": r"\b", "B": r"\B", "A": r"\A", "G": r"\G", "z": r"\Z", "Z": rf"(?={_LINE_END}?\Z)",
    "R": r"(?>\r\n|[\n\x0b\f\r\x85\u2028\u2029])", "X": r"\X",
}  # fmt: skip
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_CODES = (
    re.compile(r"x([0-9A-Fa-f]{2})"), re.compile(r"x\{([0-9A-Fa-f]{1,6})\}"),
    re.compile(r"u([0-9A-Fa-f]{4})"),
)  # fmt: skip
_OCTAL = re.compile(r"0([0-3][0-7]{2}|[0-7]{1,2})")


@lru_cache(maxsize=512)
def translated(pattern: str) -> str:
    """The expression of the ``regex`` package. Raises ``ValueError`` for what Java refuses."""
    return "(?V1)" + _Translation(pattern).run()


class _Translation:
    """One pass over a pattern; ``at`` is the index of the next character."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._all_lines = False

    def run(self) -> str:
        """The translation of the whole pattern."""
        parts = []
        while self._at < len(self._pattern):
            parts.append(self._element())
        return "".join(parts)

    def _element(self) -> str:
        character = self._take()
        if character == "\\":
            return self._escape()
        if character == "[":
            return self._class()
        if character == "(":
            return self._group()
        if character == "{":
            return self._repetition()
        if character == ".":
            return "." if self._all_lines else r"[^\n\r\x85\u2028\u2029]"
        return character if character in "*+?|)^$" else _literal(character)

    def _escape(self) -> str:
        if self._skip("Q"):
            return "".join(map(_literal, self._quoted()))
        if self._skip("k"):
            name = self._match(re.compile(r"<([A-Za-z][A-Za-z0-9]*)>"), r"\k needs <name>")
            return f"(?P={name[1]})"
        if self._peek() in _ANCHORS:
            return _ANCHORS[self._take()]
        if self._peek() in "123456789":
            return rf"(?:\{self._take()})"
        match = self._class_escape()
        return match if len(match) > 1 else _literal(match)

    def _class_escape(self) -> str:
        """After a backslash: a character, or a set in brackets."""
        if self._peek() in PREDEFINED:
            return PREDEFINED[self._take()]
        if self._peek() in "pP":
            return self._property()
        for form in _CODES:
            match = form.match(self._pattern, self._at)
            if match:
                self._at = match.end()
                return chr(int(match[1], 16))
        octal = _OCTAL.match(self._pattern, self._at)
        if octal:
            self._at = octal.end()
            return chr(int(octal[1], 8))
        if self._skip("c"):
            return chr(ord(self._take()) ^ 64)
        character = self._take()
        if character.isascii() and character.isalnum() and character not in _CONTROLS:
            raise self._error(f"illegal escape \\{character}")
        return _CONTROLS.get(character, character)

    def _property(self) -> str:
        negated = self._take() == "P"
        if self._skip("{"):
            end = self._pattern.find("}", self._at)
            if end < 0:
                raise self._error("unclosed character family")
            name, self._at = self._pattern[self._at : end], end + 1
        else:
            name = self._take()
        return property_class(name, negated=negated)

    def _quoted(self) -> str:
        end = self._pattern.find(r"\E", self._at)
        text = self._pattern[self._at : end] if end >= 0 else self._pattern[self._at :]
        self._at = len(self._pattern) if end < 0 else end + 2
        return text

    def _class(self) -> str:
        parts = ["[^" if self._skip("^") else "["]
        empty = True
        while self._at < len(self._pattern):
            if self._peek() == "]" and not empty:
                self._at += 1
                return "".join((*parts, "]"))
            parts.append(self._class_item())
            empty = False
        raise self._error("unclosed character class")

    def _class_item(self) -> str:
        if self._pattern.startswith("&&", self._at):
            self._at += 2
            return "&&"
        if self._skip("["):
            return self._class()
        first = self._class_character()
        if len(first) > 1:
            return first
        following = self._pattern[self._at + 1 : self._at + 2]
        if self._peek() != "-" or following in ("", "[", "]"):
            return _literal(first)
        self._at += 1
        last = self._class_character()
        if len(last) > 1 or last < first:
            raise self._error(f"illegal character range {first}-{last}")
        return f"{_literal(first)}-{_literal(last)}"

    def _class_character(self) -> str:
        character = self._take()
        if character != "\\":
            return character
        if self._skip("Q"):
            raise self._error(r"\Q in a character class is not supported by the local cloud")
        return self._class_escape()

    def _group(self) -> str:
        named = _NAMED.match(self._pattern, self._at)
        if named:
            self._at = named.end()
            return f"(?P<{named[1]}>"
        for kind in _GROUPS:
            if self._pattern.startswith(kind, self._at):
                self._at += len(kind)
                return f"({kind}"
        if self._peek() != "?":
            return "("
        flags = self._match(_FLAGS, "unknown group")
        used = set(flags[1] + (flags[2] or ""))
        if not used <= _TRANSLATED_FLAGS:
            raise self._error(f"the flags {''.join(sorted(used))} are not supported")
        self._all_lines = self._all_lines or "s" in flags[1]
        return f"({flags[0]}"

    def _repetition(self) -> str:
        self._at -= 1
        return self._match(_REPETITION, "illegal repetition")[0]

    def _match(self, form: re.Pattern[str], problem: str) -> re.Match[str]:
        match = form.match(self._pattern, self._at)
        if match is None:
            raise self._error(problem)
        self._at = match.end()
        return match

    def _peek(self) -> str:
        return self._pattern[self._at] if self._at < len(self._pattern) else "\0"

    def _take(self) -> str:
        if self._at >= len(self._pattern):
            raise self._error("the expression ends too early")
        self._at += 1
        return self._pattern[self._at - 1]

    def _skip(self, text: str) -> bool:
        match = self._pattern.startswith(text, self._at)
        self._at += len(text) * match
        return match

    def _error(self, problem: str) -> ValueError:
        return ValueError(
            f"{self._pattern!r} is not a regular expression: {problem} at index {self._at}"
        )


def _literal(character: str) -> str:
    if character.isalnum() or character == "_":
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 256 else re.escape(character)
