"""Metric definitions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .._private.checks import Checks, known

_DEFINITIONS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    r"""A metric that SageMaker extracts from the container's log.

    Attributes:
        name: Name of the metric, 255 characters at most.
        regex: Pattern whose first group is the value, 500 characters at most.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html

    Example:
        >>> MetricDefinition(name="validation:accuracy", regex=r"accuracy=([0-9.]+)")

    """

    name: str
    regex: str

    def check(self, check: Checks) -> None:
        """Refuse definitions that SageMaker does not accept, and patterns without a group."""
        check.matches("metric_definitions: name", self.name, r".+", 255)
        check.matches("metric_definitions: regex", self.regex, r"[\s\S]+", 500)
        if not isinstance(self.regex, str) or not known(self.regex):
            return
        try:
            groups = re.compile(self.regex).groups
        except re.error as error:
            message = (
                f"metric {self.name}: regex {self.regex!r} is not a regular expression: {error}"
            )
            check.refuse("PatternNotAllowed", message)
        else:
            if groups == 0:
                message = f"metric {self.name}: regex {self.regex!r} needs a group for the value"
                check.refuse("PatternNotAllowed", message)

    def rendered(self) -> dict[str, str]:
        """The definition for the request."""
        return {"Name": self.name, "Regex": self.regex}


def check_definitions(check: Checks, definitions: Sequence[MetricDefinition]) -> None:
    """Refuse too many definitions, and duplicate names."""
    if len(definitions) > _DEFINITIONS:
        message = f"metric_definitions may be {_DEFINITIONS}, got {len(definitions)}"
        check.refuse("ValueOutOfRange", message)
    names = [each.name for each in definitions]
    for name in sorted({name for name in names if known(name) and names.count(name) > 1}):
        check.refuse("NameNotUnique", f"metric_definitions has {name} twice")
    for each in definitions:
        each.check(check)
