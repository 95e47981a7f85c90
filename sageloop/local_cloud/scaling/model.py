"""Scalable targets, policies and scheduled actions, and their store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TRACKING = "TargetTrackingScalingPolicyConfiguration"
STEP = "StepScalingPolicyConfiguration"


@dataclass(frozen=True, slots=True)
class TargetKey:
    """The identity of a scalable target."""

    region: str
    namespace: str
    resource: str
    dimension: str

    @classmethod
    def of(cls, params: Mapping[str, Any], region: str) -> TargetKey:
        """The key in the members of a request."""
        return cls(
            region, params["ServiceNamespace"], params["ResourceId"], params["ScalableDimension"]
        )

    def members(self) -> dict[str, str]:
        """The key as members of AWS's requests."""
        return {
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource,
            "ScalableDimension": self.dimension,
        }

    @property
    def sagemaker(self) -> bool:
        """Whether the target is a SageMaker resource."""
        return self.namespace == "sagemaker"


@dataclass(frozen=True, slots=True)
class Target:
    """A scalable target with its limits."""

    key: TargetKey
    arn: str
    identity: str
    minimum: int
    maximum: int
    role: str
    suspended: Mapping[str, bool]
    created: datetime

    def described(self) -> dict[str, Any]:
        """The target as AWS's ``ScalableTarget``."""
        return {
            **self.key.members(), "MinCapacity": self.minimum, "MaxCapacity": self.maximum,
            "RoleARN": self.role, "CreationTime": self.created,
            "SuspendedState": dict(self.suspended), "ScalableTargetARN": self.arn,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attached:
    """A policy or a scheduled action of a target; ``content`` has its members."""

    key: TargetKey
    name: str
    arn: str
    created: datetime
    content: Mapping[str, Any]
    alarms: tuple[str, ...] = ()

    @property
    def tracking(self) -> Mapping[str, Any] | None:
        """The target tracking configuration, or ``None`` for other policies."""
        config: Mapping[str, Any] | None = self.content.get(TRACKING)
        return config


@dataclass(slots=True, eq=False)
class Store:
    """All targets, policies and actions, in the order of their creation."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    targets: dict[TargetKey, Target] = field(default_factory=dict)
    policies: dict[tuple[TargetKey, str], Attached] = field(default_factory=dict)
    actions: dict[tuple[TargetKey, str], Attached] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def policy(self, arn: str) -> Attached | None:
        """The policy with an ARN, or ``None``."""
        with self.lock:
            return next((p for p in self.policies.values() if p.arn == arn), None)

    def policies_of(self, key: TargetKey) -> list[Attached]:
        """The policies of a target."""
        with self.lock:
            return [p for p in self.policies.values() if p.key == key]

    def actions_of(self, key: TargetKey) -> list[Attached]:
        """The scheduled actions of a target."""
        with self.lock:
            return [a for a in self.actions.values() if a.key == key]

    def remove_target(self, key: TargetKey) -> Target | None:
        """Delete a target with its policies, actions and tags, as AWS does."""
        with self.lock:
            target = self.targets.pop(key, None)
            if target is not None:
                self.tags.pop(target.arn, None)
                for attached in (self.policies, self.actions):
                    for known in [k for k in attached if k[0] == key]:
                        del attached[known]
            return target
