"""Names that the previous release wrote, so that a deployed loop continues after an update.

Functions read rows, events and environment variables under both names and write the present one.
A write of an attribute removes its previous name, and a condition on it accepts either, so that
no row is migrated on its own and concurrent writers still exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ATTRIBUTES: dict[str, dict[str, str]] = {
    "champion": {
        "alert": "page", "creation_attempts": "creates", "deregistered_targets": "unscaled",
        "manual_request": "wish", "manual_request_id": "hand_id", "manual_request_time": "hand_at",
        "rollout_started_at": "begun_at", "stop_start_at": "parked_at", "stopped": "parked",
        "superseded_version": "passed_over",
    },
    "loop": {"alert": "page", "alerted_series": "paged", "latest_event_time": "seen_at"},
    "result": {
        "capacity_error": "capacity", "outcome": "verdict", "stopped_on_request": "wanted",
    },
    "switch": {"desired_state": "wanted", "requested_at": "at", "requested_by": "by"},
}  # fmt: skip
"""For each type of row, the present name of an attribute and its previous one."""

_VALUES: dict[tuple[str, str], dict[str, str]] = {
    ("switch", "desired_state"): {"down": "stopped", "up": "started"},
}
_ACTIONS = {"down": "stop", "park": "stop", "unpark": "start", "up": "start"}
_SOURCES = {"hand": "manual"}
_ENVIRONMENT = {
    "ALERT_TOPIC_ARN": "PAGE_TOPIC_ARN",
    "GROUND_TRUTH_DELAY_MINUTES": "TRUTH_DELAY_MINUTES",
    "GROUND_TRUTH_URI": "TRUTH_URI",
    "IDLE_TIMEOUT_SECONDS": "IDLE_SECONDS",
}


def previous_names(row_id: str) -> Mapping[str, str]:
    """The renamed attributes of a row: present name to previous name."""
    return ATTRIBUTES.get(row_id.partition("#")[0], {})


def present_row(row_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the present names; where it has both, the present one counts."""
    result, kind = dict(row), row_id.partition("#")[0]
    for present, previous in previous_names(row_id).items():
        if previous in result:
            value = result.pop(previous)
            result.setdefault(present, _VALUES.get((kind, present), {}).get(value, value)
                              if isinstance(value, str) else value)  # fmt: skip
    return result


def previous_value(row_id: str, attribute: str, value: Any) -> Any:
    """The value of an attribute as the previous release wrote it."""
    for previous, present in _VALUES.get((row_id.partition("#")[0], attribute), {}).items():
        if present == value:
            return previous
    return value


def present_action(action: Any) -> Any:
    """The action of an event: ``stop`` for ``park`` and ``down``, ``start`` for the reverse."""
    return _ACTIONS.get(action, action) if isinstance(action, str) else action


def present_source(source: Any) -> Any:
    """The source of an event: ``manual`` for ``hand``."""
    return _SOURCES.get(source, source) if isinstance(source, str) else source


def variable(environment: Mapping[str, str], name: str) -> str | None:
    """An environment variable; Lambda may run new code before its new variables are set."""
    return environment.get(name) or environment.get(_ENVIRONMENT.get(name, name)) or None
