"""Session policies and session tags of requests to AWS STS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.documents import default_version
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy.validation import PolicyFor, validate
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.access.caller import Caller
    from sageloop.local_cloud.core.operations import Call

_MOST_POLICIES, _MOST_TAGS = 10, 50
_MOST_TEXT = 2048
_KEY = re.compile(r"[\w\s.:/=+\-@]{1,128}")
_VALUE = re.compile(r"[\w\s.:/=+\-@]{0,256}")


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What a session has beside the permissions of its role or user.

    Arguments:
        policies: Documents of the session policies.
        tags: Session tags, as pairs; those that the calling session passes on included.
        transitive: Keys of the tags that sessions of this session inherit.
        packed: ``PackedPolicySize`` in percent; ``None`` without policies and tags. AWS packs them
            in a format that is not published: here it is the size of their text.

    """

    policies: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    transitive: tuple[str, ...] = ()
    packed: int | None = None

    @property
    def answer(self) -> dict[str, Any]:
        """The members of the response that contain the size."""
        return {} if self.packed is None else {"PackedPolicySize": self.packed}


def session_limits(
    call: Call, iam: IamState, *, claimed: Mapping[str, str] | None = None,
    claimed_transitive: Iterable[str] = (),
) -> SessionLimits:  # fmt: skip
    """The session policies and tags of a request.

    Args:
        call: the request to STS.
        iam: state of IAM, which holds managed policies.
        claimed: tags that a token or an assertion states.
        claimed_transitive: keys of those that are transitive.

    Raises:
        AwsError: for a document that is malformed or too large, a policy that does not exist, and
            tags that STS refuses.

    """
    inline, arns = _inline(call), _arns(call)
    policies = (*inline, *(_managed(iam, arn) for arn in arns))
    tags = _tags(call) | dict(claimed or {})
    _check_tags(tags)
    transitive = (*_transitive(call, tags), *claimed_transitive)
    inherited = _inherited(call.caller)
    _check_inherited(inherited, tags)
    size = sum(len(text.encode()) for text in (*inline, *arns))
    size += sum(len(f"{key}{value}".encode()) for key, value in tags.items())
    return SessionLimits(
        policies, tuple((inherited | tags).items()), (*inherited, *transitive),
        max(1, size * 100 // _MOST_TEXT) if size else None,
    )  # fmt: skip


def _inline(call: Call) -> tuple[str, ...]:
    text = call.params.get("Policy")
    if text is None:
        return ()
    problems = validate(str(text), PolicyFor.SESSION)
    if problems:
        raise AwsError(problems[0].code, problems[0].message)
    return (str(text),)


def _arns(call: Call) -> tuple[str, ...]:
    arns = tuple(str(one.get("arn", "")) for one in call.params.get("PolicyArns") or ())
    if len(arns) > _MOST_POLICIES:
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value at 'policyArns' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_MOST_POLICIES}",
        )
    text = sum(len(one.encode()) for one in (*arns, str(call.params.get("Policy", ""))))
    if text > _MOST_TEXT:
        raise AwsError(
            "PackedPolicyTooLarge", "Packed policy consumes more than 100% of allotted space"
        )
    return arns


def _managed(iam: IamState, arn: str) -> str:
    policy = iam.iam().managed_policies.get(arn)
    if policy is None:
        raise AwsError("MalformedPolicyDocument", f"Policy {arn} does not exist.")
    return default_version(policy)


def _tags(call: Call) -> dict[str, str]:
    listed = call.params.get("Tags") or ()
    if len({str(tag["Key"]).lower() for tag in listed}) < len(listed):
        raise AwsError(
            "InvalidParameterValue",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        )
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in listed}


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > _MOST_TAGS:
        raise AwsError(
            "ValidationError",
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member "
            f"must have length less than or equal to {_MOST_TAGS}",
        )
    for key, value in tags.items():
        if _KEY.fullmatch(key) is None or _VALUE.fullmatch(value) is None:
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{key}={value}' at 'tags' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: "
                "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+ and have a key of 1 to 128 and a value of up to "
                "256 characters",
            )
        if key.lower().startswith("aws:"):
            raise AwsError(
                "InvalidParameterValue",
                f"Tag keys starting with 'aws:' are reserved for system use, got {key}",
            )


def _transitive(call: Call, tags: Mapping[str, str]) -> tuple[str, ...]:
    keys = tuple(str(key) for key in call.params.get("TransitiveTagKeys") or ())
    unknown = [key for key in keys if key not in tags]
    if unknown:
        raise AwsError(
            "InvalidParameterValue",
            f"The specified transitive tag key must be included in the requested tags: "
            f"{', '.join(unknown)}",
        )
    return keys


def _inherited(caller: Caller) -> dict[str, str]:
    return {key: value for key, value in caller.session_tags if key in caller.transitive_tag_keys}


def _check_inherited(inherited: Mapping[str, str], tags: Mapping[str, str]) -> None:
    fixed = {key.lower() for key in inherited}
    if any(key.lower() in fixed for key in tags):
        raise AwsError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a "
            "transitive tag key from the calling session.",
        )
