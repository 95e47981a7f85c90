"""The run: virtual days with faults, the checks of each day, and the end of the stacks."""

from __future__ import annotations

import sys
import time as wall
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sageloop.local_cloud.client import LocalCloud, LocalCloudError

from . import invariants, people, plan
from .days import DailyData
from .faults import Injected
from .footprint import Footprint
from .loop import DeployedLoop, SoakError
from .observation import Observation, Observer
from .pace import Pace
from .report import DayReport, Report

_DAY = 86_400.0
_STEP = _DAY / plan.STEPS
_READINGS = 3 * 60.0
"""Virtual seconds after which an alarm of a minute's period shows what a queue holds."""
_MINUTE = 60.0
_HISTORY = 7 * plan.STEPS
_FIRST_HOURS = 12


@dataclass
class _Active:
    """A lasting fault and the virtual time of its end."""

    injected: Injected
    until: float


@dataclass
class Run:
    """One run on a cloud that was started for it.

    Args:
        cloud: The cloud.
        work: A folder for settings, assemblies and logs.
        days: Virtual days.
        seed: Of the faults.
        only: Names of the faults; all by default.
        most: Faults of a day.
        progress: Is called with a line after each day.
        save: Is called with the report so far after each day.

    """

    cloud: LocalCloud
    work: Path
    days: int
    seed: int
    only: tuple[str, ...] = ()
    most: int = plan.MOST_A_DAY
    progress: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr))
    save: Callable[[Report], None] = field(default=lambda report: None)

    def __post_init__(self) -> None:
        self.report = Report(days=self.days, seed=self.seed)
        self._planned = plan.plan(self.seed, self.days, only=self.only, most=self.most)
        self._active: list[_Active] = []
        self._recent: deque[str] = deque(maxlen=16)
        self._history: deque[Observation] = deque(maxlen=_HISTORY)
        self._denials: set[str] = set()
        self._day = self._champions = 0

    def run(self) -> Report:
        """Deploy, run the days, destroy."""
        began = wall.monotonic()
        try:
            self._begin()
            for day in range(1, self.days + 1):
                self._run_day(day)
            self._end()
        except (SoakError, LocalCloudError) as error:
            self._violated("run", [str(error)])
        self.report.wall_seconds = round(wall.monotonic() - began, 1)
        return self.report

    # begin

    def _begin(self) -> None:
        self._loop = DeployedLoop(self.cloud, self.work)
        data = DailyData.of_package()
        self._loop.deploy_first()
        self._data, self._s3 = data, self.cloud.client("s3")
        self._pace = Pace(self.cloud, endpoint=self._loop.names.endpoint)
        self._observer = Observer(self._loop)
        self._footprint = Footprint(self.cloud)
        settings = self._loop.settings
        self._limits = invariants.Limits(
            cooldown=settings.cooldown, max_attempts=settings.max_attempts,
            reconcile_every=settings.reconcile_every,
        )  # fmt: skip
        data.deliver_history(self._s3, self._loop.route)
        for _ in range(_FIRST_HOURS):
            self._pace.run_to(self.cloud.time() + _STEP)
            endpoint = self._loop.endpoint()
            if endpoint is not None and endpoint["EndpointStatus"] == "InService":
                self._champions = len(self._loop.row("champion").get("served", []))
                return
        raise SoakError(f"no endpoint is in service after {_FIRST_HOURS} steps")

    # a day

    def _run_day(self, day: int) -> None:
        self._day = day
        report = DayReport(day=day)
        began, start = wall.monotonic(), self.cloud.time()
        if plan.is_quiet(day, self.days):
            self._withdraw_all()
        planned = list(self._planned[day])
        for step in range(plan.STEPS):
            while planned and planned[0].step == step:
                report.faults.append(self._strike(planned.pop(0)))
            if step == plan.STEPS // 3:
                self._deliver(day, report)
            self._step(day, step, start + (step + 1) * _STEP, report)
        self._end_day(day, start, report)
        report.wall_seconds = round(wall.monotonic() - began, 2)
        self.report.add(report)
        self.report.wall_seconds += report.wall_seconds
        self.progress(report.line())
        self.save(self.report)

    def _strike(self, planned: plan.Planned) -> str:
        injected = planned.inject(self._loop, planned.dice())
        if injected.lasts:
            self._active.append(_Active(injected, self.cloud.time() + injected.lasts))
        text = f"{injected.kind}: {injected.detail}"
        self._recent.append(f"day {self._day}, step {planned.step}: {text}")
        return text

    def _deliver(self, day: int, report: DayReport) -> None:
        self._data.deliver_day(self._s3, self._loop.route, day)
        if plan.has_manifest(day):
            self._data.deliver_manifest(self._s3, self._loop.route, day)
        if plan.deploys(day, self.days):
            self._deploy(day, report)

    def _deploy(self, day: int, report: DayReport) -> None:
        """Deploy once more: another threshold of the alarm, or another sampling percentage."""
        # A fault of a call would fail the deployment, as on AWS; edits by people stay.
        self._end_faults([each for each in self._active if each.injected.request is not None])
        self.cloud.clear_faults()
        if day // 15 % 2:
            lines = {"model_quality_threshold": f"{12 + day % 3}.0"}
        else:
            lines = {"percentage": str(50 + day % 50)}
        result = self._loop.deploy(**lines)
        self._recent.append(f"day {day}: deployment of {lines}")
        report.faults.append(f"deployment: {lines}")
        if result.code:
            self._violated("deploy", ["\n".join(result.output.strip().splitlines()[-5:])])

    def _step(self, day: int, step: int, end: float, report: DayReport) -> None:
        flights = self._data.request(day, step, plan.STEPS)
        shift = sum(each.injected.label_shift for each in self._active)
        answered = self._loop.request(flights, f"{day}-{step}", shift=shift)
        report.requests += 1
        report.unanswered += not answered
        self._pace.run_to(end)
        self._expire()
        disturbed = any(each.injected.prevents_starts for each in self._active)
        self._history.append(self._observer.step(disturbed=disturbed))
        self._check_step()

    def _expire(self) -> None:
        """End the lasting faults whose time has come."""
        now = self.cloud.time()
        ended = [each for each in self._active if each.until <= now]
        self._end_faults(ended)

    def _end_faults(self, ended: Iterable[_Active]) -> None:
        for each in ended:
            self._active.remove(each)
            if each.injected.undo is not None:
                each.injected.undo()
        if ended:
            self._withdraw_one_time()

    def _withdraw_one_time(self) -> None:
        """Withdraw one-time faults; the lasting ones are injected again."""
        self.cloud.clear_faults()
        for each in self._active:
            if each.injected.request is not None:
                self.cloud.fault(**each.injected.request)

    def _withdraw_all(self) -> None:
        self._end_faults(list(self._active))
        self.cloud.clear_faults()

    # checks

    def _check_step(self) -> None:
        history = list(self._history)
        lost = invariants.lost_trigger(history, self._limits)
        self._violated("I4", [lost] if lost else [])
        outage = invariants.outage(history, self._limits)
        if outage is not None:
            since, last, text = outage
            alerts = self._observer.alerts_between(since - self._limits.grace, last)
            if not any(self._loop.names.endpoint in alert for alert in alerts):
                self._violated("I6", [text])

    def _end_day(self, day: int, start: float, report: DayReport) -> None:
        self._withdraw_one_time()
        self._pace.settle()
        self._check_queues(start, report)
        jobs, packages = self._observer.jobs(), self._observer.packages()
        champions = self._loop.row("champion").get("served", [])
        self._violated("I1", invariants.overlapping_jobs(jobs))
        self._violated("I2", invariants.hasty_starts(jobs, self._limits))
        self._violated("I3", invariants.doubled_effects(jobs, packages, champions))
        self._violated("I5", invariants.unsafe_serving(list(self._observer.served()), packages))
        self._violated("I10", invariants.new_denials(self.cloud.denials(), self._denials))
        if plan.is_quiet(day, self.days):
            self._violated("I7", invariants.not_converged(self._observer.calm()))
        report.jobs = sum(job.created >= start for job in jobs)
        report.promotions = len(champions) - self._champions
        self._champions = len(champions)
        report.sample = self._footprint.sample(
            day, objects=self._all_objects(), packages=len(packages), decisions=self._decisions()
        )

    def _check_queues(self, start: float, report: DayReport) -> None:
        queues = self._observer.queues(start)
        if any(queue.messages for queue in queues):
            self._pace.jump(_READINGS)
            self._pace.settle()
            queues = self._observer.queues(start)
        self._violated("I8", invariants.lost_messages(queues))
        report.dead_letters = people.read_dead_letters(self._loop)
        if report.dead_letters:
            self._pace.jump(_MINUTE)  # the metrics of this minute do not count for the next day

    def _objects(self, bucket: str) -> int:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(int(page["KeyCount"]) for page in pages)

    def _all_objects(self) -> int:
        """The objects of all buckets; that of access logs has one for each request to S3."""
        buckets = self._s3.list_buckets()["Buckets"]
        return sum(self._objects(str(each["Name"])) for each in buckets)

    def _decisions(self) -> int:
        return int(sum(self.cloud.access_summary()["decisions"].values()))

    def _violated(self, invariant: str, texts: Iterable[str]) -> None:
        for text in texts:
            new = self.report.violate(
                invariant, text, day=self._day, seed=self.seed, faults=list(self._recent)
            )
            if new:
                self.progress(f"  {invariant} is violated on day {self._day}: {text}")

    # end

    def _end(self) -> None:
        """Destroy the stacks; what is retained is as much as before."""
        self._withdraw_all()
        self._pace.settle()
        before = self._retained()
        if self._loop.destroy().code:
            self._violated("I9", ["the stacks could not be destroyed"])
        self._violated("I9", invariants.lost_resources(before, self._retained()))
        self._violated("I10", invariants.new_denials(self.cloud.denials(), self._denials))

    def _retained(self) -> dict[str, int]:
        keys = self.cloud.client("kms")
        pages = keys.get_paginator("list_keys").paginate()
        enabled = sum(
            keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Enabled"]
            for page in pages for key in page["Keys"]
        )  # fmt: skip
        return {
            "objects": self._objects(self._loop.names.bucket),
            "packages": len(self._observer.packages()),
            "enabled keys": enabled,
        }
