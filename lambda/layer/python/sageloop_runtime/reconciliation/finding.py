"""A difference between a deployed loop and what is there, and the record of the present ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.aws.alerts import alert
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.log import log


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference.

    Attributes:
        key: the same in each invocation that finds it, for example ``alarm deleted: NAME``.
        text: a sentence for a person: what is, what should be, and what to do.
        is_repaired: whether this invocation repaired it.

    """

    key: str
    text: str
    is_repaired: bool = False


class FindingsRecord:
    """The row of the present findings; each is reported once, at its first appearance.

    Args:
        table: the state table.
        job: the job of the loop.

    """

    def __init__(self, table: StateTable, job: str) -> None:
        self._table = table
        self.row_id = f"findings#{job}"

    def update(self, findings: Sequence[Finding], now: float) -> int:
        """Record the findings of one invocation, with an alert for each new one.

        Returns:
            The number of new findings.

        """
        row = self._table.get(self.row_id) or {}
        known: dict[str, Any] = row.get("findings", {})
        present = {
            each.key: {"text": each.text, "since": known.get(each.key, {}).get("since", now)}
            for each in findings
            if not each.is_repaired
        }
        new = [each for each in findings if each.is_repaired or each.key not in known]
        change: dict[str, Any] = {"findings": present or None, "checked_at": now}
        if new:
            change |= alert("\n\n".join(each.text for each in new))
        if not self._table.swap(self.row_id, change=change, expect={"findings": known or None}):
            return 0  # another invocation recorded its findings at the same time
        for each in new:
            log("finding", key=each.key, text=each.text, is_repaired=each.is_repaired)
        for key in known.keys() - present.keys():
            log("finding ended", key=key)
        return len(new)
