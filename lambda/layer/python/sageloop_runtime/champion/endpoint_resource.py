"""Custom resource: the serving document of a champion endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from sageloop_runtime.aws.custom_resource import Outcome, Request, named_by
from sageloop_runtime.aws.ownership import ownership
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.champion.promotion import Promoter
from sageloop_runtime.champion.repository import ChampionRepository
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.log import log
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.endpoint import BUSY, EndpointDescription, EndpointResources
from sageloop_runtime.serving.serving_document import ServingDocument

_POLLS = 10
_POLL_SECONDS = 1.0
_LONGEST_MINUTES = 50
_PASSES = int(60 * _LONGEST_MINUTES / (_POLLS * _POLL_SECONDS))
_FOREIGN_INTERFACES = ("AWS Lambda VPC ENI", "VPC Endpoint Interface")

champion_endpoint_id = named_by("EndpointName")
"""The physical id of a champion endpoint: its name."""


class ChampionEndpointResource:
    """Create, Update and Delete of a champion endpoint.

    Args:
        table: the state table.
        sagemaker: a SageMaker client.
        ec2: an EC2 client.
        functions: a Lambda client.
        scaling: the endpoint's scaling.
        promoter_for: returns the promoter of an endpoint.
        function_arn: ARN of this function, which invokes itself during a long deletion.
        pause: waits the given seconds between two checks of a deletion.

    """

    def __init__(
        self,
        *,
        table: StateTable,
        sagemaker: Any,
        ec2: Any,
        functions: Any,
        scaling: VariantScaling,
        promoter_for: Callable[[str], Promoter],
        function_arn: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._sagemaker = sagemaker
        self._ec2 = ec2
        self._functions = functions
        self._scaling = scaling
        self._promoter_for = promoter_for
        self._function_arn = function_arn
        self._pause = pause

    def create(self, request: Request) -> Outcome:
        """Record the document; the first champion creates the endpoint."""
        repository = ChampionRepository(self._table, request.text("EndpointName"))
        if repository.read().state == "deleting":
            self._table.delete(repository.row_id)
        return self._put(request)

    def update(self, request: Request) -> Outcome:
        """Record the document; a changed document starts a rollout of the champion."""
        return self._put(request)

    def delete(self, request: Request) -> Outcome:
        """Delete what can be deleted now; invoke the function again while resources are left.

        What another resource owns is not changed: an endpoint that was moved within its template
        has a successor when its former resource is deleted. A resource whose creation was refused
        recorded nothing, and its deletion changes nothing.

        Raises:
            BadInputError: if resources are left after fifty minutes, naming them.

        """
        name = request.optional_text("EndpointName")
        row = self._table.get(f"serving#{name}") or {}
        if name is None or not self._must_delete(name, row, request.owner):
            return Outcome()
        left = self._delete_all(name)
        if left is None:
            self._table.delete(f"champion#{name}")
            return Outcome()
        passed = int(request.event.get("Pass", 1))
        if passed >= _PASSES:
            raise BadInputError(
                f"after {_LONGEST_MINUTES} minutes these resources are left: {left}"
            )
        log("deletion continues", endpoint=name, left=left, passed=passed)
        again = {**request.event, "Pass": passed + 1}
        self._functions.invoke(
            FunctionName=self._function_arn,
            InvocationType="Event",
            Payload=json.dumps(again).encode(),
        )
        return Outcome(deferred=True)

    def _put(self, request: Request) -> Outcome:
        name = request.text("EndpointName")
        serving = ServingDocument.parse(request.text("Document"), name)
        row_id = f"serving#{name}"
        row = self._table.get(row_id) or {}
        current = row.get("digest") == serving.digest and not row.get("tombstone")
        outcome = Outcome(data={"Digest": serving.digest})
        if current and row.get("owner") == request.owner:
            return outcome
        change = {
            "document": request.text("Document"), "digest": serving.digest, "tombstone": False,
            # After a deletion nothing of the former document is valid.
            **ownership({} if row.get("tombstone") else row, request.owner),
        }  # fmt: skip
        self._table.swap(row_id, change=change)
        if not current:
            self._apply(name)
        return outcome

    def _apply(self, name: str) -> None:
        """Roll the champion out, if there is one, with a document that was recorded."""
        repository = ChampionRepository(self._table, name)
        champion = repository.read()
        if champion.state is not None:
            if champion.row.get("frozen"):
                # The freeze lasts until the next deployment.
                self._table.swap(repository.row_id, change={"frozen": None})
            self._roll_out(name)

    def _roll_out(self, name: str) -> None:
        try:
            self._promoter_for(name).converge(None, promote_new=False)
        except TryAgainError as error:
            log("the reconciler continues the rollout", endpoint=name, reason=str(error))

    def _must_delete(self, name: str, row: Row, owner: str) -> bool:
        """Whether a deletion concerns the endpoint; if it has a successor, only the record."""
        if not row:
            return False
        former, expect = json.loads(row.get("former", "null")), {"owner": row.get("owner")}
        if row.get("owner", owner) == owner:
            if former is None:
                return True
            # A deployment is rolled back: the replaced document is valid again.
            change = {**former, "former": None}
            if self._table.swap(f"serving#{name}", change=change, expect=expect):
                self._apply(name)
        elif former is not None and former["owner"] == owner:
            self._table.swap(f"serving#{name}", change={"former": None}, expect=expect)
        return False

    def _delete_all(self, name: str) -> str | None:
        """Delete endpoint, configurations and models; a description of what is left.

        Without a champion there never was an endpoint: one of this name is another's.
        """
        repository = ChampionRepository(self._table, name)
        serving = self._write_tombstone(repository, name)
        if repository.read().package_arn is None:
            return None
        if serving is not None:
            self._scaling.deregister(serving)
        endpoint = EndpointResources(self._sagemaker, name)
        left = self._delete_endpoint(endpoint)
        if left is None:
            endpoint.delete_configs()
            left = self._interfaces(serving)
        return left

    def _write_tombstone(
        self, repository: ChampionRepository, name: str
    ) -> ServingDocument | None:  # fmt: skip
        """Write the tombstone, which prevents promotions; the document."""
        row_id = f"serving#{name}"
        self._table.swap(row_id, change={"tombstone": True})
        repository.fence()
        row = self._table.get(row_id) or {}
        return ServingDocument.parse(row["document"], name) if "document" in row else None

    def _delete_endpoint(self, endpoint: EndpointResources) -> str | None:
        """Delete the endpoint once it is not busy; a description of it if it is left."""
        described: EndpointDescription | None = None
        for _ in range(_POLLS):
            described = endpoint.describe()
            if described is None:
                return None
            if described.status not in BUSY:
                endpoint.delete()
            self._pause(_POLL_SECONDS)
        return None if described is None else f"the endpoint, which is {described.status}"

    def _interfaces(self, serving: ServingDocument | None) -> str | None:
        """The network interfaces of the endpoint's instances that are not deleted yet."""
        if serving is None or not serving.security_groups:
            return None
        subnets = serving.model["VpcConfig"].get("Subnets", [])
        filters = [
            {"Name": "group-id", "Values": serving.security_groups},
            {"Name": "subnet-id", "Values": subnets},
        ]
        response = self._ec2.describe_network_interfaces(Filters=filters)
        ids = [
            item["NetworkInterfaceId"]
            for item in response["NetworkInterfaces"]
            if not item.get("Description", "").startswith(_FOREIGN_INTERFACES)
        ]
        if not ids:
            return None
        self._pause(_POLLS * _POLL_SECONDS)
        return f"the network interfaces {', '.join(sorted(ids))}"
