"""The table of a service: explicit rules, and the Service Authorization Reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sageloop.local_cloud.access.policy import reference
from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Keys,
    Permission,
    Rule,
    UnmappedOperationError,
    tag_keys,
    values,
)
from sageloop.local_cloud.access.policy.context_keys import supports_key

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRules:
    """The permissions that the calls of a service require.

    An operation without a rule is derived: its action has its name, and the ARNs of the action's
    resource types are filled from the parameters.

    Args:
        model: service as botocore names its model.
        prefix: prefix of its actions.
        rules: operations whose permissions cannot be derived.
        also: further permissions of operations.
        placeholders: JMESPaths for placeholders of ARNs whose parameter has another name.
        keys: condition keys and the JMESPaths of their values, for every action that has the key.
        state_keys: condition keys that the cloud fills from its state, not from parameters.
        tagging: action that is required too if a resource is created with tags.
        any_resource: whether a required resource that the parameters do not name is ``*``.

    """

    model: str
    prefix: str
    rules: Mapping[str, Rule] = field(default_factory=dict)
    also: Mapping[str, Rule] = field(default_factory=dict)
    placeholders: Keys = field(default_factory=dict)
    keys: Keys = field(default_factory=dict)
    state_keys: frozenset[str] = frozenset()
    tagging: str = ""
    any_resource: bool = False
    _by_action: dict[str, Keys] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def filled_keys(self) -> frozenset[str]:
        """The condition keys of the service that the local cloud fills."""
        return frozenset(self.keys) | self.state_keys

    def permissions(self, call: ApiCall) -> list[Permission]:
        """The permissions that a call requires; raises `UnmappedOperationError`."""
        rule = self.rules.get(call.operation)
        permissions = rule(call) if rule else self._derived(call)
        permissions = [self._with_keys(permission, call) for permission in permissions]
        more = self.also.get(call.operation)
        return permissions + self._tagging(permissions, call) + (more(call) if more else [])

    def _with_keys(self, permission: Permission, call: ApiCall) -> Permission:
        known = reference.action(permission.action)
        if known is None or not permission.action.startswith(f"{self.prefix}:"):
            return permission
        present = values(call, self._keys_of(known))
        if not present:
            return permission
        return Permission(permission.action, permission.resource, {**present, **permission.context})

    def _keys_of(self, action: reference.Action) -> Keys:
        """The table's condition keys that an action has."""
        keys = self._by_action.get(action.name)
        if keys is None:
            keys = {key: path for key, path in self.keys.items() if supports_key(action, key)}
            self._by_action[action.name] = keys
        return keys

    def _tagging(self, permissions: list[Permission], call: ApiCall) -> list[Permission]:
        context = tag_keys(call)
        if not self.tagging or not call.operation.startswith("Create") or not context:
            return []
        return [
            Permission(self.tagging, permission.resource, context) for permission in permissions[:1]
        ]

    def _derived(self, call: ApiCall) -> list[Permission]:
        action = reference.action(f"{self.prefix}:{call.operation}")
        if action is None:
            raise UnmappedOperationError(call.model, call.operation)
        context = tag_keys(call)
        if action.needs_wildcard:
            return [Permission(action.name, reference.service_resource(self.prefix), context)]
        by_type = {name: self._arn(name, call) for name in action.resources}
        arns = [arn for name, arn in by_type.items() if arn]
        if self.any_resource:
            arns += [
                self._any_arn(name, call)
                for name, required in action.resources.items()
                if required and not by_type[name]
            ]
            arns = arns or [reference.service_resource(self.prefix)]
        if not arns or any(required and not by_type[name] and not self.any_resource
                           for name, required in action.resources.items()):  # fmt: skip
            raise UnmappedOperationError(call.model, call.operation)
        return [Permission(action.name, arn, context) for arn in dict.fromkeys(arns)]

    def _forms(self, resource: str) -> tuple[str, ...]:
        table = reference.service(self.prefix)
        return table.resources[resource].arns if table else ()

    def _any_arn(self, resource: str, call: ApiCall) -> str:
        form = self._forms(resource)[0]
        return _PLACEHOLDER.sub(lambda match: self._place(call).get(match[1]) or _ANY, form)

    def _place(self, call: ApiCall) -> dict[str, str]:
        return {"Partition": call.partition, "Region": call.region, "Account": call.account}

    def _arn(self, resource: str, call: ApiCall) -> str | None:
        """The ARN of a resource type, filled from the parameters."""
        for form in self._forms(resource):
            filled = self._filled(form, call)
            if filled:
                return filled
        return None

    def _filled(self, form: str, call: ApiCall) -> str | None:
        place = self._place(call)
        fields = dict(place)
        for name in _PLACEHOLDER.findall(form):
            if name not in place:
                value = self._value(name, call)
                if not value:
                    return None
                if value.startswith("arn:"):
                    return value
                fields[name] = value
        return _PLACEHOLDER.sub(lambda match: fields[match[1]], form)

    def _value(self, placeholder: str, call: ApiCall) -> str:
        path = self.placeholders.get(placeholder)
        if path is not None:
            return call.text(path)
        lowered = placeholder.lower()
        names = [name for name in call.params if name.lower() == lowered]
        value = call.params[names[0]] if names else None
        return value if isinstance(value, str) else ""
