"""Random sequences of events, lost and repeated events and crashes: invariants hold."""

from __future__ import annotations

import json
import random

from documents import COOLDOWN, ENDPOINT, HOUR, JOB, serving_document
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sageloop_runtime.times import iso
from world import World

OUTCOMES = st.sampled_from(["ok", "ok", "rollback", "failed"])


class Loop(RuleBasedStateMachine):
    """The loop, with its events in any order."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.world = World().with_champion()
        self.random = random.Random(seed)
        self.version = 1
        self.requests = 0
        self.alarm_starts: list[float] = []

    # events

    @rule(hours=st.sampled_from([0.1, 1.0, 7.0, 30.0]))
    def time_passes(self, hours: float) -> None:
        self.world.now += hours * HOUR

    @rule(state=st.sampled_from(["OK", "ALARM", "ALARM"]))
    def alarm_changes(self, state: str) -> None:
        if self.world.alarms["flights-error"]["StateValue"] != state:
            self.world.set_alarm(state, notify=True)

    @rule(again=st.booleans())
    def data_arrives(self, again: bool) -> None:
        self.version += not again
        self.world.queue.append(("start_training", self.world.data_event(f"v{self.version}")))

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

    @rule(keep=st.integers(1, 3))
    def deploy(self, keep: int) -> None:
        text = json.dumps(serving_document(keep_configs=keep))
        properties = {"EndpointName": ENDPOINT, "Document": text}
        self.world.queue.append(
            (
                "champion_endpoint_resource",
                {
                    "RequestType": "Update", "ResponseURL": "https://answer",
                    "PhysicalResourceId": ENDPOINT, "ResourceProperties": properties,
                },
            )
        )  # fmt: skip

    @rule(version=st.integers(1, 3), again=st.booleans())
    def rollback_is_requested(self, version: int, again: bool) -> None:
        if version <= len(self.world.packages):
            arn = self.world.packages[version - 1]["ModelPackageArn"]
            event = self._request("promote") | {"package": arn}
            self.world.queue += [("promote", event)] * (1 + again)

    @rule(action=st.sampled_from(["stop", "start"]))
    def stop_or_start_is_requested(self, action: str) -> None:
        self.world.queue.append(("promote", self._request(action)))

    def _request(self, action: str) -> dict[str, str]:
        self.requests += 1
        return {
            "source": "manual", "action": action, "id": str(self.requests),
            "time": iso(self.world.now + self.requests / 1000),
        }  # fmt: skip

    # delivery

    @rule(count=st.integers(1, 6))
    def events_arrive(self, count: int) -> None:
        for _ in range(min(count, len(self.world.queue))):
            self.world.deliver(*self.world.queue.pop(0))

    @rule()
    def events_are_repeated(self) -> None:
        self.world.queue += self.world.queue[: max(0, 40 - len(self.world.queue))]

    @rule()
    def events_change_order(self) -> None:
        self.random.shuffle(self.world.queue)

    @rule()
    def events_are_lost(self) -> None:
        self.world.queue = [
            item for item in self.world.queue if item[0] == "champion_endpoint_resource"
        ]

    @rule(call=st.integers(1, 18), after=st.booleans())
    def function_is_killed(self, call: int, after: bool) -> None:
        if self.world.queue:
            self.world.kill_at = (call, after)
            self.world.deliver(*self.world.queue.pop(0))
            self.world.kill_at = None

    @rule()
    def reconciler_runs(self) -> None:
        self.world.reconcile()

    # invariants

    @invariant()
    def at_most_one_job_in_flight(self) -> None:
        assert len(self.world.running_jobs()) <= 1

    @invariant()
    def served_models_are_approved(self) -> None:
        approved = {
            package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
            for package in self.world.packages
            if package["ModelApprovalStatus"] == "Approved"
        }
        assert set(self.world.served_artifacts) <= approved

    @invariant()
    def served_configuration_and_its_model_exist(self) -> None:
        endpoint = self.world.endpoint
        if endpoint is not None and endpoint["EndpointStatus"] == "InService":
            config = self.world.configs[endpoint["EndpointConfigName"]]
            for variant in config["ProductionVariants"]:
                assert variant["ModelName"] in self.world.models

    @invariant()
    def one_package_per_job(self) -> None:
        jobs = [
            p["CustomerMetadataProperties"]["sageloop:training-job"] for p in self.world.packages
        ]
        assert len(jobs) == len(set(jobs))

    @invariant()
    def jobs_of_alarms_observe_the_cooldown(self) -> None:
        rows = [
            json.loads(row["trigger"]["S"])
            for key, row in self.world.rows.items()
            if key == f"loop#{JOB}" and "trigger" in row
        ]
        for trigger in rows:
            if trigger["kind"] == "alarm" and trigger["at"] not in self.alarm_starts:
                earlier = [at for at in self.alarm_starts if at < trigger["at"]]
                assert not earlier or trigger["at"] - max(earlier) >= COOLDOWN
                self.alarm_starts.append(trigger["at"])

    def teardown(self) -> None:
        """In the end the loop is idle and the endpoint serves the champion."""
        world = getattr(self, "world", None)
        if world is None:
            return
        world.set_alarm("OK")
        world.drain()
        world.now += HOUR
        world.deliver("promote", self._request("start"))
        for _ in range(8):
            world.drain()
            for name in world.running_jobs():
                world.finish(name, metric=50.0)
            world.drain()
            world.move_endpoint()
            world.drain()
            world.now += 40 * HOUR
            world.reconcile()
        world.reconcile()
        row = world.row(f"champion#{ENDPOINT}")
        assert "in_flight" not in world.row(f"loop#{JOB}")
        assert "pending" not in world.row(f"loop#{JOB}")
        assert row["state"] in {"live", "rolled_back"}
        assert world.endpoint["EndpointStatus"] == "InService"
        assert world.endpoint["EndpointConfigName"] == row["config_name"]
        assert "alerts" not in row
        assert "manual_request" not in row
        self.at_most_one_job_in_flight()


Loop.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestLoop = Loop.TestCase
