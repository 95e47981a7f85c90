"""Schedule expressions: the times of ``rate(...)``, ``cron(...)`` and ``at(...)``.

Pure functions of time: a schedule returns its next time after a given one and reads no clock.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

_SECONDS_OF = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_LAST_YEAR = 2199
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\(([^()]*)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


class Schedule(Protocol):
    """The times of a schedule."""

    def next_after(self, moment: float) -> float | None:
        """The first due epoch second after ``moment``, or ``None``."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every ``period`` seconds; first at ``first``."""

    period: int
    first: float

    def next_after(self, moment: float) -> float:
        """The first occurrence after ``moment``."""
        if moment < self.first:
            return self.first
        return self.first + self.period * (int((moment - self.first) // self.period) + 1)


@dataclass(frozen=True, slots=True)
class Once:
    """A single time."""

    when: float

    def next_after(self, moment: float) -> float | None:
        """The time, if it is after ``moment``."""
        return self.when if moment < self.when else None


@dataclass(frozen=True, slots=True)
class Cron:
    """The six cron fields of AWS, in a time zone."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    months: frozenset[int]
    weekdays: str
    years: frozenset[int]
    zone: tzinfo

    def next_after(self, moment: float) -> float | None:
        """The first matching local minute after ``moment``; hours that a zone skips never match."""
        day = datetime.fromtimestamp(moment, self.zone).date()
        while day.year <= _LAST_YEAR:
            if day.year not in self.years:
                day = date(day.year + 1, 1, 1)
            elif day.month not in self.months:
                day = _first_of_next_month(day)
            else:
                time = self._within(day, moment) if self._is_due_on(day) else None
                if time is not None:
                    return time
                day += timedelta(days=1)
        return None

    def _within(self, day: date, moment: float) -> float | None:
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime.combine(day, time(hour, minute), self.zone)
                stamp = local.timestamp()
                exists = datetime.fromtimestamp(stamp, self.zone).hour == hour
                if stamp > moment and exists:
                    return stamp
        return None

    def _is_due_on(self, day: date) -> bool:
        if self.days != "?":
            return _is_day_of_month(self.days, day)
        return _is_day_of_week(self.weekdays, day)


def parse(expression: str, *, start: float, zone: tzinfo = UTC, one_time: bool = False) -> Schedule:
    """Parse a schedule expression.

    Args:
        expression: ``rate(5 minutes)``, ``cron(0 12 * * ? *)``; ``at(2026-01-02T03:04:05)`` too
            if ``one_time``.
        start: Epoch second from which a rate counts; its first time is one period later.
        zone: Time zone of cron and at.
        one_time: Whether ``at`` is allowed (Scheduler: yes, rules: no).

    Raises:
        ValueError: The expression is invalid.

    """
    rate = _RATE.fullmatch(expression)
    if rate:
        count = int(rate[1])
        if count < 1 or (count == 1) == bool(rate[3]):
            raise ValueError("a rate is 1 minute|hour|day, or several minutes|hours|days")
        period = count * _SECONDS_OF[rate[2]]
        return Rate(period, start + period)
    cron = _CRON.fullmatch(expression)
    if cron:
        return _cron(cron[1].split(), zone)
    at = _AT.fullmatch(expression)
    if at and one_time:
        return Once(datetime.fromisoformat(at[1]).replace(tzinfo=zone).timestamp())
    allowed = "rate(...), cron(...)" + (" or at(yyyy-mm-ddThh:mm:ss)" if one_time else "")
    raise ValueError(f"a schedule is {allowed}")


def _cron(fields: list[str], zone: tzinfo) -> Cron:
    if len(fields) != 6:
        raise ValueError("cron has six fields: minutes hours day-of-month month day-of-week year")
    minutes, hours, days, months, weekdays, years = (f.upper() for f in fields)
    if (days == "?") == (weekdays == "?"):
        raise ValueError("exactly one of day-of-month and day-of-week must be ?")
    cron = Cron(
        tuple(sorted(_numbers(minutes, 0, 59))), tuple(sorted(_numbers(hours, 0, 23))), days,
        frozenset(_numbers(months, 1, 12, _MONTHS)), weekdays,
        frozenset(_numbers(years, 1970, _LAST_YEAR)), zone,
    )  # fmt: skip
    cron._is_due_on(
        date(2024, 1, 1)
    )  # parses the day fields, so that an invalid one is refused now
    return cron


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    numbers: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = _number(first, names)
            end = _number(last, names) if dash else (high if step else begin)
        stride = _number(step, None) if step else 1
        if not (low <= begin <= high and low <= end <= high and stride >= 1):
            raise ValueError(f"{part} is outside {low}-{high}")
        # FRI-MON continues past the end of the week.
        values = range(begin, end + 1) if begin <= end else [*range(begin, high + 1)]
        numbers.update(list(values)[::stride] if begin <= end else values)
        if begin > end:
            numbers.update(range(low, end + 1))
    return numbers


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdigit():
        raise ValueError(f"{text!r} is not a number")
    return int(text)


def _is_day_of_month(field: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if field == "L":
        return day.day == last
    if field == "LW":
        return day.day == _nearest_weekday(day, last)
    if field.endswith("W"):
        return day.day == _nearest_weekday(day, min(_number(field[:-1], None), last))
    return day.day in _numbers(field, 1, 31)


def _nearest_weekday(month: date, number: int) -> int:
    target = month.replace(day=number)
    last = calendar.monthrange(month.year, month.month)[1]
    if target.weekday() == 5:
        return number - 1 if number > 1 else number + 2
    if target.weekday() == 6:
        return number + 1 if number < last else number - 2
    return number


def _is_day_of_week(field: str, day: date) -> bool:
    weekday = day.isoweekday() % 7 + 1
    if field == "L":
        return weekday == 7
    if field.endswith("L"):
        last = calendar.monthrange(day.year, day.month)[1]
        return weekday == _number(field[:-1], _WEEKDAYS) and day.day > last - 7
    if "#" in field:
        name, _, nth = field.partition("#")
        return weekday == _number(name, _WEEKDAYS) and (day.day - 1) // 7 + 1 == _number(nth, None)
    return weekday in _numbers(field, 1, 7, _WEEKDAYS)


def _first_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
