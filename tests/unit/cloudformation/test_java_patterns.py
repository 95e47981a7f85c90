r"""Expressions of Java: the differences to those of Python, each with a text that shows it."""

from __future__ import annotations

import pytest

from sageloop.local_cloud.cloudformation.java_patterns import translated
from sageloop.local_cloud.core.user_patterns import compiled, matches_whole


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"\p{L}+", "Grün", "1"),
        (r"\pL", "x", "1"),
        (r"\P{L}", "1", "x"),
        (r"\p{Lu}", "A", "a"),
        (r"\p{Alnum}+", "a1", "ä"),
        (r"\p{Punct}", "~", "a"),
        (r"\P{Alpha}", "1", "a"),
        (r"[^\p{Punct}]+", "ab", "a!"),
        (r"\p{IsLatin}+", "abc", "ω"),
        (r"\p{InGreek}", "ω", "a"),
        (r"\p{javaLetterOrDigit}+", "aä1", "-"),
        (r"\d+", "12", "٣"),
        (r"\w+", "a_1", "ä"),
        (r"\s", "\t", "\xa0"),
        (r"\h", "\xa0", "\n"),
        (r"\R", "\r\n", "a"),
        (r".", "a", "\n"),
        (r".", "a", "\x85"),
        (r"(?s).", "\n", ""),
        (r"(?i)abc", "ABC", "abd"),
        (r"[a-z&&[^aeiou]]+", "xyz", "a"),
        (r"[a-c[x-z]]+", "az", "m"),
        (r"[[:alpha:]]+", "alph:", "z"),
        (r"[]a]+", "]a", "b"),
        (r"[\w-.]+", "a-.", "!"),
        (r"[\[\]\\^-]+", "[]\\^-", "a"),
        (r"[--a]", "a", "b"),
        (r"[a|~-]+", "a~-|", "b"),
        (r"\[a\]", "[a]", "a"),
        (r"\Qa.b\E.", "a.bx", "axbx"),
        (r"a}", "a}", "a"),
        (r"a*+b", "aab", "aaa"),
        (r"(?>a|ab)c", "ac", "abc"),
        (r"(?<y>\d)-\k<y>", "1-1", "1-2"),
        (r"(a)\1", "aa", "ab"),
        (r"\x41\u0042\x{43}\0104\t", "ABCD\t", "ABCD"),
        (r"\Aa\z", "a", "b"),
        (r"a||b", "", "c"),
    ],
)
def test_pattern_matches_as_in_java(pattern: str, matching: str, other: str) -> None:
    assert matches_whole(translated(pattern), matching)
    assert not matches_whole(translated(pattern), other) or other == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "(?P<a>x)", "(?<1a>x)", "(", "^abc|def)$", "a**", "*a", "[a", "a{x}", "a{2", "{2}", r"\y",
        r"\p{Nope}", r"\p{IsNope}", r"\p{L", "[z-a]", r"[a-\d]", "(?U)a", "\\",
    ],
)  # fmt: skip
def test_pattern_that_java_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"not a regular expression|character property"):
        compiled(translated(pattern))
