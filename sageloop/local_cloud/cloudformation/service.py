"""CloudFormation as a service of the local cloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.service_acts import can_assume
from sageloop.local_cloud.cloudformation.change_sets import ChangeSets
from sageloop.local_cloud.cloudformation.context import (
    Context,
    ProviderOf,
    SchemaOf,
    Unsupported,
)
from sageloop.local_cloud.cloudformation.custom_resources import CustomResources
from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.read_api import ReadApi
from sageloop.local_cloud.cloudformation.stack_api import StackApi
from sageloop.local_cloud.cloudformation.stack_orchestrator import StackOrchestrator
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, Service
from sageloop.local_cloud.core.wire import Request, Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_PRINCIPAL = "cloudformation.amazonaws.com"
DURATIONS_PATH = "/_sageloop/cfn-durations"


class CloudFormationService(Service):
    """The operations of CloudFormation, executed with real resources of the local cloud.

    Args:
        cloud: The cloud that the service belongs to.
        provider_of: Returns the provider of a native type; by default from the table of providers.
        schema_of: Returns the schema of a type; by default AWS's own provider schemas.
        unsupported: Returns the unsupported parts of a template's resources, one per line.

    """

    model = "cloudformation"

    def __init__(
        self, cloud: Cloud, *, provider_of: ProviderOf | None = None,
        schema_of: SchemaOf | None = None, unsupported: Unsupported | None = None,
    ) -> None:  # fmt: skip
        super().__init__(cloud)
        self.context = Context(
            cloud=cloud, custom=CustomResources(cloud),
            provider_of=_default_providers() if provider_of is None else provider_of,
            schema_of=_default_schemas() if schema_of is None else schema_of,
            unsupported=_default_check() if unsupported is None else unsupported,
        )  # fmt: skip
        orchestrator = StackOrchestrator(self.context)
        self.include(StackApi(self.context, orchestrator))
        self.include(ChangeSets(self.context, orchestrator))
        self.include(ReadApi(self.context))
        cloud.front.add_route(DURATIONS_PATH, self._show_durations)

    def handle(self, call: Call) -> dict[str, Any] | Response | None:
        """Execute a call, if CloudFormation can assume the service role that it names."""
        role = call.params.get("RoleARN")
        if role is not None and not can_assume(
            self.cloud, _PRINCIPAL, role, _stack_arn(call, self.cloud.account_id)
        ):
            raise invalid(f"Role {role} is invalid or cannot be assumed")
        return super().handle(call)

    @property
    def durations(self) -> list[tuple[str, str, float]]:
        """Each completed operation: stack, kind, wall seconds from start to final status."""
        return list(self.context.durations)

    def _show_durations(self, _: Request) -> Response:
        rows: list[dict[str, Any]] = [
            {"stack": stack, "operation": kind, "seconds": seconds}
            for stack, kind, seconds in self.durations
        ]
        body = json.dumps({"durations": rows}).encode()
        return Response(200, {"Content-Type": "application/json"}, body)


def _stack_arn(call: Call, account_id: str) -> str:
    name = str(call.params.get("StackName", ""))
    if name.startswith("arn:"):
        return name
    # The stack's identifier is made later; policies can only name stacks by a pattern.
    return regional_arn("cloudformation", call.region, account_id, f"stack/{name}/-")


def _default_providers() -> ProviderOf:
    from sageloop.local_cloud.cloudformation.providers.registry import provider_of

    return provider_of


def _default_schemas() -> SchemaOf:
    from sageloop.local_cloud.cloudformation.schemas import schema_of

    return schema_of


def _default_check() -> Unsupported:
    from sageloop.local_cloud.cloudformation.schemas import unsupported

    return unsupported
