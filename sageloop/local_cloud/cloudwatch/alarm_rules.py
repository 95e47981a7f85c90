"""The AlarmRule language of composite alarms: alarm states joined by AND, OR and NOT.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sageloop.local_cloud.core.errors import AwsError

MAX_LENGTH = 10_240
MAX_CHILDREN = 100
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*
            (?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^\s"'()]+))\s*\)
      | (?P<word>AND|OR|NOT|TRUE|FALSE)(?![A-Za-z0-9_])
      | (?P<sign>[()])
    )""",
    re.VERBOSE | re.IGNORECASE,
)

# The state of an alarm by its name, or None if it does not exist.
StateOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class InState:
    """``ALARM("name")``, ``OK("name")`` or ``INSUFFICIENT_DATA("name")``."""

    state: str
    alarm: str

    def holds(self, state_of: StateOf) -> bool:
        """Whether the alarm is in the state."""
        return state_of(self.alarm) == self.state


@dataclass(frozen=True, slots=True)
class Constant:
    """``TRUE`` or ``FALSE``."""

    value: bool

    def holds(self, state_of: StateOf) -> bool:
        """The constant."""
        return self.value


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of a rule."""

    of: Rule

    def holds(self, state_of: StateOf) -> bool:
        """Whether the rule does not hold."""
        return not self.of.holds(state_of)


@dataclass(frozen=True, slots=True)
class Both:
    """``AND``."""

    left: Rule
    right: Rule

    def holds(self, state_of: StateOf) -> bool:
        """Whether both rules hold."""
        return self.left.holds(state_of) and self.right.holds(state_of)


@dataclass(frozen=True, slots=True)
class Either:
    """``OR``."""

    left: Rule
    right: Rule

    def holds(self, state_of: StateOf) -> bool:
        """Whether one of two rules holds."""
        return self.left.holds(state_of) or self.right.holds(state_of)


Rule = InState | Constant | Not | Both | Either


def parse(text: str) -> Rule:
    """Parse an AlarmRule.

    Raises ``ValidationError`` for a syntax error or for too many alarms.
    """
    if not 1 <= len(text) <= MAX_LENGTH:
        raise invalid(f"AlarmRule has 1 to {MAX_LENGTH} characters, got {len(text)}")
    rule = _Parser(text).whole()
    named = children(rule)
    if len(named) > MAX_CHILDREN:
        raise invalid(f"AlarmRule names at most {MAX_CHILDREN} alarms, got {len(named)}")
    return rule


def children(rule: Rule) -> frozenset[str]:
    """The names of the alarms in a rule."""
    if isinstance(rule, InState):
        return frozenset((rule.alarm,))
    if isinstance(rule, Not):
        return children(rule.of)
    if isinstance(rule, Constant):
        return frozenset()
    return children(rule.left) | children(rule.right)


def name_of(name_or_arn: str) -> str:
    """The name of an alarm from its name or ARN."""
    return name_or_arn.split(":", 6)[6] if name_or_arn.startswith("arn:") else name_or_arn


def invalid(what: str) -> AwsError:
    """The error for an invalid composite alarm."""
    return AwsError("ValidationError", what)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, InState | None, int]] = []
        self._at = 0
        self._split()

    def whole(self) -> Rule:
        rule = self._either()
        if self._peek() != "end":
            raise self._unexpected("AND, OR or the end")
        return rule

    def _either(self) -> Rule:
        rule = self._both()
        while self._peek() == "OR":
            self._at += 1
            rule = Either(rule, self._both())
        return rule

    def _both(self) -> Rule:
        rule = self._single()
        while self._peek() == "AND":
            self._at += 1
            rule = Both(rule, self._single())
        return rule

    def _single(self) -> Rule:
        kind, state, _ = self._tokens[self._at]
        if kind in ("end", "AND", "OR", ")"):
            raise self._unexpected("ALARM(...), OK(...), INSUFFICIENT_DATA(...), TRUE, FALSE, NOT")
        self._at += 1
        if state is not None:
            return state
        if kind == "NOT":
            return Not(self._single())
        if kind == "(":
            rule = self._either()
            if self._peek() != ")":
                raise self._unexpected("')'")
            self._at += 1
            return rule
        return Constant(kind == "TRUE")

    def _peek(self) -> str:
        return self._tokens[self._at][0]

    def _unexpected(self, expected: str) -> AwsError:
        kind, state, place = self._tokens[self._at]
        token = "the end" if kind == "end" else (state.state if state else kind)
        return self._refusal(f"{token} at character {place + 1} where {expected} is expected")

    def _refusal(self, why: str) -> AwsError:
        return invalid(f"AlarmRule cannot be read: {why}: {self._text}")

    def _split(self) -> None:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                rest = self._text[at:].lstrip()
                raise self._refusal(f"'{rest[:20]}' at character {len(self._text) - len(rest) + 1}")
            word = match["state"] or match["word"] or match["sign"]
            state = None
            if match["state"]:
                alarm = match["double"] or match["single"] or match["bare"]
                state = InState(word.upper(), name_of(alarm))
            self._tokens.append((word.upper(), state, match.end() - len(match[0].lstrip())))
            at = match.end()
        self._tokens.append(("end", None, end))
