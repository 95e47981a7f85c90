"""Permissions of the project's roles that the demo does not use, each with its reason.

``tests/security/rare_permissions.toml`` lists them by policy and action. Either a test takes the
path that uses them, or a page of AWS documents that a service requires them, which the local cloud
does not request.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.synthesis import ROOT

FILE = ROOT / "tests" / "security" / "rare_permissions.toml"
Permission = tuple[str, str]
"""Policy, as :func:`stable_policy` names it, and action."""

# What CloudFormation appends to names, and the end of logical ids.
_GENERATED = re.compile(r"-[0-9A-Z]{12}$")
_NAMED = re.compile(r"^(Endpoint|Job)\1[a-z0-9]+(?=[A-Z])")
_LOGICAL_HASH = re.compile(r"[0-9A-F]{1,8}$")
_ROLE_POLICY = "RolePolicy"


@dataclass(frozen=True, slots=True, kw_only=True)
class RarePermission:
    """Permissions with one reason.

    Attributes:
        permissions: Policies and actions.
        reason: Why they are needed.
        test: Id of the test that uses them under enforced access; None if only AWS does.
        page: The page of AWS's documentation that requires them; None if a test uses them.
        occasional: Whether the demo takes the path in some runs, as its schedules meet its jobs.

    """

    permissions: frozenset[Permission]
    reason: str
    test: str | None = None
    page: str | None = None
    occasional: bool = False


def rare_permissions() -> list[RarePermission]:
    """The rows of the list.

    Raises:
        ValueError: if a row has not exactly one of test and page.

    """
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["permission"]
    return [_row(row) for row in rows]


def _row(row: Mapping[str, Any]) -> RarePermission:
    if ("test" in row) == ("page" in row):
        raise ValueError(f"a row has either test or page, got {sorted(row)}: {row['reason']}")
    return RarePermission(
        permissions=frozenset((p, a) for p in row["policies"] for a in row["actions"]),
        reason=row["reason"], test=row.get("test"), page=row.get("page"),
        occasional=row.get("occasional", False),
    )  # fmt: skip


def stable_policy(name: str) -> str:
    """The name of a policy without what differs from deployment to deployment.

    The names of policies of functions are those of their constructs, without the name of the job or
    endpoint that the ids of custom resources have. Execution roles have equal
    construct ids in their stacks: the stack's id is in front of theirs.
    """
    short = _LOGICAL_HASH.sub("", _GENERATED.sub("", name.rpartition("/")[2]))
    stack, _, named = short.rpartition("-")
    construct = without_name(named)
    return stack.rpartition("-")[2] + construct if construct == _ROLE_POLICY else construct


def stable_role(arn: str) -> str:
    """The name of a role with its stack's part, without what differs from deployment to deployment.

    CloudFormation shortens the names of roles, so that it may end within the construct's name.
    """
    stack, _, named = _GENERATED.sub("", arn.rpartition("/")[2]).rpartition("-")
    return stack.rpartition("-")[2] + without_name(_LOGICAL_HASH.sub("", named))


def without_name(logical_id: str) -> str:
    """A logical id without the name of its job or endpoint."""
    return _NAMED.sub(r"\1", logical_id)


def used_permissions(decisions: Iterable[Mapping[str, Any]]) -> set[Permission]:
    """The permissions that allowed recorded requests of roles."""
    return {
        (stable_policy(decision["source"].rpartition(" ")[0]), decision["action"])
        for decision in decisions
        if decision["effect"] == "allowed" and ":role/" in decision["principal"]
    }
