"""The mistakes that a policy document can have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Problem(Enum):
    """One kind of mistake; each service has a code and a message of its own for it."""

    NOT_JSON = auto()
    SYNTAX = auto()
    TOO_LARGE = auto()
    VERSION = auto()
    MISSING_ELEMENT = auto()
    UNKNOWN_ELEMENT = auto()
    EFFECT = auto()
    PRINCIPAL_NOT_ALLOWED = auto()
    PRINCIPAL_INVALID = auto()
    RESOURCE_NOT_ALLOWED = auto()
    RESOURCE_INVALID = auto()
    ACTION_WITHOUT_SERVICE = auto()
    ACTION_COLONS = auto()
    ACTION_SERVICE_INVALID = auto()
    ACTION_UNKNOWN = auto()
    ACTION_OF_ANOTHER_SERVICE = auto()
    ACTION_NOT_ON_RESOURCE = auto()
    CONDITION_OPERATOR = auto()
    CONDITION_KEY = auto()
    CONDITION_NOT_APPLICABLE = auto()
    SID_FORM = auto()
    SID_TWICE = auto()
    TOO_MANY_ACTIONS = auto()
    TOO_MANY_STATEMENTS = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake, its place in the document, and the value at that place."""

    problem: Problem
    where: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """The error of a service for a policy document: code, message, and the finding behind it."""

    code: str
    message: str
    finding: Finding
