"""The changes of a champion's row."""

from __future__ import annotations

from typing import Any

import pytest
from sageloop_runtime.aws.state_table import Append
from sageloop_runtime.champion.record import FAILED, LIVE, Champion
from sageloop_runtime.serving.endpoint import EndpointDescription

HOUR = 3600.0


def champion(**row: Any) -> Champion:
    return Champion(row={"endpoint": "flights", "package_arn": "p/2", "config_name": "c-2", **row})


def endpoint(status: str = "InService", **members: Any) -> EndpointDescription:
    filled: dict[str, Any] = {
        "config": "c-1", "pending_config": None, "modified_at": None, "reason": "", **members
    }  # fmt: skip
    return EndpointDescription(status=status, **filled)


@pytest.mark.parametrize(("hours", "overdue"), [(10.0, False), (10.001, True)])
def test_rollout_is_overdue_after_ten_hours(hours: float, overdue: bool) -> None:
    change = champion(rollout_started_at=1000.0).mark_overdue(
        endpoint("Updating"), 1000.0 + hours * HOUR
    )

    assert (change is not None) is overdue
    if change is not None:
        assert change["overdue"] is True
        assert _alerts(change) == [
            "Endpoint flights is still Updating 10 hours after the rollout of c-2 started."
        ]


@pytest.mark.parametrize("row", [{}, {"rollout_started_at": 0.0, "overdue": True}])
def test_rollout_without_a_start_or_with_an_alert_is_not_overdue(row: dict[str, Any]) -> None:
    assert champion(**row).mark_overdue(endpoint("Updating"), 100 * HOUR) is None


def test_rollout_is_not_overdue_without_a_time() -> None:
    assert champion(rollout_started_at=0.0).mark_overdue(endpoint("Updating"), None) is None


def test_creation_is_attempted_twice_and_the_package_is_then_quarantined() -> None:
    failed = endpoint("Failed", reason="no capacity")

    first = champion(requested="c-2").fail_creation(failed)
    assert first == {"creation_attempts": 1, "requested": None}

    second = champion(
        requested="c-2", creation_attempts=1, generation=4, quarantined=["p/1"]
    ).fail_creation(failed)
    text = "Endpoint flights could not be created with package p/2: no capacity."
    assert _alerts(second) == [text]
    assert {key: second[key] for key in ("generation", "state", "requested", "quarantined")} == {
        "generation": 5, "state": FAILED, "requested": None, "quarantined": ["p/1", "p/2"],
    }  # fmt: skip
    assert second["reason"] == text


def test_failure_of_an_endpoint_that_was_not_requested_is_no_attempt() -> None:
    change = champion(requested=None, creation_attempts=1).fail_creation(endpoint("Failed"))

    assert change == {"creation_attempts": 1, "requested": None}


def test_history_has_200_champions_and_each_once() -> None:
    served = [{"package_arn": f"p/{n}"} for n in range(200)]
    row = {"served": served, "package_arn": "p/new", "generation": 7, "by": "ann"}

    change = champion(**row).go_live(5.0, endpoint(modified_at=9.0))

    assert change["served"] == [
        *served[1:],
        {"package_arn": "p/new", "config_name": "c-2", "generation": 7, "since": 9.0, "by": "ann"},
    ]
    again = champion(**row | {"served": change["served"]}).go_live(5.0, endpoint())
    assert "served" not in again


@pytest.mark.parametrize(
    ("now", "modified", "since"),
    [(5.0, 9.0, 9.0), (9.0, 5.0, 9.0), (None, 5.0, 5.0), (5.0, None, 5.0)],
)
def test_champion_is_live_since_the_later_time(
    now: float | None, modified: float | None, since: float
) -> None:
    change = champion().go_live(now, endpoint(modified_at=modified))

    assert (change["state"], change["live_config"], change["live_since"]) == (LIVE, "c-2", since)


def test_time_of_a_live_champion_is_kept() -> None:
    row = {"live_config": "c-2", "live_since": 3.0}

    change = champion(**row).go_live(5.0, endpoint())

    assert "live_since" not in change
    assert change["served"][0]["since"] == 3.0


@pytest.mark.parametrize(
    ("row", "requested"),
    [
        ({"requested": "c-2"}, True), ({"requested": "c-1"}, False), ({}, False),
        ({"config_name": "", "requested": ""}, False),
    ],
)  # fmt: skip
def test_only_the_desired_configuration_is_requested(row: dict[str, Any], requested: bool) -> None:
    assert champion(**row).is_requested is requested


def test_configurations_of_the_row_are_kept() -> None:
    row = {
        "previous_config": "c-1", "live_config": "c-0", "requested": "c-3",
        "former": {"config_name": "c-f"},
    }  # fmt: skip

    assert champion(**row).kept_configs == {"c-0", "c-1", "c-2", "c-3", "c-f"}
    assert champion().kept_configs == {"c-2"}


def test_challenger_that_is_rolled_back_is_quarantined_and_the_former_champion_restored() -> None:
    former = {"package_arn": "p/1", "config_name": "c-1", "image": "i", "serving_digest": "d"}

    change = champion(former=former, generation=3, quarantined=["p/0"]).roll_back(endpoint())

    assert change["quarantined"] == ["p/0", "p/2"]
    assert (change["package_arn"], change["config_name"], change["generation"]) == ("p/1", "c-1", 4)
    assert "refused_digest" not in change
    assert change["reason"] == (
        "Endpoint flights: the rollout of configuration c-2 (package p/2) was rolled back: "
        "no reason given. Configuration c-1 stays in service."
    )


def test_settings_that_are_rolled_back_are_not_tried_again() -> None:
    row = {"former": {"package_arn": "p/2", "config_name": "c-1"}, "serving_digest": "new"}

    change = champion(**row).roll_back(endpoint())

    assert change["refused_digest"] == "new"
    assert "quarantined" not in change


def test_frozen_endpoint_has_the_reason() -> None:
    change = champion().freeze(endpoint("UpdateRollbackFailed", reason="no capacity"))

    assert (change["state"], change["frozen"]) == (FAILED, True)
    assert _alerts(change) == [change["reason"]]
    assert change["reason"] == (
        "Endpoint flights is UpdateRollbackFailed during the rollout of c-2: no capacity. "
        "Promotions are frozen."
    )


def test_request_of_the_previous_release_is_read() -> None:
    old = champion(manual_request='{"package": "p/1", "above": 4}').manual_request
    new = champion(manual_request='{"package": "p/1", "newest_version": 5}').manual_request

    assert old is not None
    assert old["newest_version"] == 4
    assert new is not None
    assert new["newest_version"] == 5
    assert champion(manual_request='{"package": "p/1"}').manual_request == {
        "package": "p/1", "newest_version": 0,
    }  # fmt: skip


def _alerts(change: dict[str, Any]) -> list[str]:
    appended = change["alerts"]
    assert isinstance(appended, Append)
    return list(appended.items)
