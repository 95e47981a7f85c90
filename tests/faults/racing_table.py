"""A state table in which others write between a function's reads and its writes."""

from __future__ import annotations

from collections import deque
from typing import Any

from fake_client import FakeClient
from sageloop_runtime.aws.state_table import Row, StateTable
from world import World


class RacingTable(StateTable):
    """The table of a world.

    Attributes:
        writes: Row and change of each write that was tried.
        races: Row and change of the writes of others, one before each of the next writes.

    """

    def __init__(self, world: World) -> None:
        super().__init__(FakeClient(world, "dynamodb"), "state")
        self.writes: list[tuple[str, Row]] = []
        self.races: deque[tuple[str, Row]] = deque()

    def swap(self, row_id: str, *, change: Any, expect: Any = None) -> bool:
        if self.races:
            other, race = self.races.popleft()
            super().swap(other, change=race)
        self.writes.append((row_id, dict(change)))
        return super().swap(row_id, change=change, expect=expect)
