"""The kinds of policy documents: the rules of each service, and its error messages.

Limits are AWS's published quotas. The messages come from published error reports; a finding
without a known report has the general message of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sageloop.local_cloud.access.policy.validation.findings import Problem

_KIB = 1024


class PolicyFor(Enum):
    """What a policy is attached to."""

    USER = "user"
    GROUP = "group"
    ROLE = "role"
    MANAGED = "managed policy"
    SESSION = "session"
    TRUST = "role trust"
    BUCKET = "bucket"
    KEY = "key"
    TOPIC = "topic"
    QUEUE = "queue"
    SECRET = "secret"  # noqa: S105 - a kind of resource
    REPOSITORY = "repository"
    ENDPOINT = "VPC endpoint"
    EVENT_BUS = "event bus"
    MODEL_PACKAGE_GROUP = "model package group"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind:
    """The rules of a service for a policy document.

    Args:
        code: code of the error.
        general: message for findings without a message of their own.
        messages: messages by finding, with ``{value}`` and ``{where}``.
        codes: codes for findings with another code.
        limit: most bytes.
        whitespace_counts: whether white space outside of texts counts towards the limit.
        identity: whether it is attached to a principal: it has resources and no principals.
        needs_resource: whether each statement must have a ``Resource``.
        forbids_resource: whether no statement may have one.
        services: the only services whose actions it may name; empty for any.
        only_actions: the only actions it may name, in lower case; empty for any. A pattern may
            match no other.
        checks_actions: whether unknown actions and condition keys are refused.
        checks_principals: whether principals of the own partition must exist.
        most_actions: most actions in one statement; 0 for any number.
        most_statements: most statements; 0 for any number.

    """

    code: str
    general: str
    messages: Mapping[Problem, str] = field(default_factory=dict)
    codes: Mapping[Problem, str] = field(default_factory=dict)
    limit: int
    whitespace_counts: bool = True
    identity: bool = False
    needs_resource: bool = True
    forbids_resource: bool = False
    services: frozenset[str] = frozenset()
    only_actions: frozenset[str] = frozenset()
    checks_actions: bool = False
    checks_principals: bool = False
    most_actions: int = 0
    most_statements: int = 0


_IAM_MESSAGES = {
    Problem.VERSION: "Policy document must be version 2012-10-17 or greater.",
    Problem.PRINCIPAL_NOT_ALLOWED: "Policy document should not specify a principal.",
    Problem.RESOURCE_INVALID: 'Resource {value} must be in ARN format or "*".',
    Problem.ACTION_WITHOUT_SERVICE: (
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    ),
    Problem.ACTION_COLONS: "Actions/Condition can contain only one colon.",
    Problem.ACTION_SERVICE_INVALID: "Vendor {value} is not valid",
    Problem.SID_FORM: (
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular "
        "expression [0-9A-Za-z]*"
    ),
    Problem.SID_TWICE: "Statement IDs (SID) in a single policy must be unique.",
}
_IAM_MISSING = {
    "Action": "Policy statement must contain actions.",
    "Resource": "Policy statement must contain resources.",
}


def missing_in_iam(element: str) -> str | None:
    """IAM's own message for a missing element, if it has one."""
    return _IAM_MISSING.get(element)


def _iam(limit: int, too_large: str) -> DocumentKind:
    return DocumentKind(
        code="MalformedPolicyDocument",
        general="Syntax errors in policy.",
        messages={**_IAM_MESSAGES, Problem.TOO_LARGE: too_large},
        codes={Problem.TOO_LARGE: "LimitExceeded"},
        limit=limit,
        whitespace_counts=False,
        identity=True,
    )


def _inline(limit: int, kind: str) -> DocumentKind:
    return _iam(limit, f"Maximum policy size of {limit} bytes exceeded for {kind} {{value}}")


_TRUST = DocumentKind(
    code="MalformedPolicyDocument",
    general="Syntax errors in policy.",
    messages={
        **_IAM_MESSAGES,
        Problem.TOO_LARGE: "Cannot exceed quota for ACLSizePerRole: 2048",
        Problem.MISSING_ELEMENT: "Missing required field {value}",
        Problem.PRINCIPAL_INVALID: "Invalid principal in policy: {value}",
        Problem.RESOURCE_NOT_ALLOWED: "Has prohibited field Resource",
        Problem.ACTION_OF_ANOTHER_SERVICE: (
            "AssumeRole policy may only specify STS AssumeRole actions."
        ),
    },
    codes={Problem.TOO_LARGE: "LimitExceeded"},
    limit=2 * _KIB,
    whitespace_counts=False,
    needs_resource=False,
    forbids_resource=True,
    services=frozenset({"sts"}),
    only_actions=frozenset(
        {
            "sts:assumerole",
            "sts:assumerolewithsaml",
            "sts:assumerolewithwebidentity",
            "sts:tagsession",
            "sts:setsourceidentity",
            "sts:setcontext",
        }
    ),
    checks_principals=True,
)
_BUCKET = DocumentKind(
    code="MalformedPolicy",
    general="Invalid policy syntax.",
    messages={
        Problem.NOT_JSON: "This policy contains invalid Json",
        Problem.TOO_LARGE: "Policy exceeds the maximum allowed document size.",
        Problem.MISSING_ELEMENT: "Missing required field {value}",
        Problem.UNKNOWN_ELEMENT: "Unknown field {value}",
        Problem.EFFECT: "Invalid effect: {value}",
        Problem.PRINCIPAL_INVALID: "Invalid principal in policy",
        Problem.RESOURCE_INVALID: "Policy has invalid resource",
        Problem.ACTION_WITHOUT_SERVICE: "Policy has invalid action",
        Problem.ACTION_COLONS: "Policy has invalid action",
        Problem.ACTION_SERVICE_INVALID: "Policy has invalid action",
        Problem.ACTION_UNKNOWN: "Policy has invalid action",
        Problem.ACTION_OF_ANOTHER_SERVICE: "Policy has invalid action",
        Problem.ACTION_NOT_ON_RESOURCE: "Action does not apply to any resource(s) in statement",
        Problem.CONDITION_OPERATOR: "Invalid Condition type : {value}",
        Problem.CONDITION_KEY: "Policy has an invalid condition key",
        Problem.CONDITION_NOT_APPLICABLE: (
            "Conditions do not apply to combination of actions and resources in statement"
        ),
    },
    limit=20 * _KIB,
    services=frozenset({"s3"}),
    checks_actions=True,
    checks_principals=True,
)
_KEY = DocumentKind(
    code="MalformedPolicyDocumentException",
    general="Syntax errors in policy.",
    messages={
        Problem.PRINCIPAL_INVALID: (
            "Policy contains a statement with one or more invalid principals."
        ),
    },
    codes={Problem.TOO_LARGE: "LimitExceededException"},
    limit=32 * _KIB,
    checks_principals=True,
)
_TOPIC = DocumentKind(
    code="InvalidParameter",
    general="Invalid parameter: Policy Error: null",
    messages={
        Problem.ACTION_OF_ANOTHER_SERVICE: (
            "Invalid parameter: Policy statement action out of service scope!"
        ),
        Problem.ACTION_UNKNOWN: "Invalid parameter: Policy statement action out of service scope!",
        Problem.PRINCIPAL_INVALID: "Invalid parameter: Policy Error: PrincipalNotFound",
    },
    limit=30 * _KIB,
    services=frozenset({"sns"}),
    only_actions=frozenset(
        {
            "sns:addpermission",
            "sns:deletetopic",
            "sns:getdataprotectionpolicy",
            "sns:gettopicattributes",
            "sns:listsubscriptionsbytopic",
            "sns:listtagsforresource",
            "sns:publish",
            "sns:putdataprotectionpolicy",
            "sns:removepermission",
            "sns:settopicattributes",
            "sns:subscribe",
        }
    ),
    checks_actions=True,
    checks_principals=True,
)
_QUEUE = DocumentKind(
    code="InvalidAttributeValue",
    general="Invalid value for the parameter Policy.",
    messages={
        Problem.TOO_MANY_ACTIONS: (
            "{value} actions were found in a statement from the submitted policy, max allowed is 7"
        ),
        Problem.TOO_MANY_STATEMENTS: (
            "{value} statements were found in the submitted policy, max allowed is 20"
        ),
    },
    codes={Problem.TOO_MANY_ACTIONS: "OverLimit", Problem.TOO_MANY_STATEMENTS: "OverLimit"},
    limit=8 * _KIB,
    services=frozenset({"sqs"}),
    checks_actions=True,
    checks_principals=True,
    most_actions=7,
    most_statements=20,
    needs_resource=False,
)
_SECRET = DocumentKind(
    code="MalformedPolicyDocumentException",
    general="This resource policy contains a syntax error.",
    messages={
        Problem.PRINCIPAL_INVALID: "This resource policy contains an unsupported principal.",
    },
    limit=20 * _KIB,
    checks_principals=True,
)
_REPOSITORY = DocumentKind(
    code="InvalidParameterException",
    general=(
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: "
        "'Invalid repository policy provided'"
    ),
    limit=10 * _KIB,
    services=frozenset({"ecr"}),
    checks_principals=True,
    needs_resource=False,
    forbids_resource=True,
)
_ENDPOINT = DocumentKind(
    code="InvalidPolicyDocument",
    general="The Policy is invalid.",
    limit=20 * _KIB,
)
# No error report about policies of buses and model package groups is known: the words are ours.
_EVENT_BUS = DocumentKind(
    code="ValidationException",
    general="The policy is invalid.",
    codes={Problem.TOO_LARGE: "PolicyLengthExceededException"},
    limit=10 * _KIB,
    services=frozenset({"events"}),
)
_MODEL_PACKAGE_GROUP = DocumentKind(
    code="ValidationException",
    general="The resource policy is invalid.",
    limit=20 * _KIB,
    services=frozenset({"sagemaker"}),
    checks_principals=True,
)

KINDS: Mapping[PolicyFor, DocumentKind] = {
    PolicyFor.USER: _inline(2048, "user"),
    PolicyFor.GROUP: _inline(5120, "group"),
    PolicyFor.ROLE: _inline(10240, "role"),
    PolicyFor.MANAGED: _iam(6144, "Cannot exceed quota for PolicySize: 6144"),
    PolicyFor.SESSION: _iam(2048, "Packed policy consumes more than 100% of allotted space"),
    PolicyFor.TRUST: _TRUST,
    PolicyFor.BUCKET: _BUCKET,
    PolicyFor.KEY: _KEY,
    PolicyFor.TOPIC: _TOPIC,
    PolicyFor.QUEUE: _QUEUE,
    PolicyFor.SECRET: _SECRET,
    PolicyFor.REPOSITORY: _REPOSITORY,
    PolicyFor.ENDPOINT: _ENDPOINT,
    PolicyFor.EVENT_BUS: _EVENT_BUS,
    PolicyFor.MODEL_PACKAGE_GROUP: _MODEL_PACKAGE_GROUP,
}
"""The rules for a policy document, by what it is attached to."""


def document_kind(attached_to: PolicyFor) -> DocumentKind:
    """The rules for a policy document, by what it is attached to."""
    return KINDS[attached_to]
