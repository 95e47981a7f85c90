"""Execution of one tuning job.

No thread waits: the end of a trial, in the thread of its training job, starts the next one. The
run's lock is not held while a training job is started or stopped.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time as wall
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.failures import INTERNAL_ERROR
from sageloop.local_cloud.sagemaker.tuning.completion import Completion
from sageloop.local_cloud.sagemaker.tuning.definitions import Definition, training_request
from sageloop.local_cloud.sagemaker.tuning.repository import TuningJobRepository
from sageloop.local_cloud.sagemaker.tuning.search import (
    Hyperband,
    Result,
    Search,
    Suggestion,
    search_for,
)
from sageloop.local_cloud.sagemaker.tuning.stopping import MedianStopping
from sageloop.local_cloud.sagemaker.tuning.trials import Trial, best_of

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.training.section import TrainingJobs

log = logging.getLogger(__name__)

_ATTEMPTS = 5  # trials without a success after which AWS fails the tuning job
_NO_CAPACITY = ("CapacityError", "ResourceLimitExceeded")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The parameters of a tuning job's execution."""

    name: str
    arn: str
    strategy: str
    definitions: Sequence[Definition]
    max_jobs: int
    parallel: int
    max_runtime: float | None = None  # wall seconds, as all run times of processes
    seed: int | None = None
    early_stopping: bool = False
    criteria: Mapping[str, Any]
    hyperband: Sequence[Hyperband | None]
    tags: Sequence[Mapping[str, str]] = ()
    parents: Sequence[Trial] = ()
    overall: bool = False  # whether the best training job of parents and children is reported


class TuningRun:
    """Executes a tuning job; all methods may be called from any thread."""

    def __init__(
        self, account: Account, training: TrainingJobs, repository: TuningJobRepository, plan: Plan
    ) -> None:
        self._account = account
        self._training = training
        self._cloud = account.cloud
        self._repository = repository
        self._plan = plan
        self._label = f"tuning job {plan.name}"
        self._lock = threading.Lock()
        self._trials: list[Trial] = []
        self._replacements: list[Trial] = []
        self._searches: list[Search] = []
        self._exhausted: set[int] = set()
        self._completion = Completion(plan.criteria)
        self._median = MedianStopping(plan.definitions[0].objective)
        self._began = wall.monotonic()
        self._runtime: int | None = None
        self._timer: threading.Timer | None = None
        self._closing = False
        self._end: tuple[str, str | None] | None = None  # status and reason, if they are known
        self._ended = False

    @property
    def trials(self) -> list[Trial]:
        """The trials that have a training job, in order of creation."""
        with self._lock:
            return self._launched()

    @property
    def runtime(self) -> int:
        """Wall seconds that the job has run."""
        running = round(wall.monotonic() - self._began)
        return running if self._runtime is None else self._runtime

    def start(self) -> None:
        """Start the job in the background; it counts as work in flight until it has ended."""
        self._cloud.activity.begin(self._label)
        if self._plan.max_runtime is not None:
            self._timer = threading.Timer(
                self._plan.max_runtime, self._failing_job_on_error(self._on_timeout)
            )
            self._timer.daemon = True
            self._timer.start()
        self._cloud.activity.spawn(self._label, self._failing_job_on_error(self._open))

    def request_stop(self) -> None:
        """Stop the running training jobs; the status is Stopping already."""
        self._failing_job_on_error(partial(self._close, "Stopped"))()

    def abandon(self) -> None:
        """Start no more training jobs and change no status: the cloud is shutting down."""
        with self._lock:
            was_ended, self._ended = self._ended, True
        self._record_end(was_ended=was_ended)

    def _open(self) -> None:
        plan, searches = self._plan, []
        known = [Result(t.definition.static | dict(t.values), t.value) for t in plan.parents
                 if t.value is not None]  # fmt: skip
        for index, definition in enumerate(plan.definitions):
            seed = None if plan.seed is None else plan.seed + index
            searches.append(
                search_for(
                    plan.strategy, definition, seed=seed, hyperband=plan.hyperband[index],
                    known=known,
                )
            )  # fmt: skip
        with self._lock:
            self._searches = searches
        self._start_trials()

    def _start_trials(self) -> None:
        while (trial := self._next_trial()) is not None:
            self._launch(trial)
        self._finish_if_idle()

    def _next_trial(self) -> Trial | None:
        with self._lock:
            if self._closing or self._ended or self._running() >= self._plan.parallel:
                return None
            if self._replacements:
                return self._added(self._replacements.pop(0))
            suggested = self._suggested()
            if suggested is None:
                return None
            index, suggestion = suggested
            return self._added(self._trial(index, suggestion.suggestion_id, suggestion.values))

    def _suggested(self) -> tuple[int, Suggestion] | None:
        # The definition with the fewest trials is next.
        while self._requested_count():
            open_ones = [i for i in range(len(self._searches)) if i not in self._exhausted]
            index = min(open_ones, key=lambda i: sum(t.index == i for t in self._trials))
            suggestion = self._searches[index].suggest()
            if suggestion is not None:
                return index, suggestion
            self._exhausted.add(index)
        return None

    def _requested_count(self) -> bool:
        requested = sum(not trial.replaced for trial in self._trials)
        return requested < self._plan.max_jobs and len(self._exhausted) < len(self._searches)

    def _running(self) -> int:
        return sum(trial.document is None for trial in self._trials)

    def _trial(
        self, index: int, suggestion_id: int, values: Mapping[str, str], *, resources: int = 0
    ) -> Trial:
        number = len(self._trials) + len(self._replacements) + 1
        name = f"{self._plan.name}-{number:03d}-{secrets.token_hex(4)}"
        arn = self._account.store.arn("training-job", name)
        return Trial(
            name, arn, self._plan.definitions[index], index, suggestion_id, values,
            self._cloud.clock.now(), resources,
        )  # fmt: skip

    def _added(self, trial: Trial) -> Trial:
        self._trials.append(trial)
        return trial

    def _launched(self) -> list[Trial]:
        return [t for t in self._trials if t.launched or t.document is not None]

    def _launch(self, trial: Trial) -> None:
        choices = trial.definition.resources
        try:
            self._start_training(trial, choices[trial.resources])
        except AwsError as error:
            if error.code in _NO_CAPACITY and trial.resources + 1 < len(choices):
                trial.resources += 1
                self._launch(trial)
                return
            self._not_launched(trial, error)
            return
        with self._lock:
            trial.launched = True
            if not self._ended:
                self._update_repository()
            stop = (self._closing or trial.stopping) and trial.document is None
        if stop:
            self._stop_trial(trial)

    def _start_training(self, trial: Trial, resources: Mapping[str, Any]) -> None:
        request = training_request(
            trial.definition, name=trial.name, values=trial.values, resources=resources,
            tags=self._plan.tags,
        )  # fmt: skip
        self._training.launch(
            request, tuning_job_arn=self._plan.arn,
            on_metric=self._failing_job_on_error(partial(self._on_metric, trial)),
            on_end=self._failing_job_on_error(partial(self._on_end, trial)),
        )  # fmt: skip

    def _not_launched(self, trial: Trial, error: AwsError) -> None:
        # AWS would refuse the following training jobs for the same reason.
        with self._lock:
            self._trials.remove(trial)
            self._searches[trial.index].complete(trial.suggestion_id, None)
        self._close("Failed", f"{error.code}: {error.message}")

    def _on_metric(self, trial: Trial, name: str, value: float) -> None:
        if name != trial.definition.objective.metric:
            return
        with self._lock:
            if self._ended or trial.stopping or trial.document is not None:
                return
            trial.reported.append(value)
            trial.stopping = self._should_stop(trial, value)
            stop = trial.stopping and trial.launched
        if stop:
            self._stop_trial(trial)

    def _should_stop(self, trial: Trial, value: float) -> bool:
        halving_stops = self._searches[trial.index].report(
            trial.suggestion_id, len(trial.reported), value
        )
        return halving_stops or (self._plan.early_stopping and self._median.stops(trial.reported))

    def _on_end(self, trial: Trial, document: Mapping[str, Any]) -> None:
        with self._lock:
            if self._ended or trial.document is not None:
                return
            trial.document = document
            end = self._end_after(trial)
            self._update_repository()
        if end is not None:
            self._close(*end)
        else:
            self._start_trials()

    def _end_after(self, trial: Trial) -> tuple[str, str | None] | None:
        """The end of the tuning job after a trial has ended, or ``None`` to continue."""
        if trial.no_capacity and trial.resources + 1 < len(trial.definition.resources):
            trial.replaced = True
            self._replacements.append(
                self._trial(
                    trial.index, trial.suggestion_id, trial.values, resources=trial.resources + 1
                )
            )
            return None
        self._searches[trial.index].complete(trial.suggestion_id, trial.value)
        if trial.value is None:
            ended = [t for t in self._trials if t.document is not None and not t.replaced]
            failing = len(ended) >= _ATTEMPTS and best_of(ended) is None
            return ("Failed", _without_success(ended)) if failing else None
        self._median.ended(trial.reported)
        now = self._cloud.clock.now()
        if self._completion.observe(trial.definition.objective, trial.value, now):
            return "Completed", None
        return None

    def _update_repository(self) -> None:
        self._repository.refresh(
            self._plan.name, self._launched(),
            parents=self._plan.parents if self._plan.overall else None,
            TuningJobCompletionDetails=self._completion.details(),
        )  # fmt: skip

    def _on_timeout(self) -> None:
        self._close("Completed")

    def _close(self, status: str, reason: str | None = None) -> None:
        """Start no more training jobs, stop the running ones, and set the status afterwards."""
        with self._lock:
            if not self._closing:
                self._closing, self._end = True, (status, reason)
            elif status == "Stopped" and self._end == ("Completed", None):
                self._end = (status, reason)  # a user's stop takes precedence over completion
            running = [t for t in self._trials if t.document is None and t.launched]
            for trial in running:
                trial.stopping = True
        for trial in running:
            self._stop_trial(trial)
        self._finish_if_idle()

    def _stop_trial(self, trial: Trial) -> None:
        def stop() -> None:
            with suppress(AwsError):  # the training job has ended
                self._training.stop_job(trial.name)

        # Not in this thread: it may be the one that processes the trial's output.
        self._cloud.activity.spawn(self._label, stop)

    def _finish_if_idle(self) -> None:
        with self._lock:
            if self._ended or self._running():
                return
            left = self._replacements or not self._searches or self._requested_count()
            if left and not self._closing:
                return
            self._ended = True
            status, reason = self._last_status()
        self._finish(status, reason)

    def _last_status(self) -> tuple[str, str | None]:
        status, reason = self._end if self._end is not None else ("Completed", None)
        if status == "Completed" and best_of(self._trials) is None:
            return "Failed", _without_success(self._trials)
        return status, reason

    def _finish(self, status: str, reason: str | None) -> None:
        self._runtime = self.runtime
        try:
            self._repository.refresh(
                self._plan.name, self.trials, ConsumedResources={"RuntimeInSeconds": self._runtime}
            )
            self._repository.move(self._plan.name, status, reason=reason)
        finally:
            self._record_end(was_ended=False)

    def _record_end(self, *, was_ended: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not was_ended:
            self._cloud.activity.end(self._label)

    def _failing_job_on_error(self, step: Callable[..., None]) -> Callable[..., None]:
        """Wrap a step: an exception in it fails the tuning job instead of blocking it."""

        def run_step(*args: Any) -> None:
            try:
                step(*args)
            except Exception:
                log.exception("%s failed unexpectedly", self._label)
                self._fail()

        return run_step

    def _fail(self) -> None:
        with self._lock:
            was_ended, self._ended, self._closing = self._ended, True, True
            self._trials = self._launched()
            running = [t for t in self._trials if t.document is None and t.launched]
        for trial in running:
            self._stop_trial(trial)
        if not was_ended:
            self._finish("Failed", INTERNAL_ERROR)


def _without_success(trials: Sequence[Trial]) -> str:
    """AWS's failure reason of a tuning job without an objective value."""
    if any(trial.status == "Completed" for trial in trials):
        return (
            f"No objective metrics found after running {len(trials)} training jobs. Please ensure "
            "that the custom algorithm is emitting the objective metric as defined by the regular "
            "expression provided."
        )
    return (
        f"No training job succeeded after {len(trials)} attempts. For additional details, please "
        "take a look at the training job failures by listing training jobs for the hyperparameter "
        "tuning job."
    )
