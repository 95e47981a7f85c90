"""A job without gate, alarm and reconciler."""

from __future__ import annotations

import json
from typing import Any

from documents import JOB
from sageloop_runtime.times import iso
from world import World

OWN, SECOND, THIRD = "ml.m5.large", "ml.g5.xlarge", "ml.g4dn.xlarge"
FALLBACKS = [SECOND, THIRD]
NO_CAPACITY = "CapacityError: Unable to provision requested ML compute capacity"


def standalone(kind: str = "training", **changes: Any) -> World:
    """A job without gate, alarm and reconciler."""
    world = World(kind=kind, standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    world.deploy(**changes)
    return world


def manual_event(world: World, request_id: str = "1", **more: Any) -> dict[str, Any]:
    return {"source": "manual", "id": request_id, "time": iso(world.now), **more}


def loop(world: World) -> dict[str, Any]:
    return world.row(f"loop#{JOB}")


def types(world: World, name: str) -> str:
    text = json.dumps(world.jobs[name], default=str)
    (name_of_type,) = {t for t in (OWN, SECOND, THIRD) if f'"{t}"' in text}
    return name_of_type
