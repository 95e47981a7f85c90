"""The cloud's own API under ``/_sageloop``: health, clock, settle, record, faults.

The front requires the cloud's admin token for it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.core.request import Request

from sageloop.local_cloud.core.wire import Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

PREFIX = "/_sageloop/admin/"
VERBS = ("health", "clock", "settle", "calls", "access", "usage", "faults", "file_systems",
         "published", "stop")  # fmt: skip


class Admin:
    """Serves requests to the cloud's own API, from people, tests and the demo."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._verbs = {verb: getattr(self, f"_{verb}") for verb in VERBS}
        cloud.front.add_route(PREFIX, self.serve)

    def serve(self, request: Request) -> Response:
        """Serve one verb; request and response bodies are JSON."""
        verb = self._verbs.get(request.path.removeprefix(PREFIX))
        if verb is None:
            return _json({"error": f"no such verb; the verbs are {', '.join(self._verbs)}"}, 404)
        try:
            members = json.loads(request.get_data() or b"{}")
            if not isinstance(members, dict):
                return _json({"error": "the body must be a JSON object"}, 400)
            return _json(verb(members))
        except (TypeError, ValueError, RecursionError) as error:
            return _json({"error": str(error)}, 400)
        except KeyError as error:
            return _json({"error": f"{error.args[0]} is missing"}, 400)

    def _health(self, _: dict[str, Any]) -> dict[str, Any]:
        cloud = self._cloud
        return {
            "ok": True,
            "account": cloud.account_id,
            "region": cloud.region,
            "services": sorted(cloud.front.services),
            "processes": {str(k): v for k, v in cloud.processes.running().items()},
            "work_seconds": cloud.processes.work_seconds(),
            "in_flight": cloud.activity.in_flight() + cloud.clock.held(),
        }

    def _clock(self, members: dict[str, Any]) -> dict[str, Any]:
        clock = self._cloud.clock
        if "rate" in members:
            clock.set_rate(float(members["rate"]))
        if "advance" in members:
            clock.advance(float(members["advance"]))
        return {"time": clock.time(), "rate": clock.rate}

    def _settle(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"in_flight": self._cloud.settle(float(members.get("timeout", 60)))}

    def _calls(self, members: dict[str, Any]) -> dict[str, Any]:
        calls = self._cloud.recorder.calls(
            after=int(members.get("after", 0)), action=members.get("action")
        )
        return {"calls": [c.as_dict() for c in calls]}

    def _access(self, members: dict[str, Any]) -> dict[str, Any]:
        authorizer = self._cloud.authorizer
        records = authorizer.log.records(denied=bool(members.get("denied")))
        return {
            "mode": authorizer.mode.value, **authorizer.log.summary(),
            "records": [] if members.get("summary") else [r.as_dict() for r in records],
        }  # fmt: skip

    def _usage(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"roles": [usage.as_dict() for usage in self._cloud.authorizer.usage()]}

    def _faults(self, members: dict[str, Any]) -> dict[str, Any]:
        if members.get("clear"):
            self._cloud.faults.clear()
            return {}
        return {"match": self._cloud.faults.inject(**members).match}

    def _file_systems(self, members: dict[str, Any]) -> dict[str, Any]:
        systems = self._cloud.services.sagemaker.file_systems
        systems.register(members["file_system_id"], members["path"])
        return {"file_system_id": members["file_system_id"]}

    def _published(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"messages": [each.as_dict() for each in self._cloud.published.messages()]}

    def _stop(self, _: dict[str, Any]) -> dict[str, Any]:
        self._cloud.stopped_by_request.set()
        return {"stopping": True}


def _json(value: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(value, default=str).encode()
    return Response(status, {"Content-Type": "application/json"}, body)
