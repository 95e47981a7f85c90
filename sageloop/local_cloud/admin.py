"""The cloud's own small API under ``/_sageloop``: health, clock, settle, record, faults.

The front lets in those who hold the cloud's admin token, and nobody else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.core.request import Request

from sageloop.local_cloud.core.wire import Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

PREFIX = "/_sageloop/admin/"
VERBS = ("health", "clock", "settle", "calls", "faults", "file_systems", "stop")


class Admin:
    """Answers what a person, a test or the demo asks of the cloud itself."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._verbs = {verb: getattr(self, f"_{verb}") for verb in VERBS}
        cloud.front.add_route(PREFIX, self.serve)

    def serve(self, request: Request) -> Response:
        """Serve one verb; the body and the answer are JSON."""
        verb = self._verbs.get(request.path.removeprefix(PREFIX))
        if verb is None:
            return _json({"error": f"no such verb; there are {', '.join(self._verbs)}"}, 404)
        try:
            asked = json.loads(request.get_data() or b"{}")
            if not isinstance(asked, dict):
                return _json({"error": "the body must be a JSON object"}, 400)
            return _json(verb(asked))
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

    def _clock(self, asked: dict[str, Any]) -> dict[str, Any]:
        clock = self._cloud.clock
        if "rate" in asked:
            clock.set_rate(float(asked["rate"]))
        if "advance" in asked:
            clock.advance(float(asked["advance"]))
        return {"time": clock.time(), "rate": clock.rate}

    def _settle(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"in_flight": self._cloud.settle(float(asked.get("timeout", 60)))}

    def _calls(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = self._cloud.recorder.calls(
            after=int(asked.get("after", 0)), action=asked.get("action")
        )
        return {"calls": [c.as_dict() for c in found]}

    def _faults(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("clear"):
            self._cloud.faults.clear()
            return {}
        return {"match": self._cloud.faults.order(**asked).match}

    def _file_systems(self, asked: dict[str, Any]) -> dict[str, Any]:
        systems = self._cloud.services.sagemaker.file_systems
        systems.register(asked["file_system_id"], asked["path"])
        return {"file_system_id": asked["file_system_id"]}

    def _stop(self, _: dict[str, Any]) -> dict[str, Any]:
        self._cloud.stopped_by_request.set()
        return {"stopping": True}


def _json(value: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(value, default=str).encode()
    return Response(status, {"Content-Type": "application/json"}, body)
