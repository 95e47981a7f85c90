"""The data of PutMetricData: what CloudWatch refuses, and the samples of a datum.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sageloop.local_cloud.cloudwatch.units import UNITS
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Sample

Datum = Mapping[str, Any]

_MOST_METRICS = 1_000
_MOST_VALUES = 150
_MOST_DIMENSIONS = 30
_LARGEST = 2.0**360
_TWO_WEEKS = 14 * 86_400.0
_TWO_HOURS = 2 * 3_600.0
_MINUTE = 60
_RESOLUTIONS = (1, _MINUTE)
_STATISTICS = ("SampleCount", "Sum", "Minimum", "Maximum")


def data_of(params: Mapping[str, Any], now: float) -> list[Datum]:
    """The data of a request, those with entities too, whose entities are not stored.

    Args:
        params: The request.
        now: The virtual time in epoch seconds.

    Raises:
        AwsError: For the first member that CloudWatch refuses, with its text where one is public.

    """
    namespace = params["Namespace"]
    if not _is_text(namespace) or namespace.startswith(":"):
        raise _invalid(f"The value {namespace} for parameter Namespace is invalid.")
    own = [(f"MetricData.member.{n}", d) for n, d in _numbered(params.get("MetricData"))]
    for number, group in _numbered(params.get("EntityMetricData")):
        own += [
            (f"EntityMetricData.member.{number}.MetricData.member.{n}", datum)
            for n, datum in _numbered(group.get("MetricData"))
        ]
    if len(own) > _MOST_METRICS:
        raise _too_many("MetricData", _MOST_METRICS)
    for where, datum in own:
        _check(where, datum)
    late = [text for where, datum in own if (text := _late(where, datum, now))]
    if late:
        raise _invalid("\n".join(late))
    return [datum for _, datum in own]


def samples_of(datum: Datum, now: float) -> Iterator[Sample]:
    """The samples of a datum.

    Samples of regular resolution have the time of their minute: CloudWatch stores them so, and a
    shorter period shows them at the minute only.
    """
    stamp = datum.get("Timestamp")
    at = now if stamp is None else stamp.timestamp()
    if datum.get("StorageResolution", _MINUTE) == _MINUTE:
        at = at // _MINUTE * _MINUTE
    if "StatisticValues" in datum:
        count, total, low, high = (float(datum["StatisticValues"][name]) for name in _STATISTICS)
        yield Sample(at, total, count, low, high)
    values = datum.get("Values", ())
    for value, count in zip(values, datum.get("Counts") or [1.0] * len(values), strict=True):
        if count:
            yield Sample(at, float(value) * count, float(count), float(value), float(value))
    if "Value" in datum:
        yield Sample.one(at, float(datum["Value"]))


def _numbered(members: Sequence[Any] | None) -> Iterator[tuple[int, Any]]:
    return enumerate(members or (), 1)


def _check(where: str, datum: Datum) -> None:
    _check_dimensions(where, datum.get("Dimensions", ()))
    _check_choice(f"{where}.Unit", datum.get("Unit", "None"), UNITS)
    _check_choice(
        f"{where}.StorageResolution", datum.get("StorageResolution", _MINUTE), _RESOLUTIONS
    )
    for other in ("Values", "StatisticValues"):
        if "Value" in datum and datum.get(other):
            raise _mixed(
                f"The parameters {where}.Value and {where}.{other} are mutually exclusive and you "
                "have specified both."
            )
    # Values beside StatisticValues are accepted: recorded on AWS.
    if not any(datum.get(name) for name in ("Values", "StatisticValues")) and "Value" not in datum:
        raise _mixed(
            f"At least one of the parameters {where}.Value and {where}.StatisticValues must be "
            "specified."
        )
    _check_values(where, datum)


def _check_values(where: str, datum: Datum) -> None:
    values, counts = datum.get("Values", ()), datum.get("Counts")
    if len(values) > _MOST_VALUES:
        raise _too_many(f"{where}.Values", _MOST_VALUES)
    if counts is not None and len(counts) != len(values):
        raise _invalid(
            f"The parameters {where}.Values and {where}.Counts must be of the same size."
        )
    if "Value" in datum:
        _check_number(f"{where}.Value", datum["Value"])
    for value in values:
        _check_number(f"{where}.Values", value)
    for count in counts or ():
        _check_number(f"{where}.Counts", count, least=0)
    for name, value in (datum.get("StatisticValues") or {}).items():
        least = 0 if name == "SampleCount" else -_LARGEST
        _check_number(f"{where}.StatisticValues.{name}", value, least=least)


def _check_number(where: str, value: float, *, least: float = -_LARGEST) -> None:
    if not math.isfinite(value) or not least <= value <= _LARGEST:
        shown = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, value)
        raise _invalid(
            f"The value {'NaN' if math.isnan(value) else shown} for parameter {where} is invalid."
        )


def _check_dimensions(where: str, dimensions: Sequence[Mapping[str, str]]) -> None:
    if len(dimensions) > _MOST_DIMENSIONS:
        raise _too_many(f"{where}.Dimensions", _MOST_DIMENSIONS)
    for number, one in _numbered(dimensions):
        place = f"{where}.Dimensions.member.{number}"
        # ASCII, not blank: documented; the texts are those of other values.
        if not _is_text(one["Name"]) or one["Name"].startswith(":"):
            raise _invalid(f"The value {one['Name']} for parameter {place}.Name is invalid.")
        if not _is_text(one["Value"]):
            raise _invalid(f"The value {one['Value']} for parameter {place}.Value is invalid.")


def _is_text(text: str) -> bool:
    return bool(text.strip()) and text.isascii() and text.isprintable()


def _check_choice(where: str, value: Any, allowed: Sequence[Any]) -> None:
    if value not in allowed:
        shown = ", ".join(map(str, allowed))
        raise _invalid(f"The parameter {where} must be a value in the set [ {shown} ].")


def _late(where: str, datum: Datum, now: float) -> str | None:
    stamp = datum.get("Timestamp")
    if stamp is None:
        return None
    age = now - stamp.timestamp()
    if age > _TWO_WEEKS:
        return f"The parameter {where}.Timestamp must specify a time within the past two weeks."
    if age < -_TWO_HOURS:
        # The limit is documented, its text is not.
        return (
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the "
            "future."
        )
    return None


def _too_many(where: str, most: int) -> AwsError:
    return _invalid(f"The collection {where} must not have a size greater than {most}.")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def _mixed(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)
