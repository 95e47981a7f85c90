"""The custom resource behind a champion endpoint: its serving document, and its end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from sageloop_runtime.champion import ChampionBook
from sageloop_runtime.custom_resource import Outcome, Request
from sageloop_runtime.endpoints import BUSY, Endpoints, Seen
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.log import log
from sageloop_runtime.promotion import Promoter
from sageloop_runtime.scaling import Scaling
from sageloop_runtime.serving import Serving
from sageloop_runtime.state import StateTable

_POLLS = 10
_POLL_SECONDS = 1.0
_LONGEST_DELETE = 50 * 60
_PASSES = int(_LONGEST_DELETE / (_POLLS * _POLL_SECONDS))
_FOREIGN_INTERFACES = ("AWS Lambda VPC ENI", "VPC Endpoint Interface")


class ChampionResource:
    """Create, Update and Delete of a champion endpoint.

    Args:
        table: the state table.
        sagemaker: a SageMaker client.
        ec2: an EC2 client.
        functions: a Lambda client.
        scaling: the endpoint's scaling.
        promoter_for: gives the promoter of an endpoint.
        function_arn: this function's own ARN, which a long deletion invokes again.
        pause: waits so many seconds between two looks at a deletion.

    """

    def __init__(
        self,
        *,
        table: StateTable,
        sagemaker: Any,
        ec2: Any,
        functions: Any,
        scaling: Scaling,
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
        """Record the document; the endpoint comes with the first champion."""
        book = ChampionBook(self._table, request.text("EndpointName"))
        if book.read().state == "deleting":
            self._table.delete(book.row_id)
        return self._put(request)

    def update(self, request: Request) -> Outcome:
        """Record the document; a changed one starts a rollout of the champion there is."""
        return self._put(request)

    def delete(self, request: Request) -> Outcome:
        """One pass of the deletion; as long as something is left another one is invoked.

        Raises:
            BadInputError: naming what is left after fifty minutes.

        """
        name = request.physical_id or request.text("EndpointName")
        serving = self._bury(name)
        endpoints = Endpoints(self._sagemaker, name)
        left = self._remove_endpoint(endpoints)
        if left is None:
            endpoints.remove_all()
            left = self._interfaces(serving)
        if left is None:
            self._table.delete(f"champion#{name}")
            return Outcome(physical_id=name)
        passed = int(request.event.get("Pass", 1))
        if passed >= _PASSES:
            raise BadInputError(f"after {_LONGEST_DELETE // 60} minutes there is still {left}")
        log("deletion goes on", endpoint=name, left=left, passed=passed)
        again = {**request.event, "Pass": passed + 1}
        self._functions.invoke(
            FunctionName=self._function_arn,
            InvocationType="Event",
            Payload=json.dumps(again).encode(),
        )
        return Outcome(physical_id=name, later=True)

    def _put(self, request: Request) -> Outcome:
        name = request.text("EndpointName")
        serving = Serving.parse(request.text("Document"), name)
        row_id = f"serving#{name}"
        row = self._table.get(row_id) or {}
        outcome = Outcome(physical_id=name, data={"Digest": serving.digest})
        if row.get("digest") == serving.digest and not row.get("tombstone"):
            return outcome
        change = {
            "document": request.text("Document"),
            "digest": serving.digest,
            "tombstone": False,
        }
        self._table.swap(row_id, change=change)
        book = ChampionBook(self._table, name)
        champion = book.read()
        if champion.state is not None:
            if champion.row.get("frozen"):
                # A person has deployed again: that is the look the freeze was waiting for.
                self._table.swap(book.row_id, change={"frozen": None})
            self._roll_out(name)
        return outcome

    def _roll_out(self, name: str) -> None:
        try:
            self._promoter_for(name).converge(None, look_for_packages=False)
        except TryAgainError as error:
            log("the reconciler takes the rollout up", endpoint=name, reason=str(error))

    def _bury(self, name: str) -> Serving | None:
        """Write the tombstone, so that no promotion can follow, and end the scaling."""
        row_id = f"serving#{name}"
        self._table.swap(row_id, change={"tombstone": True})
        ChampionBook(self._table, name).fence()
        row = self._table.get(row_id) or {}
        if "document" not in row:
            return None
        serving = Serving.parse(row["document"], name)
        self._scaling.remove(serving)
        return serving

    def _remove_endpoint(self, endpoints: Endpoints) -> str | None:
        """Delete the endpoint as soon as it lets itself be deleted; what is left of it."""
        seen: Seen | None = None
        for _ in range(_POLLS):
            seen = endpoints.look()
            if seen is None:
                return None
            if seen.status not in BUSY:
                endpoints.delete()
            self._pause(_POLL_SECONDS)
        return None if seen is None else f"the endpoint, which is {seen.status}"

    def _interfaces(self, serving: Serving | None) -> str | None:
        """The network interfaces that the endpoint's instances left behind."""
        if serving is None or not serving.security_groups:
            return None
        subnets = serving.model["VpcConfig"].get("Subnets", [])
        filters = [
            {"Name": "group-id", "Values": serving.security_groups},
            {"Name": "subnet-id", "Values": subnets},
        ]
        answer = self._ec2.describe_network_interfaces(Filters=filters)
        ids = [
            item["NetworkInterfaceId"]
            for item in answer["NetworkInterfaces"]
            if not item.get("Description", "").startswith(_FOREIGN_INTERFACES)
        ]
        if not ids:
            return None
        self._pause(_POLLS * _POLL_SECONDS)
        return f"the network interfaces {', '.join(sorted(ids))}"
