"""Random sequences of events around a standalone job with fallback instance types."""

from __future__ import annotations

import json
import random

from documents import BACKOFF, HOUR, JOB, MAX_ATTEMPTS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sageloop_runtime.jobs.kinds import KINDS
from sageloop_runtime.times import iso
from world import World

FALLBACKS = ["ml.g5.xlarge", "ml.g4dn.xlarge"]
TYPES = 1 + len(FALLBACKS)
REASONS = ["CapacityError: none", "InternalServerError: host", "AlgorithmError: exit 1"]


def _chain(key: str) -> list[str]:
    """The keys of an attempt's jobs, whichever types quota refuses."""
    return [key, f"fallback|{key}|1", f"fallback|{key}|2", f"fallback|fallback|{key}|1|2"]


class StandaloneJob(RuleBasedStateMachine):
    """Events repeated, late or lost: one job at a time, and the lock is released."""

    @initialize(
        seed=st.integers(0, 1000),
        kind=st.sampled_from(["training", "tuning", "processing", "transform"]),
    )
    def begin(self, seed: int, kind: str) -> None:
        self.world = World(kind=kind, standalone=True)
        self.world.deliver_days("2013-01-01", "2013-02-28")
        self.world.deploy(fallback_instance_types=FALLBACKS)
        self.random = random.Random(seed)
        self.requests = 0

    @rule(again=st.booleans())
    def manual_request(self, again: bool) -> None:
        self.requests += not again or not self.requests
        event = {"source": "manual", "id": str(self.requests), "time": iso(self.world.now)}
        self.world.queue.append(("start_training", event))

    @rule(
        status=st.sampled_from(["Completed", "Failed", "Failed", "Stopped"]),
        reason=st.sampled_from(REASONS),
    )
    def job_ends(self, status: str, reason: str) -> None:
        for name in self.world.running_jobs():
            self.world.finish(name, status=status, reason=reason if status == "Failed" else None)

    @rule(scarce=st.sets(st.sampled_from(["ml.m5.large", *FALLBACKS])))
    def quota_changes(self, scarce: set[str]) -> None:
        self.world.scarce = scarce

    @rule(hours=st.sampled_from([0.1, 1.0, 10.0]))
    def time_passes(self, hours: float) -> None:
        self.world.now += hours * HOUR

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
        self.world.queue = []

    @rule(call=st.integers(1, 16), after=st.booleans())
    def function_is_killed(self, call: int, after: bool) -> None:
        if self.world.queue:
            self.world.kill_at = (call, after)
            self.world.deliver(*self.world.queue.pop(0))
            self.world.kill_at = None

    @rule()
    def it_is_reconciled(self) -> None:
        event = {"source": "aws.events", "time": iso(self.world.now)}
        self.world.queue.append(("on_job_change", event))

    @invariant()
    def at_most_one_job_in_flight(self) -> None:
        assert len(self.world.running_jobs()) <= 1

    @invariant()
    def a_request_starts_one_job_per_attempt_and_type(self) -> None:
        kind = KINDS[self.world.kind]
        jobs = {name for name in self.world.jobs if name.count("-") == 1}
        for request in range(1, self.requests + 1):
            first = f"manual|{request}"
            again = [f"retry|{first}|{n}" for n in range(2, MAX_ATTEMPTS + 1)]
            for key in [first, *again]:
                names = {kind.job_name(JOB, each) for each in _chain(key)} & jobs
                assert len(names) <= TYPES
                jobs -= names
        assert jobs == set()

    @invariant()
    def a_request_is_fulfilled_once(self) -> None:
        assert sum(self.world.metric("JobsCompleted")) <= self.requests

    def teardown(self) -> None:
        """In the end the lock is free, no trigger is pending and every alert is sent."""
        world = getattr(self, "world", None)
        if world is None:
            return
        world.scarce = set()
        for _ in range(10):
            world.drain()
            for name in world.running_jobs():
                world.finish(name)
            world.drain()
            world.now += 100 * BACKOFF
            world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
        loop = world.row(f"loop#{JOB}")
        assert not {"in_flight", "pending", "alerts"} & set(loop), json.dumps(loop)
        assert world.running_jobs() == []


StandaloneJob.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestStandaloneJob = StandaloneJob.TestCase
