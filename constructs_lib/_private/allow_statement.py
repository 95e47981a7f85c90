"""Policy statements whose content is read without calls to CDK's process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam


@dataclass(frozen=True, kw_only=True)
class StatementContent:
    """What a statement allows: actions, resources, and conditions by operator."""

    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Any]


class AllowStatement(iam.PolicyStatement):
    """An Allow statement, which is not changed after its creation."""

    def __init__(
        self, *, actions: Sequence[str], resources: Sequence[str],
        conditions: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.known_content = StatementContent(
            actions=list(dict.fromkeys(actions)), resources=list(dict.fromkeys(resources)),
            conditions=dict(conditions or {}),
        )  # fmt: skip
        super().__init__(
            actions=list(actions), resources=list(resources),
            conditions=None if conditions is None else dict(conditions),
        )  # fmt: skip


def content_of(statement: iam.PolicyStatement) -> StatementContent:
    """The content of any statement."""
    if isinstance(statement, AllowStatement):
        return statement.known_content
    return StatementContent(
        actions=statement.actions, resources=statement.resources, conditions=statement.conditions
    )
