"""The notification configuration of a bucket: what S3 refuses, and how it is kept and returned.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

Configuration = Mapping[str, Any]
"""The NotificationConfiguration of a request."""

# The API's list, the member with the ARN, its service, moto's names of list and ARN.
_KINDS = (
    ("TopicConfigurations", "TopicArn", "sns", "TopicConfiguration", "Topic"),
    ("QueueConfigurations", "QueueArn", "sqs", "QueueConfiguration", "Queue"),
    ("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda", "CloudFunctionConfiguration",
     "CloudFunction"),
)  # fmt: skip
_MOST = 100
_LONGEST_VALUE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One configuration: events of keys with a prefix and a suffix go to a destination."""

    id: str
    arn: str
    service: str
    events: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    """Names in lower case, which are ``prefix`` and ``suffix``, and values."""

    def filter(self, name: str) -> str:
        """The prefix or the suffix, empty if there is none."""
        return dict(self.filters).get(name, "")


def parsed(configuration: Configuration, region: str) -> list[Notification]:
    """The notifications of a request.

    Args:
        configuration: ``NotificationConfiguration`` of the request.
        region: The bucket's region, which must be that of the destinations.

    Raises:
        AwsError: InvalidArgument with S3's text.

    """
    notifications = [
        _notification(one, member, service, region)
        for list_, member, service, *_ in _KINDS
        for one in configuration.get(list_, [])
    ]
    if len(notifications) > _MOST:
        # The limit is documented, its text is not.
        raise invalid(
            f"a bucket has at most {_MOST} event notification configurations, "
            f"got {len(notifications)}"
        )
    if len({one.id for one in notifications}) < len(notifications):
        # Documented is that an Id is unique; the text is not.
        ids = sorted(one.id for one in notifications)
        raise invalid(
            "Same ID used for multiple configurations. IDs must be unique, got " + ", ".join(ids)
        )
    for first, second in itertools.combinations(notifications, 2):
        _check_overlap(first, second)
    return notifications


def for_moto(notifications: Sequence[Notification], configuration: Configuration) -> dict[str, Any]:
    """The configuration as moto's bucket takes it."""
    kept: dict[str, Any] = {
        list_: [
            {"Id": one.id, arn: one.arn, "Event": list(one.events)} | _moto_filter(one)
            for one in notifications
            if one.service == service
        ]
        for _, _, service, list_, arn in _KINDS
    }
    if configuration.get("EventBridgeConfiguration") is not None:
        kept["EventBridgeConfiguration"] = {}
    return {name: value for name, value in kept.items() if value or value == {}}


def described(kept: Any) -> dict[str, Any]:
    """The output of GetBucketNotificationConfiguration for what moto's bucket holds."""
    if kept is None:
        return {}
    lists = (kept.topic, kept.queue, kept.cloud_function)
    answer: dict[str, Any] = {
        list_: [_described(one, member) for one in ones]
        for ones, (list_, member, *_) in zip(lists, _KINDS, strict=True)
        if ones
    }
    if kept.event_bridge is not None:
        answer["EventBridgeConfiguration"] = {}
    return answer


def invalid(message: str) -> AwsError:
    """S3's error for a configuration that it refuses."""
    return AwsError("InvalidArgument", message)


def _notification(
    one: Mapping[str, Any], member: str, service: str, region: str
) -> Notification:  # fmt: skip
    arn = str(one[member])
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] != service:
        raise invalid("The ARN is not well formed")
    if parts[3] != region:
        raise invalid(
            "The notification destination service region is not valid for the bucket location "
            "constraint"
        )
    if arn.endswith(".fifo"):
        # Documented as unsupported; the text is that of every destination that cannot be used.
        raise invalid(f"Unable to validate the following destination configurations: {arn} is FIFO")
    rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return Notification(
        id=one.get("Id") or secrets.token_hex(24), arn=arn, service=service,
        events=tuple(one["Events"]), filters=tuple(_rules(rules)),
    )  # fmt: skip


def _rules(rules: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for rule in rules:
        name, value = str(rule.get("Name", "")).lower(), str(rule.get("Value") or "")
        if name not in ("prefix", "suffix"):
            raise invalid("filter rule name must be either prefix or suffix")
        if name in names:
            raise invalid(f"Cannot specify more than one {name} rule in a filter.")
        if len(value.encode()) > _LONGEST_VALUE:
            raise invalid(
                f"Size of filter rule value cannot exceed {_LONGEST_VALUE} bytes in UTF-8 "
                "representation"
            )
        names.add(name)
        yield name, value


def _check_overlap(first: Notification, second: Notification) -> None:
    """Refuse two configurations of which one object's event could be for both."""
    if not any(_same_event(a, b) for a in first.events for b in second.events):
        return
    if not first.filters and not second.filters:
        raise invalid(
            "Configurations overlap. Configurations on the same bucket cannot share a common "
            "event type."
        )
    one, other = sorted((first.filter("prefix"), second.filter("prefix")), key=len)
    end, other_end = sorted((first.filter("suffix"), second.filter("suffix")), key=len)
    if other.startswith(one) and other_end.endswith(end):
        raise invalid(
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "
            "if the prefixes are overlapping for the same event type."
        )


def _same_event(first: str, second: str) -> bool:
    wide, narrow = (first, second) if first.endswith(":*") else (second, first)
    return wide == narrow or (wide.endswith(":*") and narrow.startswith(wide[:-1]))


def _moto_filter(one: Notification) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in one.filters]
    return {"Filter": {"S3Key": {"FilterRule": rules}}} if rules else {}


def _described(one: Any, member: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"Id": one.id, member: one.arn, "Events": list(one.events)}
    rules = one.filters.get("S3Key", {}).get("FilterRule", [])
    if rules:
        # S3 answers Prefix and Suffix, however they were written: aws-cdk #31303.
        named = [{"Name": rule["Name"].capitalize(), "Value": rule["Value"]} for rule in rules]
        answer["Filter"] = {"Key": {"FilterRules": named}}
    return answer
