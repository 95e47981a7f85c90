"""Tags: every service has its own way to take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.cloudformation.providers.scene import Scene


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """How a service takes tags.

    ``param`` is the create call's parameter (empty: tags are set by a call of their own after
    create), ``as_map`` whether it is a map instead of a list of ``key``/``value`` objects,
    ``ec2_type`` the resource type of a ``TagSpecifications``. ``tag`` and ``untag`` are the
    later calls, on the target ``on``.
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

    def on_create(self, scene: Scene) -> dict[str, Any]:
        """The create call's parameters that carry the tags."""
        tags = wanted_tags(scene, self.property)
        if not tags or not self.param:
            return {}
        if self.ec2_type:
            listed = [{"Key": k, "Value": v} for k, v in tags.items()]
            return {"TagSpecifications": [{"ResourceType": self.ec2_type, "Tags": listed}]}
        return {self.param: self._form(tags)}

    def after_create(self, scene: Scene) -> None:
        """Set the tags that the create call could not carry."""
        tags = wanted_tags(scene, self.property)
        if tags and not self.param:
            scene.call(self.tag, **scene.fill(self.on), **{self.tags_param: self._form(tags)})

    def on_update(self, scene: Scene) -> None:
        """Add, change and remove tags so that they are as wanted."""
        before = as_map(scene.previous.get(self.property))
        after = wanted_tags(scene, self.property)
        changed = {k: v for k, v in after.items() if before.get(k) != v}
        removed = sorted(before.keys() - after.keys())
        if removed:
            keys: Any = [{"Key": k} for k in removed] if self.keys_as_tags else removed
            scene.call(self.untag, **scene.fill(self.on), **{self.keys_param: keys})
        if changed:
            scene.call(self.tag, **scene.fill(self.on), **{self.tags_param: self._form(changed)})

    def _form(self, tags: Mapping[str, str]) -> Any:
        if self.as_map:
            return dict(tags)
        return [{self.key: k, self.value: v} for k, v in tags.items()]


def wanted_tags(scene: Scene, name: str = "Tags") -> dict[str, str]:
    """The stack's tags and over them the resource's own."""
    return {**scene.request.tags, **as_map(scene.properties.get(name))}


def as_map(tags: Any) -> dict[str, str]:
    """Tags of a template (a list of objects or a map) as a map."""
    if tags is None:
        return {}
    if isinstance(tags, Mapping):
        return {str(k): str(v) for k, v in tags.items()}
    return {str(t["Key"]): str(t.get("Value", "")) for t in tags}
