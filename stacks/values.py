"""From settings to the values that constructs take."""

from __future__ import annotations

from constructs_lib import Canary, Scaling, Variant

from .settings import Serving


def variant(serving: Serving) -> Variant:
    """The one variant of the endpoint."""
    bounds = serving.scaling
    scaling = None if bounds is None else Scaling(
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        invocations_per_instance=bounds.invocations_per_instance,
    )  # fmt: skip
    return Variant(
        instance_type=serving.instance_type,
        instance_count=serving.instance_count,
        scaling=scaling,
    )


def canary(serving: Serving) -> Canary | None:
    """The rollout, if there is one."""
    rollout = serving.rollout
    if rollout is None:
        return None
    return Canary(
        instances=rollout.canary_instances,
        wait_seconds=rollout.wait_seconds,
        termination_wait_seconds=rollout.termination_wait_seconds,
        maximum_seconds=rollout.maximum_seconds,
    )
