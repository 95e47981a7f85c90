"""Tags of resources, in each service's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.scalars import scalar_text


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """How a service receives tags.

    ``param`` is the create call's parameter (empty: a separate call after create sets the tags),
    ``as_map`` whether it is a map instead of a list of ``key``/``value`` objects, ``ec2_type`` the
    resource type of a ``TagSpecifications``. ``tag`` and ``untag`` are the later calls, on the
    target ``on``.
    """

    param: str = "Tags"
    as_map: bool = False
    key: str = "Key"
    value: str = "Value"
    ec2_type: str = ""
    tag: str = "TagResource"
    untag: str = "UntagResource"
    on: Mapping[str, Any] = field(default_factory=dict)
    tags_param: str = "Tags"
    keys_param: str = "TagKeys"
    keys_as_tags: bool = False
    property: str = "Tags"

    def on_create(self, context: ProviderContext) -> dict[str, Any]:
        """The create call's parameters that carry the tags."""
        tags = desired_tags(context, self.property)
        if not tags or not self.param:
            return {}
        if self.ec2_type:
            listed = [{"Key": k, "Value": v} for k, v in tags.items()]
            return {"TagSpecifications": [{"ResourceType": self.ec2_type, "Tags": listed}]}
        return {self.param: self._form(tags)}

    def after_create(self, context: ProviderContext) -> None:
        """Set the tags that the create call cannot carry."""
        tags = desired_tags(context, self.property)
        if tags and not self.param:
            context.call(self.tag, **context.fill(self.on), **{self.tags_param: self._form(tags)})

    def on_update(self, context: ProviderContext) -> None:
        """Add, change and remove tags to match the desired ones."""
        before = as_map(context.previous.get(self.property))
        after = desired_tags(context, self.property)
        changed = {k: v for k, v in after.items() if before.get(k) != v}
        removed = sorted(before.keys() - after.keys())
        if removed:
            keys: Any = [{"Key": k} for k in removed] if self.keys_as_tags else removed
            context.call(self.untag, **context.fill(self.on), **{self.keys_param: keys})
        if changed:
            context.call(
                self.tag, **context.fill(self.on), **{self.tags_param: self._form(changed)}
            )

    def _form(self, tags: Mapping[str, str]) -> Any:
        if self.as_map:
            return dict(tags)
        return [{self.key: k, self.value: v} for k, v in tags.items()]


def desired_tags(context: ProviderContext, name: str = "Tags") -> dict[str, str]:
    """The stack's tags, overridden by the resource's own."""
    return {**context.request.tags, **as_map(context.properties.get(name))}


def as_map(tags: Any) -> dict[str, str]:
    """Tags of a template (a list of objects or a map) as a map."""
    if tags is None:
        return {}
    if isinstance(tags, Mapping):
        return {scalar_text(k): scalar_text(v) for k, v in tags.items()}
    return {scalar_text(t["Key"]): scalar_text(t.get("Value", "")) for t in tags}
