"""Scalable targets, policies and scheduled actions, and where they are kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class TargetKey:
    """What names a scalable target."""

    region: str
    namespace: str
    resource: str
    dimension: str

    @classmethod
    def of(cls, params: Mapping[str, Any], region: str) -> TargetKey:
        """The key in a request's members."""
        return cls(
            region, params["ServiceNamespace"], params["ResourceId"], params["ScalableDimension"]
        )

    def members(self) -> dict[str, str]:
        """The key under AWS's names."""
        return {
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource,
            "ScalableDimension": self.dimension,
        }


@dataclass(frozen=True, slots=True)
class Target:
    """A scalable target as it stands."""

    key: TargetKey
    arn: str
    identity: str
    minimum: int
    maximum: int
    role: str
    suspended: Mapping[str, bool]
    created: datetime

    def described(self) -> dict[str, Any]:
        """AWS's ``ScalableTarget``."""
        return {
            **self.key.members(), "MinCapacity": self.minimum, "MaxCapacity": self.maximum,
            "RoleARN": self.role, "CreationTime": self.created,
            "SuspendedState": dict(self.suspended), "ScalableTargetARN": self.arn,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attached:
    """A policy or a scheduled action of a target; ``content`` are its members."""

    key: TargetKey
    name: str
    arn: str
    created: datetime
    content: Mapping[str, Any]


@dataclass(slots=True)
class Store:
    """Everything declared, in the order it came."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    targets: dict[TargetKey, Target] = field(default_factory=dict)
    policies: dict[tuple[TargetKey, str], Attached] = field(default_factory=dict)
    actions: dict[tuple[TargetKey, str], Attached] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def remove_target(self, key: TargetKey) -> Target | None:
        """Forget a target with its policies, actions and tags, as AWS does."""
        with self.lock:
            target = self.targets.pop(key, None)
            if target is not None:
                self.tags.pop(target.arn, None)
                for attached in (self.policies, self.actions):
                    for known in [k for k in attached if k[0] == key]:
                        del attached[known]
            return target
