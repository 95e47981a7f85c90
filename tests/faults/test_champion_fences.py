"""A write of the champion's record fails if another changed what it was decided on."""

from __future__ import annotations

import pytest
from documents import ENDPOINT
from fake_client import FakeClient
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.champion.repository import ChampionRepository
from world import World

ROW = f"champion#{ENDPOINT}"
CHANGES: dict[str, dict[str, str | bool]] = {
    "generation": {"N": "7"}, "state": {"S": "promoting"}, "requested": {"S": "other"},
    "manual_request": {"S": "{}"}, "stopped": {"BOOL": True},
}  # fmt: skip


def repository(world: World) -> ChampionRepository:
    return ChampionRepository(StateTable(FakeClient(world, "dynamodb"), "state"), ENDPOINT)


@pytest.mark.parametrize("attribute", CHANGES)
def test_decision_on_an_attribute_that_another_changed_is_not_written(
    world: World, attribute: str
) -> None:
    champion = repository(world).read()
    world.rows[ROW][attribute] = CHANGES[attribute]
    before = dict(world.rows[ROW])
    assert not repository(world).write(champion, {"reason": "decided before"})
    assert world.rows[ROW] == before


def test_decision_on_an_unchanged_record_is_written(world: World) -> None:
    champion = repository(world).read()
    assert repository(world).write(champion, {"reason": "decided"})
    assert world.row(ROW)["reason"] == "decided"


@pytest.mark.parametrize(("before", "after"), [(None, 1), (3, 4)])
def test_fence_begins_a_generation_in_which_nothing_is_promoted(
    before: int | None, after: int
) -> None:
    world = World()
    if before is not None:
        world.rows[ROW] = {"id": {"S": ROW}, "generation": {"N": str(before)}}
    repository(world).fence()
    assert world.row(ROW) == {"generation": after, "state": "deleting"}


def test_promotion_that_was_decided_before_the_fence_is_not_written(world: World) -> None:
    champion = repository(world).read()
    repository(world).fence()
    assert not repository(world).write(champion, {"state": "live"})
    assert world.row(ROW)["state"] == "deleting"
