"""Time of events; functions never read the clock of their host."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sageloop_runtime.errors import BadInputError

HOUR = 3600.0
DAY = 86400.0


def parse_time(value: object) -> float:
    """Epoch seconds of an ISO 8601 string, a datetime, or a number of epoch milliseconds.

    Raises:
        BadInputError: if the value is none of these.

    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) / 1000.0
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadInputError(
            f"{value!r} is not a time: ISO 8601 or epoch milliseconds is expected"
        ) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def event_time(event: Mapping[str, Any]) -> float:
    """The time of an event in epoch seconds.

    Raises:
        BadInputError: if the event has no time.

    """
    if event.get("time") is None:
        raise BadInputError("the event has no 'time': an ISO 8601 string is expected")
    return parse_time(event["time"])


def iso(at: float) -> str:
    """Epoch seconds as an ISO 8601 string in UTC, the form of the time of events."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def moment(at: float) -> datetime:
    """Epoch seconds as an aware datetime in UTC."""
    return datetime.fromtimestamp(at, UTC)
