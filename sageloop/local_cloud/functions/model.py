"""Functions with their versions, aliases and settings."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.functions.code import Package
from sageloop.local_cloud.functions.errors import function_not_found
from sageloop.local_cloud.functions.names import LATEST, FunctionRef
from sageloop.local_cloud.functions.policy import Policy

DEFAULT_RETRIES = 2
DEFAULT_EVENT_AGE = 21_600


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One published version of a layer."""

    name: str
    arn: str
    number: int
    package: Package
    description: str
    created: datetime
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    licence: str


@dataclass(frozen=True, slots=True)
class Version:
    """A function's code and configuration at one time; ``number`` is ``$LATEST`` or digits.

    ``settings`` holds the configuration's members under AWS's names, defaults included.
    """

    name: str
    arn: str
    number: str
    settings: Mapping[str, Any]
    package: Package
    layers: tuple[LayerVersion, ...]
    modified: datetime
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def role(self) -> str:
        """ARN of the execution role."""
        return str(self.settings["Role"])

    @property
    def timeout(self) -> int:
        """Maximum duration of an invocation in seconds."""
        return int(self.settings["Timeout"])

    @property
    def memory(self) -> int:
        """Memory in megabytes (visible to the function; not enforced)."""
        return int(self.settings["MemorySize"])

    @property
    def log_group(self) -> str:
        """Name of its log group."""
        return str(self.settings["LoggingConfig"]["LogGroup"])

    @property
    def logs_json(self) -> bool:
        """Whether the log is written as JSON objects."""
        return bool(self.settings["LoggingConfig"]["LogFormat"] == "JSON")

    def content(self) -> tuple[Any, ...]:
        """The content that PublishVersion compares."""
        return (self.package.sha256, self.settings, tuple(layer.arn for layer in self.layers))

    def configuration(self, arn: str) -> dict[str, Any]:
        """AWS's ``FunctionConfiguration``; ``arn`` is the requested one."""
        runtime = hashlib.sha256(str(self.settings["Runtime"]).encode()).hexdigest()
        region = self.arn.split(":")[3]
        return {
            **self.settings,
            "FunctionName": self.name,
            "FunctionArn": arn,
            "CodeSize": self.package.size,
            "CodeSha256": self.package.sha256,
            "LastModified": self.modified.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Version": self.number,
            "RevisionId": self.revision,
            "Layers": [{"Arn": x.arn, "CodeSize": x.package.size} for x in self.layers] or None,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "RuntimeVersionConfig": {
                "RuntimeVersionArn": regional_arn("lambda", region, "", f"runtime:{runtime}")
            },
        }


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of a version, with ``weights`` for calls of a second version."""

    name: str
    arn: str
    version: str
    description: str
    weights: Mapping[str, float]
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))

    def described(self) -> dict[str, Any]:
        """AWS's ``AliasConfiguration``."""
        routing = {"AdditionalVersionWeights": dict(self.weights)} if self.weights else None
        return {
            "AliasArn": self.arn, "Name": self.name, "FunctionVersion": self.version,
            "Description": self.description, "RoutingConfig": routing, "RevisionId": self.revision,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventConfig:
    """Retries and destinations of asynchronous invocations."""

    modified: datetime
    retries: int = DEFAULT_RETRIES
    max_age: int = DEFAULT_EVENT_AGE
    on_success: str | None = None
    on_failure: str | None = None


@dataclass(slots=True)
class Function:
    """A function with its settings, guarded by the repository's lock."""

    region: str
    name: str
    arn: str
    latest: Version
    versions: dict[str, Version] = field(default_factory=dict)
    last_number: int = 0
    aliases: dict[str, Alias] = field(default_factory=dict)
    policies: dict[str | None, Policy] = field(default_factory=dict)
    reserved: int | None = None
    recursive_loop: str = "Terminate"
    event_configs: dict[str, EventConfig] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def arn_of(self, qualifier: str | None) -> str:
        """Its ARN with a qualifier."""
        return f"{self.arn}:{qualifier}" if qualifier else self.arn


class FunctionRepository:
    """Every function of the account, by region and name."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self.lock = threading.RLock()
        self._functions: dict[tuple[str, str], Function] = {}

    def arn(self, ref: FunctionRef) -> str:
        """The unqualified ARN of a reference."""
        return regional_arn("lambda", ref.region, self._account_id, f"function:{ref.name}")

    def get(self, ref: FunctionRef) -> Function:
        """The function, for any qualifier. Raises ResourceNotFoundException."""
        with self.lock:
            function = self._functions.get((ref.region, ref.name))
        if function is None:
            tail = f":{ref.qualifier}" if ref.qualifier else ""
            raise function_not_found(self.arn(ref) + tail)
        return function

    def version(self, function: Function, qualifier: str | None) -> Version:
        """The version of a qualifier (number, alias, ``$LATEST`` or none)."""
        with self.lock:
            if qualifier in (None, LATEST):
                return function.latest
            alias = function.aliases.get(str(qualifier))
            number = alias.version if alias else str(qualifier)
            version = function.latest if number == LATEST else function.versions.get(number)
        if version is None:
            raise function_not_found(function.arn_of(qualifier))
        return version

    def policy_of(self, arn: str) -> str | None:
        """The policy of the function, version or alias with an ARN, or ``None``."""
        fields = arn.split(":")
        if len(fields) < 7 or fields[5] != "function":
            return None
        with self.lock:
            function = self._functions.get((fields[3], fields[6]))
            policy = function and function.policies.get(":".join(fields[7:]) or None)
        return policy.document() if policy else None

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of the function with an ARN; none if it does not exist."""
        fields = arn.split(":")
        if len(fields) < 7 or fields[5] != "function":
            return {}
        with self.lock:
            function = self._functions.get((fields[3], fields[6]))
            return {} if function is None else dict(function.tags)

    def add(self, function: Function) -> bool:
        """Add a new function; returns ``False`` if the name exists."""
        with self.lock:
            key = (function.region, function.name)
            if key in self._functions:
                return False
            self._functions[key] = function
            return True

    def remove(self, function: Function) -> None:
        """Remove a function."""
        with self.lock:
            self._functions.pop((function.region, function.name), None)

    def of_region(self, region: str) -> list[Function]:
        """Functions of a region by name."""
        with self.lock:
            functions = [f for (r, _), f in self._functions.items() if r == region]
        return sorted(functions, key=lambda f: f.name)
