"""Requests a manual rollback to a former champion and watches it."""

from __future__ import annotations

import json
import time as wall
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sageloop.champions.endpoints import Promotion, champion_row, version_of
from sageloop.champions.lineage import terms_of
from sageloop.jobs.start import Place


class RollbackError(RuntimeError):
    """The rollback is impossible or was refused; the message has the reason."""


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """The response to a rollback request.

    Attributes:
        endpoint: Name of the endpoint.
        version: The package to roll back to.
        before: The package of the current champion.
        status: ``accepted``, ``ignored`` or ``refused``.
        reason: Why it is not accepted, otherwise None.
        step: The last step of the promote function.

    """

    endpoint: str
    version: int
    before: int
    status: str
    reason: str = ""
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a rollback: whether the package serves, and the champion's record."""

    live: bool
    state: str
    version: int
    config: str
    reason: str


def choose(row: dict[str, Any], version: int | None) -> str:
    """The package to roll back to: the previous champion, or the one with a version.

    Raises:
        RollbackError: If it never served, with the versions that did, or serves already.

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
    """Invoke the promote function with a rollback request.

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
    result = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise RollbackError(str(result.get("errorMessage", result)))
    if result["status"] == "refused":
        raise RollbackError(str(result["reason"]))
    return Rollback(
        endpoint=promotion.endpoint,
        version=version_of(arn),
        before=version_of(row.get("package_arn")),
        status=str(result["status"]),
        reason=str(result.get("reason", "")),
        step=str(result.get("step", "")),
    )


def watch(
    place: Place,
    promotion: Promotion,
    version: int,
    *,
    show: Callable[[str], None],
    pause: Callable[[float], None] = wall.sleep,
) -> Outcome:
    """Poll the record until the request is handled and its rollout has ended.

    Args:
        place: The target that runs the endpoint.
        promotion: The resources of the endpoint.
        version: The requested package.
        show: Receives the progress at every poll.
        pause: Waits the given number of seconds.

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
    """The caller's identity for the record; CloudTrail records it reliably."""
    try:
        return str(place.client("sts").get_caller_identity()["Arn"])
    except ClientError:
        return "an unknown caller"
