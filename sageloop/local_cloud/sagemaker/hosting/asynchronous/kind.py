"""The asynchronous kind of variant: its instances get requests from the endpoint's queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.asynchronous.settings import AsyncSettings, check
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import (
    MakeInstance,
    VariantFleet,
    VariantSpec,
)
from sageloop.local_cloud.sagemaker.hosting.instances.instance_kind import InstanceKind
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
from sageloop.local_cloud.sagemaker.hosting.requests import invalid, not_executed

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest

    Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncInvocation(Invocation):
    """A queued request and the instance that accepted it."""

    instance: Instance


class AsyncFleet(VariantFleet):
    """Instances that process up to ``concurrency`` requests each, from the queue only.

    ``changed`` is called when the set of healthy instances changes.
    """

    def __init__(
        self, spec: VariantSpec, make: MakeInstance, *, weight: float, concurrency: int,
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(spec, make, weight=weight)
        self.concurrency = concurrency
        self._changed = changed

    def check(self, invocation: Invocation) -> None:
        """Refuse a request that did not come through the queue."""
        if not isinstance(invocation, AsyncInvocation):
            raise AwsError(
                "ValidationError",
                f"Endpoint {invocation.endpoint} is configured for asynchronous inference "
                "(AsyncInferenceConfig) and only takes InvokeEndpointAsync.",
            )

    def admit(self, invocation: Invocation) -> Instance | None:
        """The instance that accepted the request when it was dequeued."""
        return invocation.instance if isinstance(invocation, AsyncInvocation) else None

    def _refresh(self) -> None:
        super()._refresh()
        self._changed()


class AsyncKind:
    """The kind of variants in a configuration with AsyncInferenceConfig.

    ``dispatch`` is called with the name of an endpoint when its instances may have free slots.
    """

    def __init__(
        self, containers: ModelContainers, account: Account, dispatch: Callable[[str], None]
    ) -> None:
        self._containers = containers
        self._account = account
        self._instances = InstanceKind(containers, account)
        self._dispatch = dispatch

    def matches(self, config: Document, variant: Document) -> bool:
        """Whether the configuration is asynchronous; this applies to all its variants."""
        return config.get("AsyncInferenceConfig") is not None

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse features that cannot be combined with asynchronous inference."""
        check(config)
        if variant.get("InstancePools"):
            raise not_executed(
                f"InstancePools with AsyncInferenceConfig (variant {variant['VariantName']})"
            )
        self._instances.check_config(config, variant)
        model = self._account.store.get("model", variant["ModelName"])
        containers = model.get("Containers", [model.get("PrimaryContainer", {})])
        if any(container.get("Mode") == "MultiModel" for container in containers):
            raise invalid(
                f"AsyncInferenceConfig is not for multi-model endpoints: a container of model "
                f"{variant['ModelName']} has Mode MultiModel"
            )

    def check(self, config: Document, variant: Document) -> None:
        """Refuse a model whose image has no local program."""
        self._instances.check(config, variant)

    def initial_count(self, variant: Document) -> int:
        """The InitialInstanceCount."""
        return self._instances.initial_count(variant)

    def build(self, request: VariantRequest) -> VariantFleet:
        """Build the fleet. Raises ``StartFailure`` if model data is not available."""
        settings = AsyncSettings.of(request.config)
        if settings is None:
            raise ValueError(f"variant {request.document['VariantName']} is not asynchronous")
        built = self._instances.build(request)
        # The instances are those that InstanceKind creates for the same model.
        return AsyncFleet(
            built.spec, built._make, weight=request.weight,
            concurrency=settings.concurrency, changed=lambda: self._dispatch(request.endpoint),
        )  # fmt: skip
