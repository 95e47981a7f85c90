"""Bringing a former champion back by hand, and watching it come."""

from __future__ import annotations

import json
import time as wall
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sageloop.champions.found import Promotion, champion_row, version_of
from sageloop.champions.lineage import terms_of
from sageloop.jobs.hand import Place


class RollbackError(RuntimeError):
    """The rollback cannot be, or was refused; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A rollback that was asked for.

    Attributes:
        endpoint: Name of the endpoint.
        version: Package that is to serve.
        before: Package that was the champion.
        status: ``accepted``, ``ignored`` or ``refused``.
        reason: Why it is not accepted.
        step: What the promoter did last.

    """

    endpoint: str
    version: int
    before: int
    status: str
    reason: str = ""
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a rollback: whether the package serves, and what the record says."""

    live: bool
    state: str
    version: int
    config: str
    reason: str


def choose(row: dict[str, Any], version: int | None) -> str:
    """The package to bring back: the champion before the present one, or the one of a number.

    Raises:
        RollbackError: If it never served, naming those that did, or serves already.

    """
    served = [str(each["package_arn"]) for each in row.get("served", [])]
    present = str(row.get("package_arn"))
    if version is None:
        former = [arn for arn in served if arn != present]
        if not former:
            raise RollbackError("there is no former champion")
        return former[-1]
    for arn in served:
        if version_of(arn) == version:
            if arn == present and row.get("state") in {"live", "rolled_back"}:
                raise RollbackError(f"package {version} is the champion already")
            return arn
    known = sorted({version_of(arn) for arn in terms_of(row)})
    listed = ", ".join(map(str, known)) if known else "none yet"
    raise RollbackError(f"package {version} never was the champion; those that were: {listed}")


def roll_back(place: Place, promotion: Promotion, version: int | None) -> Rollback:
    """Ask the promote function for a former champion.

    Raises:
        RollbackError: If there is no such champion, or the function fails or refuses.

    """
    row = champion_row(place.client("dynamodb"), promotion)
    arn = choose(row, version)
    event = {
        "source": "manual", "action": "promote", "package": arn, "id": str(uuid.uuid4()),
        "time": datetime.fromtimestamp(place.now(), UTC).isoformat().replace("+00:00", "Z"),
        "by": _who(place),
    }  # fmt: skip
    answer = place.client("lambda").invoke(
        FunctionName=promotion.function, Payload=json.dumps(event)
    )
    told = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise RollbackError(str(told.get("errorMessage", told)))
    if told["status"] == "refused":
        raise RollbackError(str(told["reason"]))
    return Rollback(
        endpoint=promotion.endpoint,
        version=version_of(arn),
        before=version_of(row.get("package_arn")),
        status=str(told["status"]),
        reason=str(told.get("reason", "")),
        step=str(told.get("step", "")),
    )


def watch(
    place: Place,
    promotion: Promotion,
    version: int,
    *,
    show: Callable[[str], None],
    pause: Callable[[float], None] = wall.sleep,
) -> Outcome:
    """Look at the record until the wish is granted and its rollout has ended, however it ended.

    Args:
        place: Where it is.
        promotion: What stands behind the endpoint.
        version: The package asked for.
        show: Called with what goes on, again and again.
        pause: Waits so many seconds.

    """
    while True:
        row = champion_row(place.client("dynamodb"), promotion)
        state, present = str(row.get("state")), version_of(row.get("package_arn"))
        # Rows of the previous release have "wish".
        if row.keys().isdisjoint({"manual_request", "wish"}) and state != "promoting":
            return Outcome(
                live=state == "live" and present == version, state=state, version=present,
                config=str(row.get("live_config", "")), reason=str(row.get("reason", "")),
            )  # fmt: skip
        show(f"{state}, package {present}")
        pause(place.pause)


def _who(place: Place) -> str:
    """Who asks, for the record; AWS's own trail has the proof."""
    try:
        return str(place.client("sts").get_caller_identity()["Arn"])
    except ClientError:
        return "somebody"
