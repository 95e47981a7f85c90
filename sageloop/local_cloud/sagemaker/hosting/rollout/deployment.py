"""Execution of an endpoint update: blue/green in stages or rolling in batches, with rollback."""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import Fleet, StartFailure
from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint, Progress, Step
from sageloop.local_cloud.sagemaker.hosting.rollout.bake import AlarmWatch

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock
    from sageloop.local_cloud.sagemaker.hosting.rollout.policy import Batches, Plan, Stage


class TimedOut(StartFailure):
    """MaximumExecutionTimeoutInSeconds was exceeded."""


class Deployment:
    """Replaces the fleet of an endpoint by a new one.

    ``on_step`` is called at each step to update DescribeEndpoint and publish events. :meth:`run`
    raises the exception that makes it fail; the caller then calls :meth:`roll_back`.
    """

    def __init__(
        self, clock: VirtualClock, live: LiveEndpoint, plan: Plan, watch: AlarmWatch,
        on_step: Callable[[], None],
    ) -> None:  # fmt: skip
        self._clock = clock
        self._live = live
        self._plan = plan
        self._watch = watch
        self._on_step = on_step
        self._began = wall.monotonic()
        self._waited_wall = 0.0
        self._waited = 0.0
        self._before: dict[str, int] = {}

    def run(
        self, green: Fleet, counts: Mapping[str, int], shadows: Mapping[str, int]
    ) -> None:  # fmt: skip
        """Replace the live fleet by ``green`` with ``counts`` instances for each variant.

        ``shadows`` are the instance counts of its shadow variants. They get no traffic of callers,
        so they start at once and are not part of stages or batches.
        """
        blue = self._live.fleet
        if blue is None:
            raise ValueError(f"endpoint {self._live.name} has no fleet to replace")
        self._before = blue.counts
        self._watch.check()
        green.scale(shadows)
        if self._plan.batches is not None:
            self._roll(blue, green, self._plan.batches)
        else:
            self._blue_green(blue, green, counts)
        self._live.fleet = green
        self._report_step(green, "Deleting", f"Terminating {blue.size} instance(s).")
        blue.stop()

    def roll_back(self, green: Fleet | None) -> None:
        """Route all traffic to the old fleet at its old size, and stop the new fleet.

        Raises :class:`StartFailure` if the old fleet cannot be restored; the instances of all
        fleets that are healthy then continue to serve.
        """
        blue = self._live.fleet
        if blue is None or blue is green:
            return
        try:
            if green is not None:
                self._restore_capacity(blue, green)
            blue.restore()
        except Exception:
            self._split_by_healthy_instances()
            raise
        self._live.route_to((blue, 1.0))
        if green is not None:
            self._report_step(green, "Deleting", f"Terminating {green.size} instance(s).")
            green.stop()

    def _restore_capacity(self, blue: Fleet, green: Fleet) -> None:
        if self._plan.batches is not None:
            for step in self._plan.batches.rollback_steps:
                target = {
                    name: max(blue.counts[name], min(before, step.get(name, before)))
                    for name, before in self._before.items()
                }
                blue.scale(target)
                self._split(blue, green)
            blue.scale(self._before)

    def _split_by_healthy_instances(self) -> None:
        """Split traffic between all fleets in proportion to their healthy instances."""
        fleets = self._live.fleets()
        for fleet in fleets:
            fleet.expose(None)
        total = sum(fleet.serving for fleet in fleets)
        if total > 0:
            self._live.route_to(*((f, f.serving / total) for f in fleets if f.serving > 0))

    def _blue_green(self, blue: Fleet, green: Fleet, counts: Mapping[str, int]) -> None:
        total = sum(counts.values())
        self._report_step(green, "Creating", f"Launching {total} instance(s).")
        green.scale(counts)
        for stage in self._plan.stages:
            self._shift(blue, green, stage, total)
            self._bake(green, stage.wait, stage.waits_for, _capacity(stage))

    def _shift(self, blue: Fleet, green: Fleet, stage: Stage, total: int) -> None:
        self._watch.check()
        self._report_step(green, "ActivatingTraffic", f"Activating traffic on {_capacity(stage)}.")
        if stage.capacity == "full":
            green.expose(None)
            self._live.route_to((green, 1.0))
            return
        share = sum(stage.instances.values()) / total
        green.expose(stage.instances)
        self._live.route_to((blue, 1 - share), (green, share))

    def _roll(self, blue: Fleet, green: Fleet, batches: Batches) -> None:
        for step in batches.steps:
            self._watch.check()
            added = sum(step.values()) - green.size
            self._report_step(green, "Creating", f"Launching {added} instance(s).")
            green.scale(step)
            self._split(blue, green)
            reported = f"capacity of {green.size} instance(s)"
            self._bake(green, batches.wait, "WaitIntervalInSeconds", reported)
            left = _remaining(self._before, batches, step)
            if step != batches.steps[-1]:
                surplus = blue.size - sum(left.values())
                self._report_step(green, "Deleting", f"Terminating {surplus} instance(s).")
                blue.scale(left)
                self._split(blue, green)
        self._live.route_to((green, 1.0))

    def _split(self, blue: Fleet, green: Fleet) -> None:
        total = blue.size + green.size
        # An asynchronous endpoint may have no instances; requests then wait for the new ones.
        share = green.size / total if total > 0 else 1.0
        self._live.route_to((blue, 1 - share), (green, share))

    def _bake(self, green: Fleet, seconds: int, setting: str, capacity: str) -> None:
        if seconds > 0:
            self._report_step(
                green, "Baking",
                f"Baking for {seconds} seconds ({setting}) with traffic enabled on {capacity}.",
            )  # fmt: skip
        allowed = self._time_left()
        began = wall.monotonic()
        self._watch.bake(min(seconds, allowed), f"bake of endpoint {self._live.name}")
        self._waited_wall += wall.monotonic() - began
        self._waited += seconds
        if seconds >= allowed:
            raise TimedOut(
                "The deployment was not completed within MaximumExecutionTimeoutInSeconds "
                f"({self._plan.budget})."
            )

    def _time_left(self) -> float:
        if self._plan.budget is None:
            return float("inf")
        # Baking periods count in virtual time, the start of processes in wall time. Otherwise a
        # fast clock would make all deployments exceed their limit.
        working = wall.monotonic() - self._began - self._waited_wall
        return max(0.0, self._plan.budget - working - self._waited)

    def _report_step(self, green: Fleet, status: str, message: str) -> None:
        progress = self._live.progress
        if progress is None:
            return
        step = Step(status, message, self._clock.now())
        progress.steps = dict.fromkeys(green.variants, step)
        self._on_step()


def begin_progress(live: LiveEndpoint, fleet: Fleet, clock: VirtualClock) -> None:
    """Set ``fleet`` as the pending deployment of the endpoint."""
    live.progress = Progress(fleet, fleet.config_name, clock.now())


def _capacity(stage: Stage) -> str:
    return f"{stage.capacity} capacity of {sum(stage.instances.values())} instance(s)"


def _remaining(
    before: Mapping[str, int], batches: Batches, step: Mapping[str, int]
) -> dict[str, int]:
    """The old fleet's instance counts after a step, at least one instance for each variant."""
    last = batches.steps[-1]
    left = {}
    for name, count in before.items():
        replaced = step[name] / last[name] if last.get(name, 0) > 0 else 1.0
        left[name] = min(count, max(1, round(count * (1 - replaced))))
    return left
