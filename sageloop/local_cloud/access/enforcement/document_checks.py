"""Refuses malformed policy documents before a call is carried out, as each service does.

AWS refuses them in every account, so these checks do not depend on the access mode.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.caller import USER_NAME
from sageloop.local_cloud.access.enforcement import moto_resources
from sageloop.local_cloud.access.enforcement.documents import parsed
from sageloop.local_cloud.access.enforcement.unevaluated import unevaluated
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy.validation import (
    PolicyFor,
    PolicyProblem,
    Problem,
    document_kind,
    validate,
)
from sageloop.local_cloud.access.policy.validation.check import size
from sageloop.local_cloud.access.public_access import blocks_policy
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.core.operations import Call

_ENTITY = re.compile(r"arn:([^:]+):iam::(\d{12}):(user|role)/(.+)")
_SERVICE_LINKED = "aws-service-role/"


@dataclass(frozen=True, slots=True)
class Document:
    """A policy document of a request.

    Arguments:
        attached_to: What the policy is for.
        text: The JSON text.
        name: Name of the user, group or role, for IAM's message about sizes.
        policy: Name of an inline policy.
        resource: ARN of the bucket, whose policy may name no other resource; empty for others.

    """

    attached_to: PolicyFor
    text: str
    name: str = ""
    policy: str = ""
    resource: str = ""


_Reader = Callable[["Call"], Document | None]


def document_of(call: Call) -> Document | None:
    """The policy document that a call stores, or ``None``."""
    reader = _READERS.get((call.service, call.operation))
    return None if reader is None else reader(call)


class DocumentChecks:
    """Validates the policy documents of calls.

    Args:
        iam: state of IAM, in which principals must exist.
        account_id: account of the cloud.
        allow: condition keys that a policy may use though they are not filled; ``None`` for all.

    """

    def __init__(
        self, iam: IamState, account_id: str, *, allow: frozenset[str] | None = None
    ) -> None:
        self._iam = iam
        self._account = account_id
        self._allow = allow

    def check(self, call: Call, document: Document) -> None:
        """Refuse a document that its service refuses. Raises ``AwsError``."""
        problems = validate(
            document.text, document.attached_to, name=document.name, resource=document.resource,
            principal_exists=self.principal_exists,
        )  # fmt: skip
        if problems:
            raise _error(problems[0])
        self._check_inline_size(document)
        self._check_keys(document)
        if document.attached_to is PolicyFor.BUCKET:
            self._check_public(call, document)

    def _check_keys(self, document: Document) -> None:
        """A policy may use no condition key that the local cloud does not fill."""
        if self._allow is None:
            return
        matches = unevaluated(json.loads(document.text), self._allow)
        if matches:
            policy = document.policy or document.name or document.resource
            what = f"policy of a {document.attached_to.value} {policy}".rstrip()
            raise AwsError("NotImplemented", matches[0].problem(what), 501)

    def _check_public(self, call: Call, document: Document) -> None:
        """A bucket may refuse public policies."""
        fields = document.resource.split(":")
        bucket = moto_resources.bucket(self._account, fields[1], fields[-1])
        if bucket is not None and blocks_policy(bucket, parsed(document.text, "")):
            raise AwsError(
                "AccessDenied",
                f"User: {call.caller.arn} is not authorized to perform: s3:PutBucketPolicy on "
                f'resource: "{document.resource}" because public policies are blocked by the '
                "BlockPublicPolicy block public access setting.", 403,
            )  # fmt: skip

    def principal_exists(self, name: str) -> bool:
        """Whether the user or role with an ARN or unique id exists.

        Principals of other accounts count as existing, and so do service-linked roles, which
        services create.
        """
        match = _ENTITY.fullmatch(name)
        if match is None:
            return name.startswith("arn:") or self._has_id(name)
        _, account, kind, path = match.groups()
        if account != self._account or path.startswith(_SERVICE_LINKED):
            return True
        if kind == "user":
            return path == USER_NAME or self._iam.iam_user(name) is not None
        role = self._iam.iam_role(name)
        return role is not None and str(role.arn) == name

    def _has_id(self, unique_id: str) -> bool:
        iam = self._iam.iam()
        return unique_id in iam.roles or any(str(u.id) == unique_id for u in iam.users.values())

    def _check_inline_size(self, document: Document) -> None:
        """The inline policies of one user, group or role share one quota."""
        others = self._inline_of(document)
        kind = document_kind(document.attached_to)
        total = sum(size(text, whitespace_counts=False) for text in (document.text, *others))
        if others and total > kind.limit:
            raise AwsError(
                kind.codes[Problem.TOO_LARGE],
                kind.messages[Problem.TOO_LARGE].format(value=document.name), 409,
            )  # fmt: skip

    def _inline_of(self, document: Document) -> list[str]:
        """The other inline policies of the entity that a document is attached to."""
        iam = self._iam.iam()
        matches: Mapping[PolicyFor, Callable[[], Any]] = {
            PolicyFor.USER: lambda: iam.users.get(document.name),
            PolicyFor.GROUP: lambda: iam.groups.get(document.name),
            PolicyFor.ROLE: lambda: next(
                (r for r in list(iam.get_roles()) if r.name == document.name), None
            ),
        }
        entity = matches[document.attached_to]() if document.attached_to in matches else None
        policies = {} if entity is None else dict(entity.policies)
        return [str(text) for name, text in policies.items() if name != document.policy]


def _error(problem: PolicyProblem) -> AwsError:
    status = 409 if problem.code == "LimitExceeded" else 400
    return AwsError(problem.code, problem.message, status)


def _at(attached_to: PolicyFor, member: str, name: str = "") -> _Reader:
    """The document is the value of a member."""

    def read(call: Call) -> Document | None:
        params = call.params
        if not params.get(member):
            return None
        policy = str(params.get("PolicyName", "")) if name else ""
        return Document(attached_to, str(params[member]), str(params.get(name, "")), policy)

    return read


def _attribute(attached_to: PolicyFor) -> _Reader:
    """The document is the attribute ``Policy`` of a map of attributes; empty text removes it."""

    def read(call: Call) -> Document | None:
        text = (call.params.get("Attributes") or {}).get("Policy")
        return Document(attached_to, str(text)) if text else None

    return read


def _named_attribute(attached_to: PolicyFor) -> _Reader:
    """The document is the value of one attribute that is named ``Policy``."""

    def read(call: Call) -> Document | None:
        text = call.params.get("AttributeValue")
        named = call.params.get("AttributeName") == "Policy"
        return Document(attached_to, str(text)) if named and text else None

    return read


def _bucket(call: Call) -> Document:
    body = call.request.get_data()
    call.request.environ["wsgi.input"] = io.BytesIO(body)  # moto reads the same body again
    bucket = f"arn:{get_partition(call.region)}:s3:::{call.params.get('Bucket', '')}"
    return Document(PolicyFor.BUCKET, body.decode("utf-8", "replace"), resource=bucket)


_READERS: Mapping[tuple[str, str], _Reader] = {
    ("iam", "PutUserPolicy"): _at(PolicyFor.USER, "PolicyDocument", "UserName"),
    ("iam", "PutGroupPolicy"): _at(PolicyFor.GROUP, "PolicyDocument", "GroupName"),
    ("iam", "PutRolePolicy"): _at(PolicyFor.ROLE, "PolicyDocument", "RoleName"),
    ("iam", "CreatePolicy"): _at(PolicyFor.MANAGED, "PolicyDocument"),
    ("iam", "CreatePolicyVersion"): _at(PolicyFor.MANAGED, "PolicyDocument"),
    ("iam", "CreateRole"): _at(PolicyFor.TRUST, "AssumeRolePolicyDocument"),
    ("iam", "UpdateAssumeRolePolicy"): _at(PolicyFor.TRUST, "PolicyDocument"),
    ("s3", "PutBucketPolicy"): _bucket,
    ("sns", "CreateTopic"): _attribute(PolicyFor.TOPIC),
    ("sns", "SetTopicAttributes"): _named_attribute(PolicyFor.TOPIC),
    ("sqs", "CreateQueue"): _attribute(PolicyFor.QUEUE),
    ("sqs", "SetQueueAttributes"): _attribute(PolicyFor.QUEUE),
    ("kms", "CreateKey"): _at(PolicyFor.KEY, "Policy"),
    ("kms", "PutKeyPolicy"): _at(PolicyFor.KEY, "Policy"),
    ("secretsmanager", "PutResourcePolicy"): _at(PolicyFor.SECRET, "ResourcePolicy"),
    ("ecr", "SetRepositoryPolicy"): _at(PolicyFor.REPOSITORY, "policyText"),
    ("ec2", "CreateVpcEndpoint"): _at(PolicyFor.ENDPOINT, "PolicyDocument"),
    ("ec2", "ModifyVpcEndpoint"): _at(PolicyFor.ENDPOINT, "PolicyDocument"),
    ("events", "PutPermission"): _at(PolicyFor.EVENT_BUS, "Policy"),
    ("sagemaker", "PutModelPackageGroupPolicy"): _at(
        PolicyFor.MODEL_PACKAGE_GROUP, "ResourcePolicy"
    ),
}
