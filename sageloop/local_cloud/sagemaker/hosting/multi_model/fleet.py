"""The instances of a multi-model variant, and the choice of an instance for a model."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Sequence
from typing import cast

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    Invocation,
    refuse_unsupported_target,
)
from sageloop.local_cloud.sagemaker.hosting.multi_model.instance import MultiModelInstance

# From this number of requests in progress on, a model is loaded on an idle instance too.
BUSY = 8


class MultiModelFleet(VariantFleet):
    """Routes a request to an instance that has loaded its model, if there is one."""

    def check(self, invocation: Invocation) -> None:
        """Refuse a request without a target model."""
        refuse_unsupported_target(invocation, models=True)
        if invocation.target_model is None:
            raise AwsError(
                "ValidationError", f"Request {uuid.uuid4()} is missing a target model header."
            )

    def admit(self, invocation: Invocation) -> Instance | None:
        """An instance that has the model, else the one that a hash of the model's name selects."""
        serving = cast("tuple[MultiModelInstance, ...]", self.serving)
        instance = self._chosen(serving, str(invocation.target_model))
        return instance if instance is not None and instance.begin() else None

    def measure(self) -> None:
        """Publish the number of loaded models of each instance."""
        for instance in self.serving:
            cast(MultiModelInstance, instance).measure()

    def _chosen(
        self, serving: Sequence[MultiModelInstance], target: str
    ) -> MultiModelInstance | None:
        holders = [instance for instance in serving if instance.has(target)]
        if not holders:
            return max(serving, key=lambda i: _rank(i.id, target), default=None)
        idle = [i for i in serving if i.outstanding == 0]
        if idle and all(i.outstanding >= BUSY for i in holders):
            return idle[0]
        if self.spec.least_outstanding:
            return min(holders, key=lambda i: i.outstanding)
        return random.choice(holders)  # noqa: S311 - routing, not a secret


def _rank(instance: str, target: str) -> bytes:
    """The rank of an instance for a model; adding or removing an instance moves few models."""
    return hashlib.sha256(f"{instance}\n{target}".encode()).digest()
