"""The decision on a request, the statement behind it, and AWS's message for a denial."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.request import Request
from sageloop.local_cloud.access.policy.statements import Statement


class PolicyKind(Enum):
    """The kind of a policy, as AWS's messages call it."""

    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"
    ENDPOINT = "VPC endpoint policy"


class Effect(Enum):
    """The outcome; the values are those of ``SimulatePrincipalPolicy``."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on one request.

    Args:
        request: the request.
        effect: allowed, or denied by a statement, or denied because nothing allows it.
        kind: kind of policy that decided: the one that allows or denies, or the one that lacks
            an Allow; ``None`` for an account's root user, who needs none.
        policy: the policy whose statement decided; ``None`` for an implicit deny.
        statement: that statement.

    """

    request: Request
    effect: Effect
    kind: PolicyKind | None = None
    policy: Policy | None = None
    statement: Statement | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may be carried out."""
        return self.effect is Effect.ALLOWED

    @property
    def reason(self) -> str:
        """The end of AWS's message: why the request is denied; empty if it is allowed."""
        if self.allowed or self.kind is None:
            return ""
        if self.effect is Effect.IMPLICIT_DENY:
            return f"because no {self.kind.value} allows the {self.request.action} action"
        article = {
            PolicyKind.IDENTITY: "an", PolicyKind.TRUST: "the",
        }.get(self.kind, "a")  # fmt: skip
        return f"with an explicit deny in {article} {self.kind.value}"

    @property
    def message(self) -> str:
        """The message of an access denied error, in the form that most services use."""
        return self._worded(self.request.resource)

    @property
    def s3_message(self) -> str:
        """The message in the form of Amazon S3: the resource is in quotation marks."""
        return self._worded(f'"{self.request.resource}"')

    def _worded(self, resource: str) -> str:
        who = self.request.principal.arn or "anonymous"
        place = "" if self.request.resource == "*" else f" on resource: {resource}"
        return (
            f"User: {who} is not authorized to perform: {self.request.action}{place} {self.reason}"
        ).rstrip()

    @property
    def source(self) -> str:
        """The policy and statement that decided, for records; empty for an implicit deny."""
        if self.policy is None or self.statement is None:
            return ""
        return f"{self.policy.name or 'policy'} {self.statement.name}"
