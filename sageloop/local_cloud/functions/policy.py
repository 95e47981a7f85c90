"""Resource policies of functions."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Policy:
    """The statements attached to a function or to one version or alias of it."""

    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))

    def document(self) -> str:
        """The policy as JSON."""
        statements = list(self.statements.values())
        return json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def statement(members: Mapping[str, Any], *, resource: str) -> dict[str, Any]:
    """The statement that AddPermission's ``members`` define."""
    made: dict[str, Any] = {
        "Sid": members["StatementId"], "Effect": "Allow",
        "Principal": _principal(str(members["Principal"]), resource.split(":")[1]),
        "Action": members["Action"], "Resource": resource,
    }  # fmt: skip
    conditions: dict[str, dict[str, str]] = {}
    if members.get("SourceAccount"):
        conditions["StringEquals"] = {"AWS:SourceAccount": members["SourceAccount"]}
    if members.get("PrincipalOrgID"):
        conditions.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = members["PrincipalOrgID"]
    if members.get("SourceArn"):
        conditions["ArnLike"] = {"AWS:SourceArn": members["SourceArn"]}
    if conditions:
        made["Condition"] = conditions
    return made


def _principal(principal: str, partition: str) -> str | dict[str, str]:
    if principal == "*":
        return "*"
    if re.fullmatch(r"\d{12}", principal):
        return {"AWS": f"arn:{partition}:iam::{principal}:root"}
    return (
        {"Service": principal} if "." in principal and ":" not in principal else {"AWS": principal}
    )
