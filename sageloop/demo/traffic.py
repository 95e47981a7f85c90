"""Traffic generator: flights in date order, with delayed ground truth.

A day of data is replayed in a period of virtual time; only this module knows the mapping.
Every request has an inference id; minutes later the ground truth of its flights is uploaded to
S3 in Model Monitor's format, and after each day of data its labelled partition is uploaded too.
"""

from __future__ import annotations

import json
import threading
import time as wall
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.demo.flights import Flight

FLIGHTS_A_REQUEST = 8
REQUESTS_A_DAY = 24
_TRUTH_BATCH = 12
# As in settings/prod.toml: the period of an evaluation, and its wait for ground truth.
EVALUATION_SECONDS, TRUTH_WAIT_SECONDS = 3600.0, 900.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One answered request: its time (virtual epoch seconds) and its flights."""

    time: float
    flights: tuple[Flight, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """The target of the traffic: an endpoint, and the S3 prefixes of ground truth and data."""

    endpoint: str
    bucket: str
    data_prefix: str
    ground_truth_prefix: str


@dataclass
class Tally:
    """Counts of sent and failed requests, safe to read from any thread."""

    sent: list[Sent] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """Number of requests, answered or not."""
        return len(self.sent) + len(self.failures)


class Traffic:
    """Replays days of flights through an endpoint on virtual time."""

    def __init__(
        self, *, clients: Callable[[str], Any], now: Callable[[], float], route: Route,
        days: Mapping[date, Sequence[Flight]], first: date, seconds_a_day: float,
        truth_delay: float,
    ) -> None:  # fmt: skip
        """``now`` is virtual time; the other numbers are virtual seconds."""
        self._runtime, self._s3 = clients("sagemaker-runtime"), clients("s3")
        self._now, self._route, self._days = now, route, days
        self.first, self._seconds_a_day, self._truth_delay = first, seconds_a_day, truth_delay
        self._began = now()
        self.tally = Tally()
        self._truth: list[tuple[float, str, tuple[Flight, ...]]] = []
        self._stop = threading.Event()
        self._pressure = threading.Event()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="traffic")
        self._thread = threading.Thread(target=self._replay, name="replay", daemon=True)
        self.broken: BaseException | None = None

    def start(self) -> None:
        """Start the replay at the first day."""
        self._began = self._now()
        self._thread.start()

    def stop(self) -> None:
        """End the replay after the running requests."""
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(wait=True)
        if self.broken:
            raise self.broken

    @property
    def today(self) -> date:
        """The day of data that is being replayed."""
        return self.day_at(self._now())

    def press(self, on: bool) -> None:
        """Start or stop sending today's flights singly, as fast as a few clients can."""
        if on and not self._pressure.is_set():
            self._pressure.set()
            for caller in range(4):
                self._pool.submit(self._hurry, caller)
        elif not on:
            self._pressure.clear()

    def when(self, day: date) -> float:
        """The virtual time at which a day of data starts."""
        return self._began + (day - self.first).days * self._seconds_a_day

    def day_at(self, moment: float) -> date:
        """The day of data that is replayed at a virtual time."""
        return self.first + timedelta(days=int((moment - self._began) // self._seconds_a_day))

    @staticmethod
    def window_before(moment: float) -> tuple[float, float]:
        """The period of virtual time that an evaluation at ``moment`` covers."""
        end = moment - TRUTH_WAIT_SECONDS
        return end - EVALUATION_SECONDS, end

    def _replay(self) -> None:
        try:
            for day in (d for d in self._days if d >= self.first):
                if not self._replay_day(day):
                    return
                self._land_partition(day)
        except BaseException as error:
            self.broken = error

    def _replay_day(self, day: date) -> bool:
        flights = self._days[day]
        step = max(1, len(flights) // (REQUESTS_A_DAY * FLIGHTS_A_REQUEST))
        chosen = flights[::step]
        for index in range(REQUESTS_A_DAY):
            part = tuple(chosen[index::REQUESTS_A_DAY][:FLIGHTS_A_REQUEST])
            due = self.when(day) + self._seconds_a_day * (index + 0.5) / REQUESTS_A_DAY
            if not self._wait_until(due):
                return False
            if part:
                self._pool.submit(self._send, part, f"{day:%Y%m%d}-{index}")
            self._land_truth(self._now() - self._truth_delay)
        return self._wait_until(self.when(day + timedelta(days=1)))

    def _wait_until(self, due: float) -> bool:
        # The client's own pace; no component of the cloud waits for it.
        while (ahead := due - self._now()) > 0:
            if self._stop.wait(min(0.05, max(ahead / 2_000, 0.002))):
                return False
        return not self._stop.is_set()

    def _hurry(self, caller: int) -> None:
        number = 0
        while self._pressure.is_set() and not self._stop.is_set():
            flights = self._days[self.today]
            number += 1
            flight = flights[(number * 4 + caller) % len(flights)]
            self._send((flight,), f"load-{caller}-{number}-{self.today:%Y%m%d}")

    def _send(self, flights: tuple[Flight, ...], name: str) -> None:
        moment = self._now()
        try:
            answer = self._runtime.invoke_endpoint(
                EndpointName=self._route.endpoint, ContentType="text/csv", InferenceId=name,
                Body="\n".join(f.row() for f in flights).encode(),
            )  # fmt: skip
            answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            with self.tally.lock:
                self.tally.failures.append(str(error))
            return
        with self.tally.lock:
            self.tally.sent.append(Sent(moment, flights))
            self._truth.append((moment, name, flights))

    def _land_truth(self, before: float) -> None:
        with self.tally.lock:
            ripe = [t for t in self._truth if t[0] <= before]
            if len(ripe) < _TRUTH_BATCH:
                return
            self._truth = [t for t in self._truth if t[0] > before]
        lines = [
            ground_truth_line(name, [flight.minutes for flight in flights])
            for _, name, flights in ripe
        ]
        put_ground_truth(self._s3, self._route, ripe[0][0], lines)

    def _land_partition(self, day: date) -> None:
        put_partition(self._s3, self._route, day, self._days[day])


def put_partition(s3: Any, route: Route, day: date, flights: Sequence[Flight]) -> None:
    """Upload one day of labelled flights."""
    s3.put_object(
        Bucket=route.bucket,
        Key=f"{route.data_prefix}dt={day.isoformat()}/flights.csv",
        Body="".join(f"{f.labelled()}\n" for f in flights).encode(),
    )


def put_ground_truth(s3: Any, route: Route, time: float, lines: Sequence[str]) -> None:
    """Upload ground truth of requests of an hour, which begins with the request of ``time``."""
    moment = datetime.fromtimestamp(time, UTC)
    hour = f"{route.ground_truth_prefix}{moment:%Y/%m/%d/%H}"
    key = f"{hour}/{moment:%M-%S}-{wall.time_ns()}.jsonl"
    s3.put_object(Bucket=route.bucket, Key=key, Body="\n".join(lines).encode())


def ground_truth_line(name: str, labels: Sequence[float]) -> str:
    """One line of ground truth in Model Monitor's format: the labels of a request's rows."""
    return json.dumps(
        {
            "groundTruthData": {
                "data": "\n".join(map(str, labels)),
                "encoding": "CSV",
            },
            "eventMetadata": {"eventId": name},
            "eventVersion": "0",
        }
    )
