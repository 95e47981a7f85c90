"""The permissions that one API call requires: actions, resources, condition keys.

Each permission is one request for `evaluation.decide`, and all of them must be allowed. The tables
of the services are in the other modules of this package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jmespath

Resolve = Callable[[str, str | bytes], str | None]
"""Resolves a name in the state of the cloud: (kind, name) to an ARN, or ``None``.

Kinds: ``kms:key`` (id, ARN or alias to the key's ARN), ``kms:ciphertext`` (the blob), ``iam:role``,
``iam:user``, ``iam:group``, ``iam:instance-profile`` (name to the ARN with its path),
``secretsmanager:secret``, ``lambda:event-source-mapping`` (UUID to the function's ARN).
"""


class UnmappedOperationError(LookupError):
    """The operation is in no table: the permissions that it requires are not known."""

    def __init__(self, model: str, operation: str) -> None:
        super().__init__(f"{model}:{operation} is in no table of required permissions")
        self.model = model
        self.operation = operation


def _unresolved(_kind: str, _name: str | bytes) -> None:
    return None


_NAME = re.compile(r"[A-Za-z]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call of an API.

    Args:
        model: service as botocore names its model (``sagemaker-runtime``).
        operation: name of the operation.
        params: members of its input, as boto3 takes them.
        region: region that the call is made to.
        account: account that the call is made in.
        partition: partition of its ARNs.
        resolve: resolves names in the state of the cloud.

    """

    model: str
    operation: str
    params: Mapping[str, Any] = field(default_factory=dict)
    region: str
    account: str
    partition: str = "aws"
    resolve: Resolve = _unresolved

    def get(self, path: str) -> Any:
        """The value at a JMESPath of the parameters, or ``None``."""
        find, names = _finder(path)
        return None if names and names.isdisjoint(self.params) else find(self.params)

    def text(self, path: str) -> str:
        """The value at a JMESPath as text, or an empty text."""
        value = self.get(path)
        return "" if value is None else str(value)

    def arn(
        self, service: str, resource: str, *, with_region: bool = True, with_account: bool = True
    ) -> str:
        """An ARN in the call's partition, region and account."""
        region = self.region if with_region else ""
        account = self.account if with_account else ""
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that a call requires: an action on a resource, with condition keys."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


Resources = Callable[[ApiCall], list[str]]
Rule = Callable[[ApiCall], list[Permission]]
Keys = Mapping[str, str]


@cache
def _finder(path: str) -> tuple[Callable[[Mapping[str, Any]], Any], frozenset[str]]:
    """A function for a JMESPath, and the names in it: without any of these there is no value.

    No names are returned for a path with a literal, which has a value always. A member, or the
    first of several, is read without JMESPath, which takes twenty times as long.
    """
    names = tuple(name.strip() for name in path.split("||"))
    if not all(_NAME.fullmatch(name) for name in names):
        literal = "'" in path and "type(" not in path
        known = frozenset[str]() if literal else frozenset(_NAME.findall(path))
        return jmespath.compile(path).search, known

    def first(params: Mapping[str, Any]) -> Any:
        value = None
        for name in names:
            value = params.get(name)
            if value or (value == 0 and value is not False):
                break
        return value

    return first, frozenset(names)


def on(
    resources: Resources, action: str | Callable[[ApiCall], str], keys: Keys | None = None
) -> Rule:
    """A rule: an action on the resources that a call names.

    Args:
        resources: the resources of a call.
        action: such as ``s3:GetObject``, or a function that selects it.
        keys: condition keys and the JMESPaths of their values.

    """

    def rule(call: ApiCall) -> list[Permission]:
        context = tag_keys(call) | values(call, keys or {})
        name = action if isinstance(action, str) else action(call)
        return [Permission(name, resource, context) for resource in resources(call)]

    return rule


def all_of(*rules: Rule) -> Rule:
    """A rule: all of several."""
    return lambda call: [permission for rule in rules for permission in rule(call)]


def when_set(path: str, rule: Rule) -> Rule:
    """A rule that holds only for calls with a parameter that is not empty, zero or false."""
    return lambda call: rule(call) if call.get(path) else []


def no_permission(_call: ApiCall) -> list[Permission]:
    """The rule of operations that require no permission and cannot be denied."""
    return []


def passes(path: str, service: str) -> Rule:
    """A rule: ``iam:PassRole`` on the roles at a path, to a service; none without a role.

    Args:
        path: JMESPath of one ARN or several.
        service: such as ``sagemaker.amazonaws.com``.

    """

    def rule(call: ApiCall) -> list[Permission]:
        value = call.get(path)
        roles = value if isinstance(value, list) else [value]
        context = {"iam:PassedToService": service}
        return [
            Permission("iam:PassRole", str(role), context) for role in dict.fromkeys(roles) if role
        ]

    return rule


def fixed(text: str) -> Resources:
    """Resources: a fixed one."""
    return lambda _call: [text]


def arns_at(path: str) -> Resources:
    """Resources: the ARNs at a path of the parameters."""

    def resources(call: ApiCall) -> list[str]:
        value = call.get(path)
        listed = value if isinstance(value, list) else [value]
        return [str(each) for each in listed if each]

    return resources


def arns_named(service: str, prefix: str, path: str, *, with_region: bool = True) -> Resources:
    """Resources: an ARN for each name at a path; a name that is an ARN is used as it is.

    Without a value at the path, the resource is any of the kind.
    """

    def resources(call: ApiCall) -> list[str]:
        value = call.get(path)
        listed = value if isinstance(value, list) else [value]
        names = [str(each) for each in listed if each] or ["*"]
        return [
            name if name.startswith("arn:") else
            call.arn(service, f"{prefix}{name}", with_region=with_region)
            for name in names
        ]  # fmt: skip

    return resources


def values(call: ApiCall, keys: Keys) -> dict[str, Any]:
    """The condition keys whose paths have a value in a call."""
    context = {key: call.get(path) for key, path in keys.items()}
    return {key: value for key, value in context.items() if value not in (None, [], {})}


def tag_keys(call: ApiCall) -> dict[str, Any]:
    """``aws:RequestTag/…`` and ``aws:TagKeys`` of a call that sets or removes tags."""
    pairs = dict(_pairs(call))
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in pairs.items()}
    names = list(pairs) or call.get("TagKeys || tagKeys || TagKeyList || tags") or []
    if names:
        context["aws:TagKeys"] = list(names)
    return context


def _pairs(call: ApiCall) -> Iterable[tuple[str, str]]:
    tags = call.get("Tags || tags || TagSpecifications[].Tags[]")
    if isinstance(tags, Mapping):
        yield from ((str(key), str(value)) for key, value in tags.items())
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, str):  # keys of tags that are removed
            continue
        key = tag.get("Key") or tag.get("key") or tag.get("TagKey")
        value = tag.get("Value") or tag.get("value") or tag.get("TagValue") or ""
        if key:
            yield str(key), str(value)
