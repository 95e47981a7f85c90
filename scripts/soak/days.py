"""The data of the virtual days: the demo's flights, thinned, and cycled if they do not suffice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sageloop.demo.flights import Flight, load
from sageloop.demo.story import REPLAY_BEGINS, WINTER
from sageloop.demo.traffic import FLIGHTS_A_REQUEST, Route, put_partition

_ROWS_A_DAY = 150
_WINDOW = timedelta(days=42)  # as data.window_days of the settings
_DELIVERY = timedelta(days=28)


class DailyData:
    """The flights by virtual day, counted from 1.

    Args:
        flights: Flights by day, of a whole year.

    """

    def __init__(self, flights: Mapping[date, Sequence[Flight]]) -> None:
        self._flights = dict(flights)
        self._order = sorted(flights)

    @classmethod
    def of_package(cls) -> DailyData:
        """The flights of the installed data package."""
        return cls(load())

    @staticmethod
    def date_of(day: int) -> date:
        """The date of a virtual day's partition; they follow each other without a gap."""
        return REPLAY_BEGINS + timedelta(days=day - 1)

    def flights_on(self, day: date) -> Sequence[Flight]:
        """Some flights of a date; beyond the year those of the same position in the year."""
        index = (day - self._order[0]).days % len(self._order)
        flights = self._flights[self._order[index]]
        return flights[:: max(1, len(flights) // _ROWS_A_DAY)]

    def request(self, day: int, step: int, steps: int) -> Sequence[Flight]:
        """The flights of one of the day's requests."""
        flights = self.flights_on(self.date_of(day))
        return flights[step % steps :: steps][:FLIGHTS_A_REQUEST] or flights[:FLIGHTS_A_REQUEST]

    def deliver_history(self, s3: Any, route: Route) -> None:
        """Upload the winter and the weeks before the first day, and the winter's manifest."""
        spans = (WINTER, (REPLAY_BEGINS - _WINDOW, REPLAY_BEGINS - timedelta(days=1)))
        for first, last in spans:
            for number in range((last - first).days + 1):
                self._put(s3, route, first + timedelta(days=number))
        _put_manifest(s3, route, *WINTER)

    def deliver_day(self, s3: Any, route: Route, day: int) -> None:
        """Upload the partition of a virtual day."""
        self._put(s3, route, self.date_of(day))

    def deliver_manifest(self, s3: Any, route: Route, day: int) -> None:
        """Complete a delivery of four weeks, which starts a job."""
        last = self.date_of(day)
        _put_manifest(s3, route, last - _DELIVERY, last)

    def _put(self, s3: Any, route: Route, day: date) -> None:
        put_partition(s3, route, day, self.flights_on(day))


def _put_manifest(s3: Any, route: Route, first: date, last: date) -> None:
    body = json.dumps({"from": first.isoformat(), "through": last.isoformat()})
    s3.put_object(Bucket=route.bucket, Key=f"{route.data_prefix}manifest.json", Body=body.encode())
