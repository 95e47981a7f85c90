"""Asynchronous invocation: queue, retries, and records of failed events."""

from __future__ import annotations

import json
import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.functions.destinations import Destinations, Ended
from sageloop.local_cloud.functions.model import EventConfig, Function, FunctionRepository
from sageloop.local_cloud.functions.names import LATEST, FunctionRef
from sageloop.local_cloud.functions.runner import Outcome, Request, Runner

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

FailureCallback = Callable[[str, bytes, str], None]

_WAITS = (60.0, 120.0)
_LONGEST_BACK_OFF = 300.0


@dataclass(frozen=True, slots=True)
class Event:
    """An event that waits for its function.

    Its age is ``waited``, the virtual seconds of its own waits: a jump of the clock makes a retry
    due, but does not age the event.
    """

    ref: FunctionRef
    arn: str
    request_id: str
    payload: bytes
    client_context: str | None = None
    runs: int = 0
    throttles: int = 0
    waited: float = 0.0


class AsyncInvocations:
    """Lambda's internal queue of asynchronous events."""

    def __init__(self, cloud: Cloud, repository: FunctionRepository, runner: Runner) -> None:
        self._cloud = cloud
        self._repository = repository
        self._runner = runner
        self._destinations = Destinations(cloud, runner.metrics)
        self._on_failure: list[FailureCallback] = []

    def on_failure(self, callback: FailureCallback) -> None:
        """Call ``callback(function ARN, payload, error text)`` when an event is discarded."""
        self._on_failure.append(callback)

    def accept(self, event: Event) -> None:
        """Queue an event."""
        self._cloud.activity.spawn(f"event for lambda:{event.ref.name}", lambda: self._try(event))

    def _try(self, event: Event) -> None:
        try:
            function = self._repository.get(event.ref)
            version = self._repository.version(function, event.ref.qualifier)
        except AwsError as error:
            self._discard_without_function(event, error)
            return
        config = self._config(function, event)
        request = Request(version, event.arn, event.request_id, event.payload, event.client_context)
        try:
            outcome = self._runner.run(function, request)
        except AwsError as error:
            self._throttled(function, event, config, error)
            return
        except OSError as error:
            # No process could be started: a platform error, retried like a throttle.
            self._throttled(function, event, config, AwsError("ServiceException", str(error), 500))
            return
        self._after_run(function, replace(event, runs=event.runs + 1), config, outcome)

    def _after_run(
        self, function: Function, event: Event, config: EventConfig, outcome: Outcome
    ) -> None:
        if outcome.error is None:
            self._destinations.succeeded(
                function, config, self._ended(event, "Success", outcome, function)
            )
        elif event.runs > config.retries:
            self._discard(function, event, config, "RetriesExhausted", outcome)
        else:
            self._later(function, event, config, _WAITS[event.runs - 1], outcome)

    def _throttled(
        self, function: Function, event: Event, config: EventConfig, error: AwsError
    ) -> None:
        if function.reserved == 0:
            self._discard(function, event, config, "ZeroReservedConcurrency", None)
            return
        log.debug("lambda:%s throttled: %s", function.name, error)
        wait = min(2.0 ** min(event.throttles, 10), _LONGEST_BACK_OFF)
        # Events that were queued together would be retried together, and all but one throttled.
        wait *= 0.5 + random.random() / 2  # noqa: S311
        event = replace(event, throttles=event.throttles + 1)
        self._later(function, event, config, wait, None)

    def _later(
        self, function: Function, event: Event, config: EventConfig, seconds: float,
        outcome: Outcome | None,
    ) -> None:  # fmt: skip
        again = replace(event, waited=event.waited + seconds)
        if again.waited > config.max_age:
            self._discard(function, event, config, "EventAgeExceeded", outcome)
            return
        self._cloud.clock.call_later(
            seconds, lambda: self._try(again),
            label=f"retry of lambda:{event.ref.name}", holds=True,
        )  # fmt: skip

    def _discard(
        self, function: Function, event: Event, config: EventConfig, condition: str,
        outcome: Outcome | None,
    ) -> None:  # fmt: skip
        self._runner.metrics.put(function.name, "AsyncEventsDropped", 1)
        self._destinations.failed(
            function, config, self._ended(event, condition, outcome, function)
        )
        text = condition if outcome is None else _error_text(outcome)
        self._notify(event, text)

    def _discard_without_function(self, event: Event, error: AwsError) -> None:
        log.warning("an event for %s is dropped: %s", event.arn, error.message)
        self._notify(event, error.message)

    def _notify(self, event: Event, text: str) -> None:
        for callback in list(self._on_failure):
            callback(event.arn, event.payload, text)

    def _config(self, function: Function, event: Event) -> EventConfig:
        config = function.event_configs.get(event.ref.qualifier or LATEST)
        return config if config is not None else EventConfig(modified=self._cloud.clock.now())

    def _ended(
        self, event: Event, condition: str, outcome: Outcome | None, function: Function
    ) -> Ended:
        return Ended(
            now=self._cloud.clock.now(), request_id=event.request_id,
            arn=function.arn_of(event.ref.qualifier or LATEST), condition=condition,
            runs=event.runs, payload=event.payload, outcome=outcome,
            version=self._number(function, event),
        )  # fmt: skip

    def _number(self, function: Function, event: Event) -> str:
        try:
            return self._repository.version(function, event.ref.qualifier).number
        except AwsError:
            # Its alias or version was deleted while it ran.
            return event.ref.qualifier or LATEST


def new_request_id() -> str:
    """A request id in Lambda's form."""
    return str(uuid.uuid4())


def _error_text(outcome: Outcome) -> str:
    error = json.loads(outcome.payload)
    if not isinstance(error, dict):
        return outcome.payload.decode()
    kind = error.get("errorType")
    message = str(error.get("errorMessage", ""))
    return f"{kind}: {message}" if kind else message
