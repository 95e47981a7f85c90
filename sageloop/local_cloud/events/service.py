"""EventBridge: buses, rules, targets, and delivery of events."""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.events.bus import Bus, Buses, invalid
from sageloop.local_cloud.events.buses_api import BusesApi
from sageloop.local_cloud.events.dispatch import Dispatcher, stamp
from sageloop.local_cloud.events.injected_faults import deliver
from sageloop.local_cloud.events.patterns import matches, parsed
from sageloop.local_cloud.events.rules_api import RulesApi
from sageloop.local_cloud.events.s3_notifications import S3Notifications
from sageloop.local_cloud.events.sns_delivery import SnsDelivery
from sageloop.local_cloud.events.targets_api import TargetsApi

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_MOST_ENTRIES = 10
_MOST_BYTES = 1_048_576
# AWS's page demands resources too; recordings of TestEventPattern do not have them.
_PARTS_OF_AN_EVENT = ("id", "detail-type", "source", "account", "time", "region")


class EventsService(Service):
    """The operations of EventBridge; other services send their events by :meth:`emit`."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._buses = Buses(cloud.account_id, cloud.clock.time())
        cloud.authorizer.resources.add("events", self._buses.policy_of)
        self._dispatcher = Dispatcher(cloud, self._buses)
        self._rules = RulesApi(cloud, self._buses, self._dispatcher)
        self.include(self._rules)
        self.include(TargetsApi(cloud, self._buses))
        self.include(BusesApi(cloud, self._buses))
        self._sns = SnsDelivery(cloud)
        self._s3 = S3Notifications(cloud)

    def start(self) -> None:
        """Register for the first topics and buckets."""
        self._sns.listen()
        self._s3.listen()

    def stop(self) -> None:
        """Cancel every schedule."""
        self._rules.stop()

    def emit(
        self, source: str, detail_type: str, detail: dict[str, Any], *, resources: list[str],
        region: str | None = None,
    ) -> None:  # fmt: skip
        """Put an AWS service's event on the default bus, in the background.

        Args:
            source: The service, such as ``aws.sagemaker``.
            detail_type: The event's name, such as ``SageMaker Training Job State Change``.
            detail: The event's body.
            resources: ARNs of the resources that the event concerns.
            region: The region, by default the cloud's.

        """
        place = self.cloud.region if region is None else region
        event = self._event(
            source, detail_type, detail, resources=resources, region=place,
            when=self.cloud.clock.time(),
        )  # fmt: skip
        self._publish(self._buses.get(place, None), event)

    def forward(self, event: dict[str, Any], bus_arn: str, *, hops: int) -> None:
        """Put an event on another bus unchanged. Raises ``AwsError`` if the bus does not exist."""
        self._dispatcher.publish(self._buses.get("", bus_arn), event, hops=hops)

    @operation("PutEvents")
    def put_events(self, call: Call) -> dict[str, Any]:
        """Put up to ten events; each is accepted or refused separately."""
        entries = call.params["Entries"]
        if call.params.get("EndpointId"):
            raise invalid("EndpointId is not supported here: there are no global endpoints.")
        if not 1 <= len(entries) <= _MOST_ENTRIES:
            raise invalid(
                f"1 validation error detected: Value at 'entries' failed to satisfy constraint: "
                f"Member must have length between 1 and {_MOST_ENTRIES}, got {len(entries)}"
            )
        if sum(_size(entry) for entry in entries) > _MOST_BYTES:
            raise invalid("Total size of the entries in the request is over the limit.")
        results = [self._put(entry, call.region) for entry in entries]
        return {
            "FailedEntryCount": sum("ErrorCode" in result for result in results),
            "Entries": results,
        }

    @operation("TestEventPattern")
    def test_event_pattern(self, call: Call) -> dict[str, Any]:
        """Whether a pattern matches an event."""
        pattern = parsed(call.params["EventPattern"])
        try:
            event = json.loads(call.params["Event"])
        except ValueError as error:
            raise invalid("Parameter Event is not valid.") from error
        if not isinstance(event, dict):
            raise invalid("Parameter Event is not valid.")
        missing = [part for part in _PARTS_OF_AN_EVENT if part not in event]
        if missing:
            raise invalid(f"Parameter Event is not valid. Reason: it lacks {', '.join(missing)}")
        return {"Result": matches(pattern, event)}

    def _put(self, entry: dict[str, Any], region: str) -> dict[str, Any]:
        refused = _refusal_of(entry)
        if refused is not None:
            return {"ErrorCode": refused[0], "ErrorMessage": refused[1]}
        time = entry.get("Time")
        event = self._event(
            entry["Source"], entry["DetailType"], json.loads(entry["Detail"]),
            resources=entry.get("Resources", []), region=region,
            when=self.cloud.clock.time() if time is None else time.timestamp(),
        )  # fmt: skip
        bus = self._buses.find(region, entry.get("EventBusName"))
        if bus is None:  # as on AWS: accepted, and lost
            log.warning("PutEvents named the bus %s, which does not exist", entry["EventBusName"])
        else:
            self._publish(bus, event)
        return {"EventId": event["id"]}

    def _publish(self, bus: Bus, event: dict[str, Any]) -> None:
        label = f"event {event['detail-type']}"

        def send() -> None:
            self.cloud.activity.spawn(label, lambda: self._dispatcher.publish(bus, event))

        deliver(self.cloud, event["detail-type"], send, label=label)

    def _event(
        self, source: str, detail_type: str, detail: dict[str, Any], *, resources: list[str],
        region: str, when: float,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self.cloud.account_id,
            "time": stamp(when),
            "region": region,
            "resources": list(resources),
            "detail": detail,
        }


def _refusal_of(entry: dict[str, Any]) -> tuple[str, str] | None:
    for member in ("Source", "DetailType", "Detail"):
        if not entry.get(member):
            reason = f"{member} is a required argument."
            return "InvalidArgument", f"Parameter {member} is not valid. Reason: {reason}"
    if entry["Source"].startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        return "MalformedDetail", "Detail is malformed."
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


def _size(entry: dict[str, Any]) -> int:
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", "")]
    return sum(len(text.encode()) for text in [*texts, *entry.get("Resources", [])])
