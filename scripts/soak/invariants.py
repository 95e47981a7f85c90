"""The invariants, as functions of what was observed: each returns the violations, as sentences.

I1 at most one job in flight. I2 starts keep cooldown and number of attempts. I3 nothing has its
effect twice. I4 no trigger is lost. I5 what serves passed the gate, and can be rolled back. I6 the
endpoint never stays without service unreported. I7 the loop converges. I8 an event that failed is a
dead letter whose alarm fires. I9 data, key and registry outlive the stack. I10 nothing is denied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from .observation import Calm, Job, Observation, Package, Queue, Served

HOUR = 3600.0
LONGEST_CHANGE = 3 * HOUR
"""Virtual seconds for which an endpoint may be created or updated without an alert: a canary takes
half an hour at most, and one restart of it, and the reconciliation behind a lost event, as much."""
_CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The settings of the loop, in seconds.

    Attributes:
        cooldown: Between two jobs that the alarm starts.
        max_attempts: Jobs of one series.
        reconcile_every: Between two reconciliations.

    """

    cooldown: float
    max_attempts: int
    reconcile_every: float

    @property
    def grace(self) -> float:
        """Seconds in which the reconciler acts.

        Its period, once more for one that failed or was lost, and the retries of an event.
        """
        return 2 * self.reconcile_every + 300


def overlapping_jobs(jobs: Sequence[Job]) -> Iterator[str]:
    """I1: no job is created before the previous one has ended."""
    ordered = sorted(jobs, key=lambda job: job.created)
    for number, job in enumerate(ordered[1:], start=1):
        for other in ordered[:number]:
            if other.ended is None or other.ended > job.created:
                yield f"{job.name} was created while {other.name} was in flight"


def hasty_starts(jobs: Sequence[Job], limits: Limits) -> Iterator[str]:
    """I2: a job that the alarm starts keeps the cooldown; a series has a bounded number of jobs."""
    ordered = sorted(jobs, key=lambda job: job.created)
    for former, job in pairwise(ordered):
        gap = job.created - former.created
        if job.alarm is not None and gap < limits.cooldown:
            yield (
                f"{job.name} of the alarm was created {gap:.0f} s after {former.name}: "
                f"the cooldown is {limits.cooldown:.0f} s"
            )
    series = Counter(job.series for job in jobs if job.series)
    for name, count in series.items():
        if count > limits.max_attempts:
            yield f"{count} jobs were started for {name}: {limits.max_attempts} are allowed"


def doubled_effects(
    jobs: Sequence[Job], packages: Sequence[Package], champions: Sequence[Mapping[str, object]]
) -> Iterator[str]:
    """I3: one job for a trigger, one package for a job, one entry for a champion in a row."""
    for key, count in Counter(job.key for job in jobs if job.key).items():
        if count > 1:
            yield f"{count} jobs have the trigger {key}"
    for name, count in Counter(package.job for package in packages).items():
        if count > 1:
            yield f"{count} packages were registered for {name}"
    for former, champion in pairwise(champions):
        if former["package_arn"] == champion["package_arn"]:
            yield f"{champion['package_arn']} was promoted twice in a row"


def lost_trigger(history: Sequence[Observation], limits: Limits) -> str | None:
    """I4: an alarm in ALARM with nothing in flight starts a job after the cooldown.

    ``history`` is in the order of time; the last stretch in which a start was due counts.
    """
    since: float | None = None
    for state in history:
        if not _is_start_due(state, limits):
            since = None
        elif since is None:
            since = state.time
    if since is None or history[-1].time - since <= limits.grace:
        return None
    return f"the alarm is in ALARM, nothing is in flight, and no job has started since {_at(since)}"


def _is_start_due(state: Observation, limits: Limits) -> bool:
    last = state.last_started_at
    return (
        state.alarm == "ALARM"
        and state.in_flight is None
        and not state.disturbed
        and (last is None or state.time - last >= limits.cooldown)
        and state.attempts < limits.max_attempts
    )


def unsafe_serving(served: Sequence[Served], packages: Sequence[Package]) -> Iterator[str]:
    """I5: every model that serves, or may serve again, passed the gate, and its artifact exists."""
    passed = {p.model for p in packages if p.approval == "Approved" and p.outcome == "promoted"}
    for each in served:
        name = f"the model of {each.config} ({each.role})"
        if each.model is None:
            yield f"{name} does not exist"
        elif not each.artifact_exists:
            yield f"{name} lost its artifact {each.model}"
        elif each.model not in passed:
            yield f"{name}, {each.model}, did not pass the gate"


def outage(history: Sequence[Observation], limits: Limits) -> tuple[float, float, str] | None:
    """I6: the last stretch without service that is too long: its begin and end, and a sentence.

    It is no violation if an alert was sent in it.
    """
    since: float | None = None
    changing = True
    for state in history:
        if state.endpoint == "InService" or not state.has_champion:
            since, changing = None, True
        else:
            since = state.time if since is None else since
            changing = changing and state.endpoint in _CHANGING
    if since is None:
        return None
    last = history[-1]
    limit = LONGEST_CHANGE if changing else limits.grace
    if last.time - since <= limit:
        return None
    status = last.endpoint or "deleted"
    return since, last.time, f"the endpoint is {status} since {_at(since)}"


def _at(moment: float) -> str:
    """A virtual time in ISO format; a violation that lasts has one text."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="minutes")


def not_converged(calm: Calm) -> Iterator[str]:
    """I7: after a time without faults nothing is left to do, by the loop or by a person."""
    if calm.in_flight:
        yield f"{calm.in_flight} is in flight"
    if calm.pending:
        yield "a trigger is pending"
    if calm.alerts:
        yield f"{calm.alerts} alerts were not sent"
    if calm.endpoint != "InService":
        yield f"the endpoint is {calm.endpoint or 'deleted'}"
    if calm.config != calm.champion_config:
        yield f"the endpoint serves {calm.config}, the champion is {calm.champion_config}"
    if calm.state not in {"live", "rolled_back"}:
        yield f"the champion is {calm.state}"
    if calm.newest > calm.champion:
        yield f"package {calm.newest} is approved, and the champion is package {calm.champion}"
    yield from calm.problems


def lost_messages(queues: Sequence[Queue]) -> Iterator[str]:
    """I8: every dropped event is a dead letter, and the alarm of its queue is in ALARM."""
    for queue in queues:
        if queue.messages < queue.dropped:
            yield (
                f"{queue.function} dropped {queue.dropped} events, its dead-letter queue "
                f"has {queue.messages}"
            )
        if queue.messages and queue.alarm != "ALARM":
            yield (
                f"the dead-letter queue of {queue.function} has {queue.messages} messages, "
                f"its alarm is {queue.alarm or 'missing'}"
            )


def lost_resources(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """I9: what is retained has as much as before the stacks were destroyed."""
    for name, count in before.items():
        if after.get(name, 0) < count:
            yield f"{after.get(name, 0)} of {count} {name} are left"


def new_denials(denials: Sequence[str], known: set[str]) -> Iterator[str]:
    """I10: no call was denied; injected faults are no decisions. ``known`` is extended."""
    for text in denials:
        if text not in known:
            known.add(text)
            yield text
