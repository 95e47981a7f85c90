"""Reads and writes the champion's record of one endpoint."""

from __future__ import annotations

from typing import Any

from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.champion.record import Champion

_EXPECTED = ("generation", "state", "requested", "manual_request", "stopped")


class ChampionRepository:
    """The champion's row of one endpoint in the state table.

    Args:
        table: the state table.
        endpoint: the endpoint's name.

    """

    def __init__(self, table: StateTable, endpoint: str) -> None:
        self._table = table
        self._endpoint = endpoint
        self.row_id = f"champion#{endpoint}"

    def read(self) -> Champion:
        """The record as it is now."""
        row = self._table.get(self.row_id) or {}
        return Champion(row={**row, "endpoint": self._endpoint})

    def write(self, champion: Champion, change: Row) -> bool:
        """Change the record, unless it was changed since it was read."""
        expect = {key: champion.row.get(key) for key in _EXPECTED}
        return self._table.swap(self.row_id, change=change, expect=expect)

    def fence(self) -> None:
        """Make every concurrent change fail; called before the deletion of the endpoint."""
        champion = self.read()
        generation = int(champion.row.get("generation", 0)) + 1
        change: dict[str, Any] = {"generation": generation, "state": "deleting"}
        self._table.swap(self.row_id, change=change)
