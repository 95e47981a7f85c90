"""Rows, events and environment variables of the previous release are read under both names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import HOUR
from fake_client import FakeClient
from previous_release_scenarios import (
    CHAMPION,
    ROWS,
    SCENARIOS,
    SWITCH,
    event,
    previous_attributes,
    replace_rows,
    schedule,
)
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.champion.record import Champion
from sageloop_runtime.config import (
    EndpointScheduleConfig,
    EvaluateConfig,
    PromoteConfig,
    StartConfig,
)
from sageloop_runtime.jobs.triggers import Trigger
from sageloop_runtime.previous_release import ATTRIBUTES
from sageloop_runtime.times import iso
from world import World


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its alerts in one list, without other messages, and with its JSON parsed."""
    messages = {"alert", "alerts", "alerts_error", "alerts_refused", "alerts_retry_at", "reason"}
    result: dict[str, Any] = {key: value for key, value in row.items() if key not in messages}
    result["alerts"] = len([*row.get("alerts", []), *([row["alert"]] if "alert" in row else [])])
    for key in ("trigger", "pending"):
        if key in result:
            result[key] = Trigger.of(json.loads(result[key]))
    if "manual_request" in result:
        result["manual_request"] = Champion(row=row).manual_request
    return result


# rows


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_row_of_the_previous_release_is_read_as_the_present_one(scenario: str) -> None:
    world = SCENARIOS[scenario]()
    present = {row_id: comparable(world.row(row_id)) for row_id in ROWS[scenario]}
    replace_rows(world, scenario)
    assert {row_id: comparable(world.row(row_id)) for row_id in ROWS[scenario]} == present


def test_every_renamed_attribute_is_in_a_row_of_the_previous_release() -> None:
    written = {
        (row_id.partition("#")[0], attribute)
        for rows in ROWS.values()
        for row_id, row in rows.items()
        for attribute in row
    }
    renamed = {
        (kind, previous) for kind, names in ATTRIBUTES.items() for previous in names.values()
    }
    assert renamed - written == set()


def test_present_functions_write_no_previous_name() -> None:
    written = {name for scenario in SCENARIOS.values() for name in previous_attributes(scenario())}
    assert written == set()


@pytest.mark.parametrize("value", [None, "second"])
def test_write_of_a_renamed_attribute_removes_its_previous_name(value: str | None) -> None:
    world = World()
    world.rows["loop#j"] = {"id": {"S": "loop#j"}, "page": {"S": "first"}}
    table = StateTable(FakeClient(world, "dynamodb"), "state")
    assert table.swap("loop#j", change={"alert": value}, expect={"alert": "first"})
    assert table.get("loop#j") == ({} if value is None else {"alert": value})
    assert "page" not in world.rows["loop#j"]


@pytest.mark.parametrize("expected", [None, "other"])
def test_condition_on_a_renamed_attribute_holds_only_for_its_value(expected: str | None) -> None:
    world = World()
    world.rows["loop#j"] = {"id": {"S": "loop#j"}, "page": {"S": "first"}}
    table = StateTable(FakeClient(world, "dynamodb"), "state")
    assert not table.swap("loop#j", change={"alert": None}, expect={"alert": expected})


def test_present_name_counts_where_a_row_has_both() -> None:
    world = World()
    row = {"id": {"S": "loop#j"}, "page": {"S": "previous"}, "alert": {"S": "present"}}
    world.rows["loop#j"] = row
    table = StateTable(FakeClient(world, "dynamodb"), "state")
    assert table.get("loop#j") == {"alert": "present"}
    assert not table.swap("loop#j", change={"alert": None}, expect={"alert": "previous"})


# events and environment variables


@pytest.mark.parametrize(
    ("action", "present"), [("park", "stop"), ("unpark", "start"), ("stop", "stop")]
)
def test_manual_actions_of_both_releases_are_recorded(action: str, present: str) -> None:
    world = SCENARIOS["rolled_back_manually"]()
    world.now += HOUR
    assert world.run("promote", event(world, "new", action=action))["status"] == "accepted"
    assert ("stopped" in world.row(CHAMPION)) == (present == "stop")


@pytest.mark.parametrize("action", ["down", "stop"])
def test_scheduled_actions_of_both_releases_are_recorded(action: str) -> None:
    world = World().with_champion()
    assert schedule(world, action) == "stopping"
    assert world.row(SWITCH)["desired_state"] == "stopped"


def test_manual_events_of_both_releases_start_a_job_once_each() -> None:
    world = World().with_data()
    first = world.run("start_training", event(world, "1"))
    assert world.run("start_training", event(world, "1"))["reason"] == "duplicate"
    world.finish(first["job_name"], metric=50.0)
    world.drain()
    present = {"source": "manual", "id": "2", "time": iso(world.now)}
    second = world.run("start_training", present)
    assert second["status"] == "started"
    assert world.run("start_training", present)["reason"] == "duplicate"


def test_variables_of_the_previous_release_are_read() -> None:
    names = {
        "ALERT_TOPIC_ARN": "PAGE_TOPIC_ARN", "GROUND_TRUTH_URI": "TRUTH_URI",
        "GROUND_TRUTH_DELAY_MINUTES": "TRUTH_DELAY_MINUTES",
        "IDLE_TIMEOUT_SECONDS": "IDLE_SECONDS",
    }  # fmt: skip
    present = {**World().environment(), "IDLE_TIMEOUT_SECONDS": "3600"}
    previous = {names.get(name, name): value for name, value in present.items()}
    for config in (StartConfig, PromoteConfig, EvaluateConfig, EndpointScheduleConfig):
        assert config.read(previous) == config.read(present)
