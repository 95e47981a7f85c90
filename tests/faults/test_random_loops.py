"""Random sequences of events and faults around two loops in one account: invariants hold.

The faults: events lost, doubled, late and reordered; functions killed before or after any call;
calls throttled, or failed after their effect; services that deny access for an hour; stale lists;
clocks that jump; manual changes; deployments in the middle.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import Any

import pytest
from account import OTHER, SERVICES, Account
from documents import COOLDOWN, ENDPOINT, HOUR, JOB, MAX_ATTEMPTS, serving_document
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sageloop_runtime.times import iso
from world import Killed

OUTCOMES = st.sampled_from(["ok", "ok", "ok", "rollback", "failed", "stuck"])
MANUAL = (
    "endpoint deleted", "configuration", "alarm deleted", "rule disabled", "scaling removed",
    "rows deleted",
)  # fmt: skip


class Loop(RuleBasedStateMachine):
    """The loops, with their events in any order."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.world = Account()
        self.random = random.Random(seed)
        self.version = 1
        self.requests = 0
        self.alarm_starts: dict[str, list[float]] = {JOB: [], OTHER: []}

    # what happens

    @rule(hours=st.sampled_from([0.1, 1.0, 7.0, 30.0]))
    def time_passes(self, hours: float) -> None:
        self.world.pass_time(hours)

    @rule(state=st.sampled_from(["OK", "ALARM", "ALARM"]))
    def alarm_changes(self, state: str) -> None:
        if self.world.alarms["flights-error"]["StateValue"] != state:
            self.world.trigger(self.world.set_alarm(state))

    @rule(again=st.booleans())
    def data_arrives(self, again: bool) -> None:
        self.version += not again
        self.world.trigger(self.world.data_event(f"v{self.version}"))

    @rule(
        metric=st.sampled_from([5.0, 8.0, 50.0, None]),
        status=st.sampled_from(["Completed", "Completed", "Failed", "Stopped"]),
        reason=st.sampled_from(["InternalServerError: host", "AlgorithmError: exit 1"]),
    )
    def training_ends(self, metric: float | None, status: str, reason: str) -> None:
        for name in self.world.running_jobs():
            self.world.finish(name, metric=metric, status=status, reason=reason)

    @rule(outcome=OUTCOMES)
    def endpoint_moves(self, outcome: str) -> None:
        self.world.move_endpoint(outcome)

    @rule(
        action=st.sampled_from(["promote", "promote", "stop", "start"]), version=st.integers(1, 3)
    )
    def person_requests(self, action: str, version: int) -> None:
        event = self._request(action)
        if action == "promote" and version <= len(self.world.packages):
            event["package"] = self.world.packages[version - 1]["ModelPackageArn"]
        self.world.queue.append(("promote", event))

    def _request(self, action: str) -> dict[str, str]:
        self.requests += 1
        return {
            "source": "manual", "action": action, "id": str(self.requests),
            "time": iso(self.world.now + self.requests / 1000),
        }  # fmt: skip

    # deployments

    @rule(
        keep=st.integers(1, 3), count=st.integers(2, 3), weight=st.sampled_from([1.0, 0.5]),
        scaled=st.booleans(), kill=st.none() | st.tuples(st.integers(1, 8), st.booleans()),
        seconds=st.sampled_from([1800, 3600]),
    )  # fmt: skip
    def stack_is_deployed(
        self, *, keep: int, count: int, weight: float, scaled: bool,
        kill: tuple[int, bool] | None, seconds: int,
    ) -> None:  # fmt: skip
        variant = {
            "VariantName": "AllTraffic", "InstanceType": "ml.m5.large",
            "InitialInstanceCount": count, "InitialVariantWeight": weight,
        }  # fmt: skip
        changes: dict[str, Any] = {} if scaled else {"scaling": []}
        document = serving_document(
            keep_configs=keep, config={"ProductionVariants": [variant]}, **changes
        )
        self.world.deploy_job(seconds)
        self.world.kill_at = kill
        with suppress(Killed):
            self.world.deploy_serving(document)
        self.world.kill_at = None
        self.world.deploy_serving(document)  # Lambda tries a killed invocation again

    # delivery

    @rule(count=st.integers(1, 6))
    def events_arrive(self, count: int) -> None:
        for _ in range(min(count, len(self.world.queue))):
            self.world.deliver(*self.world.queue.pop(0))

    @rule(metric=st.sampled_from([4.0, 3.0, 2.0]))
    def everything_goes_well(self, metric: float) -> None:
        self.world.drain()
        for name in self.world.running_jobs():
            self.world.finish(name, metric=metric)
        self.world.drain()
        self.world.move_endpoint()
        self.world.drain()

    @rule()
    def reconciler_runs(self) -> None:
        self.world.reconcile_both()

    # faults

    @rule(kind=st.sampled_from(["doubled", "reordered", "lost", "late", "redriven"]),
          hours=st.sampled_from([2.0, 8.0, 26.0]))  # fmt: skip
    def events_are(self, kind: str, hours: float) -> None:
        world = self.world
        if kind == "doubled":
            world.queue += world.queue[: max(0, 40 - len(world.queue))]
        elif kind == "reordered":
            self.random.shuffle(world.queue)
        elif kind == "lost":
            world.queue = []
        elif kind == "late":
            world.postpone(hours)
        else:
            world.redrive()

    @rule(
        kind=st.sampled_from(["denied", "stale", "clock", "person", "person", "repaired"]),
        service=st.sampled_from(SERVICES), what=st.sampled_from(MANUAL),
        minutes=st.sampled_from([-5, 5]), reads=st.tuples(*[st.integers(0, 2)] * 3),
    )  # fmt: skip
    def account_changes(
        self, kind: str, service: str, what: str, minutes: int, reads: tuple[int, int, int]
    ) -> None:
        world = self.world
        if kind == "denied":
            world.denied[service] = world.now + HOUR
        elif kind == "stale":
            world.stale_lists, world.invisible_config_calls, world.in_progress_calls = reads
        elif kind == "clock":
            world.now += minutes * 60
        elif kind == "person":
            world.change_manually(what)
        else:
            world.repair_manually()

    @rule(call=st.integers(1, 18), after=st.booleans())
    def function_is_killed(self, call: int, after: bool) -> None:
        if self.world.queue:
            self.world.kill_at = (call, after)
            self.world.deliver(*self.world.queue.pop(0))
            self.world.kill_at = None

    @rule(
        call=st.integers(1, 18), after=st.booleans(), always=st.booleans(),
        code=st.sampled_from(["InternalFailure", "ThrottlingException"]),
    )  # fmt: skip
    def call_fails(self, call: int, after: bool, always: bool, code: str) -> None:
        if not self.world.queue:
            return
        function, event = self.world.queue.pop(0)
        # Throttled calls have no effect.
        self.world.fail_at = (call, after and code == "InternalFailure")
        self.world.fail_code = code
        if not always:
            with suppress(Exception):
                self.world.run(function, event)
            self.world.fail_at = None
        self.world.deliver(function, event)
        self.world.fail_at = None

    # invariants

    @invariant()
    def at_most_one_job_in_flight(self) -> None:
        for job in (JOB, OTHER):
            assert len(self.world.running_of(job)) <= 1

    @invariant()
    def served_models_are_approved(self) -> None:
        approved = {
            package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
            for package in self.world.packages
            if package["ModelApprovalStatus"] == "Approved"
        }
        assert set(self.world.served_artifacts) <= approved

    @invariant()
    def served_and_previous_configuration_and_models_exist(self) -> None:
        endpoint = self.world.endpoint
        if endpoint is None or endpoint["EndpointStatus"] == "Deleting":
            return
        kept = {endpoint["EndpointConfigName"]}
        kept.add(endpoint.get("PendingDeploymentSummary", endpoint)["EndpointConfigName"])
        for config in kept:
            for variant in self.world.configs[config]["ProductionVariants"]:
                assert variant["ModelName"] in self.world.models

    @invariant()
    def one_package_per_job(self) -> None:
        jobs = [
            p["CustomerMetadataProperties"]["sageloop:training-job"] for p in self.world.packages
        ]
        assert len(jobs) == len(set(jobs))

    @invariant()
    def jobs_of_alarms_observe_cooldown_and_limit(self) -> None:
        for job, starts in self.alarm_starts.items():
            row = self.world.stored(f"loop#{job}")
            assert row.get("attempts", 0) <= MAX_ATTEMPTS
            trigger = json.loads(row.get("trigger", "{}"))
            if trigger.get("kind") == "alarm" and trigger["at"] not in starts:
                earlier = [at for at in starts if at < trigger["at"]]
                assert not earlier or trigger["at"] - max(earlier) >= COOLDOWN
                starts.append(trigger["at"])

    @invariant()
    def rejected_models_are_not_champions(self) -> None:
        arn = self.world.stored(f"champion#{ENDPOINT}").get("package_arn")
        for package in self.world.packages:
            if package["ModelPackageArn"] == arn:
                assert package["ModelApprovalStatus"] == "Approved"

    # the end

    def teardown(self) -> None:
        """After the faults the loops are where loops without faults would be."""
        world = getattr(self, "world", None)
        if world is None:
            return
        self._manual_changes_are_reported(world)
        world.set_alarm("OK")
        world.repair_manually()
        world.pass_time(30)
        world.deploy_serving(serving_document())
        world.deploy_job(3600)
        world.redrive()
        world.drain()
        world.pass_time(1)
        world.deliver("promote", self._request("start"))
        for _ in range(10):
            world.drain()
            for name in world.running_jobs():
                world.finish(name, metric=50.0)
            world.drain()
            world.move_endpoint()
            world.drain()
            world.pass_time(40)
            world.reconcile_both()
        self._is_where_a_loop_without_faults_is(world)

    def _manual_changes_are_reported(self, world: Account) -> None:
        """A deleted alarm, a disabled rule and a failed endpoint never stay unnoticed."""
        world.denied.clear()
        for _ in range(2):
            world.pass_time(2)
            world.reconcile_both()
        text = "\n".join(world.alerts_sent)
        if "endpoint-errors" not in world.alarms:
            assert "The alarm endpoint-errors is deleted" in text
        if "DISABLED" in world.event_rules.values():
            assert "is disabled" in text
        if world.endpoint is not None and world.endpoint["EndpointStatus"] in {
            "Failed", "UpdateRollbackFailed",
        }:  # fmt: skip
            state = world.row(f"champion#{ENDPOINT}")
            assert text or state.get("creation_attempts"), state

    def _is_where_a_loop_without_faults_is(self, world: Account) -> None:
        row, serving = world.row(f"champion#{ENDPOINT}"), world.row(f"serving#{ENDPOINT}")
        for job in (JOB, OTHER):
            loop = world.row(f"loop#{job}")
            assert not {"in_flight", "pending", "alerts"} & set(loop), loop
        assert row["state"] in {"live", "rolled_back"}
        assert world.endpoint is not None
        assert world.endpoint["EndpointStatus"] == "InService"
        served = world.endpoint["EndpointConfigName"]
        if served != row["config_name"]:  # a person's, whose replacement was rolled back
            assert row["left_as_is"] == served
            assert any(f"configuration {served}, which is not" in a for a in world.alerts_sent)
        assert serving["digest"] in {row["serving_digest"], row.get("refused_digest")}
        assert not {"alerts", "manual_request", "stopped", "frozen"} & set(row)
        assert list(world.targets) == [f"endpoint/{ENDPOINT}/variant/AllTraffic"]
        assert _version(row["package_arn"]) == self._newest(row)
        assert world.row(f"findings#{JOB}").get("findings", "{}") in {"{}", "[]"}
        self.at_most_one_job_in_flight()

    def _newest(self, row: dict[str, Any]) -> int:
        """The newest approved package that may be champion; by manual request, the requested."""
        versions = [
            _version(each["ModelPackageArn"]) for each in self.world.packages
            if each["ModelApprovalStatus"] == "Approved"
            and each["ModelPackageArn"] not in row.get("quarantined", [])
            and _version(each["ModelPackageArn"]) > row.get("superseded_version", 0)
        ]  # fmt: skip
        return max(versions, default=_version(row["package_arn"]))


def _version(arn: str) -> int:
    return int(arn.rpartition("/")[2])


class ThoroughLoop(Loop):
    """The same, with more and longer sequences."""


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


Loop.TestCase.settings = _settings(30, 40)
ThoroughLoop.TestCase.settings = _settings(300, 60)
TestLoop = Loop.TestCase
TestThoroughLoop = pytest.mark.long(ThoroughLoop.TestCase)
