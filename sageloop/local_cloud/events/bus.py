"""Store of event buses and rules."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.events.timetable import Recurrence

DEFAULT_BUS = "default"
# The principal of EventBridge.
SERVICE = "events.amazonaws.com"


@dataclass(kw_only=True)
class Rule:
    """One rule; ``pattern`` is the parsed ``pattern_text``, ``targets`` are keyed by id."""

    name: str
    arn: str
    bus: str
    region: str
    pattern_text: str | None
    pattern: dict[str, Any] | None
    schedule: str | None
    state: str
    description: str | None
    role_arn: str | None
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurrence: Recurrence | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether the rule is enabled."""
        return self.state != "DISABLED"


@dataclass(kw_only=True)
class Bus:
    """One event bus and its rules by name."""

    name: str
    arn: str
    region: str
    created: float
    modified: float
    settings: dict[str, Any] = field(default_factory=dict)
    statements: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)

    def policy(self) -> str | None:
        """The bus's resource policy as JSON."""
        if not self.statements:
            return None
        return json.dumps({"Version": "2012-10-17", "Statement": self.statements})

    def rule(self, name: str) -> Rule:
        """The rule with a name. Raises ResourceNotFoundException."""
        rule = self.rules.get(name)
        if rule is None:
            raise not_found(f"Rule {name} does not exist on EventBus {self.name}.")
        return rule


class Buses:
    """Every bus by region and name; ``lock`` guards buses, rules, targets and tags."""

    def __init__(self, account_id: str, now: float) -> None:
        self.lock = threading.RLock()
        self.tags: dict[str, dict[str, str]] = {}
        self._account_id = account_id
        self._now = now
        self._buses: dict[tuple[str, str], Bus] = {}

    def get(self, region: str, name_or_arn: str | None) -> Bus:
        """The bus by name or ARN (``None``: the default bus). Raises ResourceNotFoundException."""
        bus = self.find(region, name_or_arn)
        if bus is None:
            raise not_found(f"Event bus {name_or_arn} does not exist.")
        return bus

    def find(self, region: str, name_or_arn: str | None) -> Bus | None:
        """The bus by name or ARN, or ``None``."""
        name = DEFAULT_BUS if name_or_arn is None else name_or_arn
        if name.startswith("arn:"):
            region, name = name.split(":")[3], name.rpartition("/")[2]
        with self.lock:
            if name == DEFAULT_BUS and (region, name) not in self._buses:
                self.add(region, name, self._now, {})
            return self._buses.get((region, name))

    def policy_of(self, arn: str) -> str | None:
        """The resource policy of the bus with an ARN, or ``None``."""
        bus = self.find("", arn) if ":event-bus/" in arn else None
        return None if bus is None else bus.policy()

    def add(self, region: str, name: str, now: float, settings: dict[str, Any]) -> Bus:
        """Create a bus. Raises ResourceAlreadyExistsException."""
        with self.lock:
            if (region, name) in self._buses:
                raise AwsError(
                    "ResourceAlreadyExistsException", f"Event bus {name} already exists."
                )
            arn = regional_arn("events", region, self._account_id, f"event-bus/{name}")
            bus = Bus(
                name=name, arn=arn, region=region, created=now, modified=now, settings=settings
            )
            self._buses[(region, name)] = bus
            return bus

    def remove(self, bus: Bus) -> None:
        """Remove a bus."""
        with self.lock:
            self._buses.pop((bus.region, bus.name), None)
            self.tags.pop(bus.arn, None)

    def of_region(self, region: str) -> list[Bus]:
        """The buses of a region by name."""
        self.get(region, None)
        with self.lock:
            return sorted(
                (b for b in self._buses.values() if b.region == region), key=lambda b: b.name
            )

    def has(self, arn: str) -> bool:
        """Whether an ARN is that of an existing bus or rule."""
        with self.lock:
            return any(
                arn == bus.arn or any(arn == rule.arn for rule in bus.rules.values())
                for bus in self._buses.values()
            )


def not_found(message: str) -> AwsError:
    """EventBridge's error for a resource that does not exist."""
    return AwsError("ResourceNotFoundException", message)


def invalid(message: str) -> AwsError:
    """EventBridge's error for an invalid request."""
    return AwsError("ValidationException", message)


def page(items: list[Any], token: str | None, limit: int | None) -> tuple[list[Any], str | None]:
    """One page of a list and the token of the next. Raises ``AwsError`` for an invalid token."""
    return paginate(items, token, 100 if limit is None else limit, _refused)


def _refused(token: str) -> AwsError:
    return invalid(f"The token {token} was not returned by this operation.")
