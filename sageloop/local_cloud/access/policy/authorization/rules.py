"""What AWS authorizes for one call of an API: actions, resources, condition keys.

A call is turned into needs: each is one request for `evaluation.decide`, and all must be allowed.
The tables of services are in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jmespath

Resolve = Callable[[str, str | bytes], str | None]
"""Finds what only the state of the cloud tells: (kind, name) to an ARN, or ``None``.

Kinds: ``kms:key`` (id, ARN or alias to the key's ARN), ``kms:ciphertext`` (the blob), ``iam:role``,
``iam:user``, ``iam:group``, ``iam:instance-profile`` (name to the ARN with its path),
``secretsmanager:secret``, ``lambda:event-source-mapping`` (UUID to the function's ARN).
"""


class UnmappedOperationError(LookupError):
    """There is no table for an operation: what AWS would authorize for it is not known here."""

    def __init__(self, model: str, operation: str) -> None:
        super().__init__(f"{model}:{operation} is in no table of what AWS authorizes")
        self.model = model
        self.operation = operation


def _unresolved(_kind: str, _name: str | bytes) -> None:
    return None


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
        resolve: asks the cloud's state.

    """

    model: str
    operation: str
    params: Mapping[str, Any] = field(default_factory=dict)
    region: str
    account: str
    partition: str = "aws"
    resolve: Resolve = _unresolved

    def get(self, path: str) -> Any:
        """The value at a JMESPath of the parameters; ``None`` if there is none."""
        return _compiled(path).search(self.params)

    def text(self, path: str) -> str:
        """The same as text, empty if there is none."""
        value = self.get(path)
        return "" if value is None else str(value)

    def arn(self, service: str, resource: str, *, regional: bool = True, owned: bool = True) -> str:
        """An ARN in the call's partition, region and account."""
        region = self.region if regional else ""
        account = self.account if owned else ""
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a call must be allowed: an action on a resource under condition keys."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


Resources = Callable[[ApiCall], list[str]]
Rule = Callable[[ApiCall], list[Need]]
Keys = Mapping[str, str]


@cache
def _compiled(path: str) -> Any:
    return jmespath.compile(path)


def on(
    resources: Resources, action: str | Callable[[ApiCall], str], keys: Keys | None = None
) -> Rule:
    """A rule: an action on the resources that a call names.

    Args:
        resources: finds them in the call.
        action: such as ``s3:GetObject``, or a function that chooses it.
        keys: condition keys and the JMESPaths of their values.

    """

    def rule(call: ApiCall) -> list[Need]:
        context = tag_keys(call) | values(call, keys or {})
        name = action if isinstance(action, str) else action(call)
        return [Need(name, resource, context) for resource in resources(call)]

    return rule


def both(*rules: Rule) -> Rule:
    """A rule: all of several."""
    return lambda call: [need for rule in rules for need in rule(call)]


def where(path: str, rule: Rule) -> Rule:
    """A rule that holds only for calls with a parameter that is not empty, zero or false."""
    return lambda call: rule(call) if call.get(path) else []


def nothing(_call: ApiCall) -> list[Need]:
    """The rule of operations that need no permission, and cannot be denied."""
    return []


def passes(path: str, service: str) -> Rule:
    """A rule: ``iam:PassRole`` on the roles at a path, to a service; none where none is given.

    Args:
        path: JMESPath of one ARN or several.
        service: such as ``sagemaker.amazonaws.com``.

    """

    def rule(call: ApiCall) -> list[Need]:
        found = call.get(path)
        roles = found if isinstance(found, list) else [found]
        context = {"iam:PassedToService": service}
        return [Need("iam:PassRole", str(role), context) for role in dict.fromkeys(roles) if role]

    return rule


def one(text: str) -> Resources:
    """Resources: the same one always."""
    return lambda _call: [text]


def at(path: str) -> Resources:
    """Resources: the ARNs at a path of the parameters."""

    def resources(call: ApiCall) -> list[str]:
        found = call.get(path)
        listed = found if isinstance(found, list) else [found]
        return [str(each) for each in listed if each]

    return resources


def named(service: str, prefix: str, path: str, *, regional: bool = True) -> Resources:
    """Resources: an ARN for each name at a path; a name that is an ARN is taken as it is.

    Where the path has no value, it is any resource of the kind.
    """

    def resources(call: ApiCall) -> list[str]:
        found = call.get(path)
        listed = found if isinstance(found, list) else [found]
        names = [str(each) for each in listed if each] or ["*"]
        return [
            name if name.startswith("arn:") else
            call.arn(service, f"{prefix}{name}", regional=regional)
            for name in names
        ]  # fmt: skip

    return resources


def values(call: ApiCall, keys: Keys) -> dict[str, Any]:
    """The condition keys whose paths have a value in a call."""
    found = {key: call.get(path) for key, path in keys.items()}
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def tag_keys(call: ApiCall) -> dict[str, Any]:
    """``aws:RequestTag/…`` and ``aws:TagKeys`` of a call that gives tags or takes them away."""
    pairs = dict(_pairs(call))
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in pairs.items()}
    names = list(pairs) or call.get("TagKeys || tagKeys || TagKeyList || tags") or []
    if names:
        context["aws:TagKeys"] = list(names)
    return context


def _pairs(call: ApiCall) -> Iterable[tuple[str, str]]:
    found = call.get("Tags || tags || TagSpecifications[].Tags[]")
    if isinstance(found, Mapping):
        yield from ((str(key), str(value)) for key, value in found.items())
    for tag in found if isinstance(found, list) else []:
        if isinstance(tag, str):  # keys alone, of tags that are taken away
            continue
        key = tag.get("Key") or tag.get("key") or tag.get("TagKey")
        value = tag.get("Value") or tag.get("value") or tag.get("TagValue") or ""
        if key:
            yield str(key), str(value)
