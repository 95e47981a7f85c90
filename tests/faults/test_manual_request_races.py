"""Manual requests while the records of an endpoint change."""

from __future__ import annotations

from typing import Any

import pytest
from documents import ENDPOINT, GROUP
from fake_client import FakeClient
from racing_table import RacingTable
from sageloop_runtime.aws.state_table import Row
from sageloop_runtime.champion.manual_request import ManualRequestHandler
from sageloop_runtime.errors import TryAgainError
from sageloop_runtime.serving.model_registry import ModelRegistry
from sageloop_runtime.times import iso
from world import World

SERVING, CHAMPION = f"serving#{ENDPOINT}", f"champion#{ENDPOINT}"


class Promoter:
    """Records the steps that are requested of it."""

    def __init__(self) -> None:
        self.steps: list[float | None] = []

    def converge(self, now: float | None) -> str:
        self.steps.append(now)
        return "waiting"


class Stage:
    def __init__(self, world: World) -> None:
        self.world, self.table, self.promoter = world, RacingTable(world), Promoter()
        self.handler = ManualRequestHandler(
            ENDPOINT, table=self.table, promoter=self.promoter,  # type: ignore[arg-type]
            registry=ModelRegistry(FakeClient(world, "sagemaker"), GROUP),
        )  # fmt: skip

    def send(self, action: str = "stop", **changes: Any) -> dict[str, str]:
        event = {"action": action, "id": "one", "time": iso(self.world.now), "by": "ann"}
        return self.handler.handle(event | changes)


def generations(count: int) -> list[tuple[str, Row]]:
    """Writes of others, each of which begins a generation of the champion's record."""
    return [(CHAMPION, {"generation": 100 + number}) for number in range(count)]


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


def test_request_is_recorded_at_the_fifth_attempt(stage: Stage) -> None:
    stage.table.races.extend(generations(4))

    assert stage.send()["status"] == "accepted"
    assert stage.world.row(CHAMPION)["stopped"] is True


def test_request_that_five_changes_prevent_is_tried_again(stage: Stage) -> None:
    stage.table.races.extend(generations(5))

    with pytest.raises(TryAgainError, match="kept changing"):
        stage.send()
    assert "stopped" not in stage.world.row(CHAMPION)
    assert stage.promoter.steps == []


@pytest.mark.parametrize(
    ("row", "change"),
    [(SERVING, {"tombstone": True}), (CHAMPION, {"state": "deleting"}), (SERVING, None)],
)
def test_endpoint_that_is_not_deployed_refuses(
    stage: Stage, row: str, change: Row | None
) -> None:  # fmt: skip
    if change is None:
        stage.table.delete(row)
    else:
        stage.table.swap(row, change=change)

    assert stage.send() == {
        "status": "refused", "reason": "the endpoint is not deployed, or is being deleted",
    }  # fmt: skip


def test_repeated_request_takes_the_next_step(stage: Stage) -> None:
    stage.send()

    assert stage.send() == {
        "status": "ignored", "reason": "this request was handled before", "step": "waiting",
    }  # fmt: skip
    assert stage.promoter.steps == [stage.world.now] * 2


@pytest.mark.parametrize(("seconds", "status"), [(-1, "ignored"), (0, "accepted"), (1, "accepted")])
def test_request_before_the_last_one_is_ignored(stage: Stage, seconds: int, status: str) -> None:
    stage.send()

    answer = stage.send("start", id="two", time=iso(stage.world.now + seconds))

    assert answer["status"] == status
    assert ("stopped" in stage.world.row(CHAMPION)) is (status == "ignored")


@pytest.mark.parametrize("state", ["live", "rolled_back"])
def test_champion_is_not_promoted_again(stage: Stage, state: str) -> None:
    stage.table.swap(CHAMPION, change={"state": state})

    answer = stage.send("promote", package=stage.world.packages[0]["ModelPackageArn"])

    assert answer == {"status": "refused", "reason": "package 1 is the champion already"}


def test_failed_champion_is_promoted_again(stage: Stage) -> None:
    stage.table.swap(CHAMPION, change={"state": "failed"})

    answer = stage.send("promote", package=stage.world.packages[0]["ModelPackageArn"])

    assert answer["status"] == "accepted"
