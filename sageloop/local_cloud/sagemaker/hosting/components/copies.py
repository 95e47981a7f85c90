"""One copy of an inference component: a process of its container."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sageloop.local_cloud.sagemaker.hosting.components.desired_components import Plan
from sageloop.local_cloud.sagemaker.hosting.instances.container_logs import ContainerLog
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.components.hosts import Host
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing


def log_group(component: str) -> str:
    """The log group of the copies of a component."""
    return f"/aws/sagemaker/InferenceComponents/{component}"


class Copy(Instance):
    """A process on an instance that runs the plan of its component."""

    def __init__(
        self,
        cloud: Cloud,
        plan: Plan,
        host: Host[Copy],
        timing: Timing,
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(cloud, plan.blueprint, timing, on_change)
        self.plan = plan
        self.host = host
        self.log = ContainerLog(
            cloud, plan.blueprint.endpoint, f"{plan.blueprint.variant}/{self.id}",
            plan.blueprint.role, delay=timing.flush, group=log_group(plan.component),
        )  # fmt: skip
