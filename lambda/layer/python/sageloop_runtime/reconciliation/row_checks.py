"""Rows of the state table that the functions did not write like this."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sageloop_runtime.champion.record import FAILED, LIVE, PROMOTING, ROLLED_BACK
from sageloop_runtime.jobs.triggers import Trigger
from sageloop_runtime.reconciliation.finding import Finding

_STATES = (PROMOTING, LIVE, ROLLED_BACK, FAILED, "deleting")


def champion_row_findings(endpoint: str, row: Mapping[str, Any]) -> Iterator[Finding]:
    """A champion's record with a state that promotions never write: they would not go on."""
    state = row.get("state")
    if state is not None and state not in _STATES:
        yield _edited(f"champion#{endpoint}", f"its state is {state!r}, not {_listed(_STATES)}")


def loop_row_findings(row_id: str, row: Mapping[str, Any]) -> Iterator[Finding]:
    """A loop's row with a trigger that cannot be read: its job can be neither ended nor started."""
    for name in ("trigger", "pending"):
        text = row.get(name)
        if text is None:
            continue
        try:
            Trigger.of(json.loads(text))
        except (KeyError, TypeError, ValueError):
            yield _edited(row_id, f"its {name} is no trigger: {str(text)[:100]!r}")


def _edited(row_id: str, problem: str) -> Finding:
    return Finding(
        key=f"row edited: {row_id}, {problem}",
        text=f"The row {row_id} of the state table was edited: {problem}. Restore it from a "
        "backup, or correct the attribute.",
    )


def _listed(states: tuple[str, ...]) -> str:
    return ", ".join(states[:-1]) + f" or {states[-1]}"
