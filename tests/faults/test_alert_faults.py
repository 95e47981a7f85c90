"""Alerts while SNS refuses them: nothing waits for them, none is lost, and each is sent once."""

from __future__ import annotations

import pytest
from documents import DAY, ENDPOINT, HOUR, JOB
from fake_client import FakeClient, client_error
from sageloop_runtime.aws.alerts import AlertPublisher, alert
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.previous_release import ATTRIBUTES
from world import World

ROW = "loop#j"
REFUSED = client_error("KMSDisabled", "the key of the topic is disabled")


class Outbox:
    """One row with alerts in a world whose SNS can refuse."""

    def __init__(self) -> None:
        self.world = World()
        self.table = StateTable(FakeClient(self.world, "dynamodb"), "state")
        self.publisher = AlertPublisher(
            sns=FakeClient(self.world, "sns"), topic="arn:aws:sns:eu-west-1:123456789012:alerts",
            table=self.table, metrics=Metrics(FakeClient(self.world, "cloudwatch"), "sageloop"),
        )  # fmt: skip

    def add(self, *texts: str) -> None:
        for text in texts:
            assert self.table.swap(ROW, change=alert(text))

    def refuse(self, times: int) -> None:
        self.world.failures["sns:Publish"] = [REFUSED] * times

    def publish(self, at: float | None = 0.0) -> bool:
        return self.publisher.publish(ROW, self.table.get(ROW), {"Job": "j"}, at)


def test_alerts_are_sent_in_order_and_removed() -> None:
    outbox = Outbox()
    outbox.add("first", "second")
    assert outbox.publish()
    assert outbox.world.alerts_sent == ["first", "second"]
    assert outbox.table.get(ROW) == {}
    assert outbox.world.metric("AlertsSent") == [1.0, 1.0]


def test_refused_alert_is_kept_with_the_error() -> None:
    outbox = Outbox()
    outbox.add("first", "second")
    outbox.refuse(1)
    assert not outbox.publish()
    row = outbox.table.get(ROW) or {}
    assert row["alerts"] == ["first", "second"]
    assert "the key of the topic is disabled" in row["alerts_error"]
    assert outbox.world.metric("AlertsRefused") == [1.0]


def test_alerts_after_a_refused_one_wait_for_it() -> None:
    outbox = Outbox()
    outbox.add("first", "second")
    outbox.world.failures["sns:Publish"] = []
    outbox.publish()
    outbox.add("third", "fourth")
    outbox.refuse(1)
    outbox.publish(10.0)
    outbox.publish(10.0 + 60)
    assert outbox.world.alerts_sent == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    ("refusals", "wait"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (12, 3600)]
)
def test_time_between_attempts_doubles_up_to_one_hour(refusals: int, wait: int) -> None:
    outbox = Outbox()
    outbox.add("first")
    outbox.refuse(refusals)
    at = 0.0
    for _ in range(refusals):
        outbox.publish(at)
        at = (outbox.table.get(ROW) or {})["alerts_retry_at"]
    before = outbox.world.counts["sns:Publish"]
    last = at - wait
    assert not outbox.publish(last + wait - 1)
    assert outbox.world.counts["sns:Publish"] == before
    assert outbox.publish(last + wait)
    assert outbox.table.get(ROW) == {}


def test_alert_that_is_added_while_another_is_sent_stays() -> None:
    outbox = Outbox()
    outbox.add("first")
    original = outbox.world._publish

    def interleave(Message: str, **more: str) -> None:
        original(Message, **more)
        if Message == "first":
            outbox.add("second")

    outbox.world._publish = interleave  # type: ignore[method-assign]
    outbox.publish()
    assert (outbox.table.get(ROW) or {})["alerts"] == ["second"]
    outbox.publish()
    assert outbox.world.alerts_sent == ["first", "second"]


def test_of_many_refused_alerts_the_newest_are_kept() -> None:
    outbox = Outbox()
    outbox.add(*(str(i) for i in range(120)))
    outbox.refuse(1)
    outbox.publish()
    assert (outbox.table.get(ROW) or {})["alerts"] == [str(i) for i in range(20, 120)]


def test_alert_of_the_previous_release_is_sent_before_the_others() -> None:
    outbox = Outbox()
    outbox.add("new")
    previous = ATTRIBUTES["champion"]["alert"]
    outbox.world.rows[ROW][previous] = {"S": "old"}
    outbox.publish()
    assert outbox.world.alerts_sent == ["old", "new"]
    assert outbox.table.get(ROW) == {}


def test_metric_that_cloudwatch_refuses_does_not_hold_up_alerts() -> None:
    outbox = Outbox()
    outbox.add("first", "second")
    outbox.world.failures["cloudwatch:PutMetricData"] = [client_error("InternalFailure", "no", 500)]
    assert outbox.publish()
    assert outbox.world.alerts_sent == ["first", "second"]


def test_promotions_go_on_while_sns_refuses_every_alert() -> None:
    world = World().with_champion()
    world.failures["sns:Publish"] = [REFUSED] * 1000
    world.challenge()
    world.move_endpoint("rollback")
    world.drain()
    world.now += DAY
    world.challenge(metric=4.0)
    world.move_endpoint()
    world.drain()
    row = world.row(f"champion#{ENDPOINT}")
    assert (row["state"], row["package_arn"]) == ("live", world.packages[2]["ModelPackageArn"])
    assert world.dead == []


def test_every_alert_arrives_once_sns_accepts_them_again() -> None:
    world = World().with_champion()
    world.failures["sns:Publish"] = [REFUSED] * 1000
    world.challenge()
    world.move_endpoint("rollback")
    world.drain()
    world.failures["sns:Publish"] = []
    world.now += HOUR
    world.reconcile()
    world.reconcile()
    assert len(world.alerts_sent) == 1
    assert "alerts" not in world.row(f"champion#{ENDPOINT}")
    assert "alerts" not in world.row(f"loop#{JOB}")
