"""Operations on event source mappings."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.moto_sqs import dead_letters_of
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.functions.errors import conflict, invalid, not_found
from sageloop.local_cloud.functions.event_sources.mapping import (
    Mapping,
    Settings,
    queue_of,
    refuse_members,
    settings_of,
)
from sageloop.local_cloud.functions.event_sources.poller import Poller
from sageloop.local_cloud.functions.names import FunctionRef, parse_reference, queue_url
from sageloop.local_cloud.functions.paging import page
from sageloop.local_cloud.functions.role_permissions import RolePermissions
from sageloop.local_cloud.functions.runner import Outcome

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.functions.invoke_api import InvokeApi
    from sageloop.local_cloud.functions.model import FunctionRepository

_ARRIVING = (
    "sqs:SendMessage", "sqs:SendMessageBatch", "sqs:ChangeMessageVisibility",
    "sqs:ChangeMessageVisibilityBatch", "sqs:CreateQueue", "sqs:SetQueueAttributes",
)  # fmt: skip
_POLLER = "lambda.amazonaws.com"


class EventSourceApi:
    """The API of event source mappings, with a poller for each mapping."""

    def __init__(
        self, cloud: Cloud, repository: FunctionRepository, invocations: InvokeApi
    ) -> None:
        self._cloud = cloud
        self._repository = repository
        self._invocations = invocations
        self._permissions = RolePermissions(cloud)
        self._lock = threading.Lock()
        self._pollers: dict[str, Poller] = {}
        for action in _ARRIVING:
            self._cloud.front.after(action, self._arrived)
        self._cloud.front.after("sqs:ReceiveMessage", self._received)
        self._cloud.authorizer.add_name("lambda:event-source-mapping", self._function_of)

    @operation("CreateEventSourceMapping")
    def create_mapping(self, call: Call) -> dict[str, Any]:
        """Create a mapping of a queue to a function."""
        queue_arn = queue_of(call.params)
        ref = self._reference(call)
        function = self._repository.get(ref)
        version = self._repository.version(function, ref.qualifier)
        mapping = Mapping(
            queue_arn=queue_arn, ref=ref, function_arn=function.arn_of(ref.qualifier),
            settings=settings_of(call.params, Settings(), fifo=queue_arn.endswith(".fifo")),
            modified=self._cloud.clock.now(), region=call.region, account_id=call.account_id,
            tags=dict(call.params.get("Tags", {})),
        )  # fmt: skip
        self._check_queue(queue_arn, version.role, version.timeout)
        poller = Poller(
            self._cloud, mapping, invoke=self._invoke, role_of=self._role_of, count=self._count
        )
        with self._lock:
            self._refuse_double(mapping)
            self._pollers[mapping.id] = poller
        poller.wake()
        return mapping.described("Creating")

    @operation("GetEventSourceMapping")
    def get_mapping(self, call: Call) -> dict[str, Any]:
        """One mapping."""
        return self._find(call).mapping.described()

    @operation("ListEventSourceMappings")
    def list_mappings(self, call: Call) -> dict[str, Any]:
        """Mappings of a queue, of a function, or all."""
        queue, function = call.params.get("EventSourceArn"), call.params.get("FunctionName")
        reference = self._reference(call) if function else None
        mappings = [
            m.described()
            for m in self._mappings()
            if queue in (None, m.queue_arn) and (reference is None or reference == m.ref)
        ]
        return page("EventSourceMappings", mappings, call)

    @operation("UpdateEventSourceMapping")
    def update_mapping(self, call: Call) -> dict[str, Any]:
        """Change a mapping's function or settings."""
        refuse_members(call.params)
        poller = self._find(call)
        old = poller.mapping
        ref = self._reference(call) if call.params.get("FunctionName") else old.ref
        function = self._repository.get(ref)
        version = self._repository.version(function, ref.qualifier)
        self._check_queue(old.queue_arn, version.role, version.timeout)
        poller.mapping = replace(
            old, ref=ref, function_arn=function.arn_of(ref.qualifier),
            settings=settings_of(call.params, old.settings, fifo=old.is_fifo),
            modified=self._cloud.clock.now(), reason="USER_INITIATED",
        )  # fmt: skip
        poller.wake()
        poller.plan()
        return poller.mapping.described("Updating")

    @operation("DeleteEventSourceMapping")
    def delete_mapping(self, call: Call) -> dict[str, Any]:
        """Delete a mapping; messages stay in the queue."""
        poller = self._find(call)
        with self._lock:
            self._pollers.pop(poller.mapping.id, None)
        poller.stop()
        return poller.mapping.described("Deleting")

    def find_by_arn(self, arn: str) -> Mapping:
        """The mapping with an ARN. Raises ResourceNotFoundException."""
        for mapping in self._mappings():
            if mapping.arn == arn:
                return mapping
        raise not_found(f"The resource you requested does not exist: {arn}")

    def _function_of(self, mapping_id: str) -> str | None:
        """The function of a mapping, which policies name by ``lambda:FunctionArn``."""
        with self._lock:
            poller = self._pollers.get(mapping_id)
        return None if poller is None else poller.mapping.function_arn

    def _mappings(self) -> list[Mapping]:
        with self._lock:
            return [poller.mapping for poller in self._pollers.values()]

    def _find(self, call: Call) -> Poller:
        with self._lock:
            poller = self._pollers.get(call.params["UUID"])
        if poller is None:
            raise not_found("The resource you requested does not exist.")
        return poller

    def _reference(self, call: Call) -> FunctionRef:
        return parse_reference(call.params["FunctionName"], qualifier=None, region=call.region)

    def _refuse_double(self, mapping: Mapping) -> None:
        for other in (poller.mapping for poller in self._pollers.values()):
            if (other.queue_arn, other.ref) == (mapping.queue_arn, mapping.ref):
                raise conflict(
                    f'An event source mapping with the source arn ("{other.queue_arn}") and the '
                    f'function ("{other.ref.name}") already exists. Please update or delete the '
                    f"existing mapping with UUID {other.id}"
                )

    def _check_queue(self, queue_arn: str, role: str, timeout: int) -> None:
        self._permissions.check_queue(role, queue_arn)
        sqs = self._cloud.client("sqs", principal=INTERNAL, region=queue_arn.split(":")[3])
        try:
            response = sqs.get_queue_attributes(
                QueueUrl=queue_url(queue_arn), AttributeNames=["VisibilityTimeout"]
            )
        except ClientError as error:
            raise invalid(f"The queue {queue_arn} cannot be read as {role}: {error}") from error
        visibility = int(response["Attributes"]["VisibilityTimeout"])
        if visibility < timeout:
            raise invalid(
                f"Queue visibility timeout: {visibility} seconds is less than Function timeout: "
                f"{timeout} seconds"
            )

    def _role_of(self, mapping: Mapping) -> str:
        try:
            function = self._repository.get(mapping.ref)
            return self._repository.version(function, mapping.ref.qualifier).role
        except AwsError:
            # The function is deleted: the service itself reads the queue, and the invocation fails.
            return _POLLER

    def _invoke(self, mapping: Mapping, event: bytes) -> Outcome:
        try:
            return self._invocations.run_for(
                _POLLER, mapping.function_arn, event, mapping.queue_arn
            )
        except AwsError as error:
            if error.status == 404:
                mapping.reason = f"PROBLEM: {error.message}"
            raise

    def _count(self, mapping: Mapping, metric: str, value: float) -> None:
        if self._cloud.services.has("cloudwatch"):
            self._cloud.services.cloudwatch.put(
                "AWS/Lambda", metric, value, dimensions={"EventSourceMappingUUID": mapping.id},
                unit="Count",
            )  # fmt: skip

    def _arrived(self, call: Call, _: Response) -> None:
        name = call.params.get("QueueName") or str(call.params.get("QueueUrl", "")).split("/")[-1]
        for poller in self._pollers_of(regional_arn("sqs", call.region, call.account_id, name)):
            poller.wake()

    def _received(self, call: Call, _: Response) -> None:
        if not self._pollers:
            return
        name = str(call.params["QueueUrl"]).split("/")[-1]
        arn = regional_arn("sqs", call.region, call.account_id, name)
        # A message in flight becomes visible again; one received too often was moved.
        for poller in self._pollers_of(arn):
            poller.plan()
        for poller in self._pollers_of(dead_letters_of(arn) or ""):
            poller.wake()

    def _pollers_of(self, queue_arn: str) -> Iterable[Poller]:
        with self._lock:
            return [p for p in self._pollers.values() if p.mapping.queue_arn == queue_arn]
