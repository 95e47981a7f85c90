"""Frameworks in script mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from .._private.checks import Checks, known, text_of
from .algorithm import Algorithm, Program, SpecifiedJob
from .distribution import Distribution
from .images import AlgorithmImage
from .source import REQUIREMENTS, SourceCode

CODE_CHANNEL = "code"
_FOLDER = f"/opt/ml/input/data/{CODE_CHANNEL}"
_RESERVED = "sagemaker_"
_LOG_LEVEL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework(Algorithm):
    """A framework image that runs a custom script.

    Hyperparameters are JSON values; the script receives them as arguments and in ``SM_HPS``. With
    network isolation the code is the channel ``code``.

    Attributes:
        source: The code.
        version: Version of the framework.
        hyperparameters: Hyperparameters of the script.
        distribution: Distributed training; none by default.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/docker-containers-adapt-your-own.html

    """

    source: SourceCode
    version: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    distribution: Distribution | None = None
    _IMAGE: ClassVar[str] = ""
    _DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ()
    _HOSTS: ClassVar[int] = 100

    def __post_init__(self) -> None:
        """Check names and values of hyperparameters, and the kind of distribution."""
        with Checks(type(self).__name__) as check:
            check_values(check, self.hyperparameters)
            if self.distribution is not None:
                allowed = self._DISTRIBUTIONS
                if self.distribution.kind not in allowed:
                    listed = ", ".join(allowed) if allowed else "none"
                    message = f"distribution must be of {listed}, got {self.distribution.kind!r}"
                    check.refuse("DistributionNotAllowed", message)

    def image(self, scope: Construct, instance_type: str | None = None) -> AlgorithmImage:
        """The image in the region of the scope's stack, for GPUs or for CPUs."""
        return AlgorithmImage.find(scope, self._IMAGE, self.version, instance_type=instance_type)

    def program(self, scope: Construct, *, isolated: bool, instance_type: str = "") -> Program:
        """The hyperparameters, including those with the location of the code."""
        own = dict(self.hyperparameters)
        if self.distribution is not None:
            own |= self.distribution.rendered(instance_type)
        return script_program(scope, self.source, own, isolated=isolated)

    def check(self, check: Checks, job: SpecifiedJob) -> None:
        """Refuse channels and instances that the image does not support."""
        check_source(check, self.source, isolated=job.network_isolation)
        hosts = job.compute.hosts
        if known(hosts) and hosts > self._HOSTS:
            message = f"{type(self).__name__} runs on {self._HOSTS} instance, got {hosts}"
            check.refuse("ValueOutOfRange", message)
        if self.distribution is not None:
            self.distribution.check(check, job.compute)

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements to read the code's archive."""
        return self.source.statements(scope)


def script_program(
    scope: Construct, source: SourceCode, own: Mapping[str, Any], *, isolated: bool
) -> Program:
    """Hyperparameters for script mode: each as JSON."""
    asset = source.asset(scope)
    key = asset.s3_object_key
    values = {
        **own,
        "sagemaker_container_log_level": _LOG_LEVEL,
        "sagemaker_program": source.entry_point,
        "sagemaker_region": Stack.of(scope).region,
        # The object keeps its name in the channel; the toolkit detects the format.
        "sagemaker_submit_directory": (
            f"{_FOLDER}/{key.rsplit('/', 1)[-1]}" if isolated else _address(asset)
        ),
    }
    hyperparameters = {name: encoded(values[name]) for name in sorted(values)}
    channels = [_code_channel(asset)] if isolated else []
    return Program(hyperparameters=hyperparameters, channels=channels)


def check_source(check: Checks, source: SourceCode, *, isolated: bool) -> None:
    """Refuse requirements that an isolated container cannot install."""
    if isolated and source.has_requirements:
        message = (
            f"{REQUIREMENTS} cannot be installed in a container without a network: leave it out, "
            "use an image that has the packages, or set network_isolation=False"
        )
        check.refuse("RequirementsNotAllowed", message)


def check_values(check: Checks, values: Mapping[str, Any]) -> None:
    """Refuse reserved hyperparameters, and values that are not JSON."""
    for name, value in values.items():
        if not isinstance(name, str) or name.startswith(_RESERVED):
            message = f"{name!r} is SageMaker's own; names beginning with {_RESERVED!r} are"
            check.refuse("HyperparameterNotAllowed", message)
            continue
        try:
            length = len(encoded(value))
        except (TypeError, ValueError):
            message = f"{name} must be a value of JSON, got {value!r}"
            check.refuse("HyperparameterNotAllowed", message)
        else:
            if length > 2500 and known(encoded(value)):
                message = f"{name} must have at most 2500 characters as JSON, got {length}"
                check.refuse("ValueTooLong", message)


def encoded(value: Any) -> str:
    """A value as JSON; a token stays a token."""
    if isinstance(value, Mapping):
        parts = [f"{json.dumps(str(name))}: {encoded(value[name])}" for name in value]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(encoded(each) for each in value) + "]"
    if isinstance(value, int | float) and not known(value):
        return text_of(value)
    return json.dumps(value, allow_nan=False)


def _address(asset: assets.Asset) -> str:
    return f"s3://{asset.s3_bucket_name}/{asset.s3_object_key}"


def _code_channel(asset: assets.Asset) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": _address(asset),
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": CODE_CHANNEL,
        "DataSource": {"S3DataSource": source},
        "CompressionType": "None",
        "InputMode": "File",
    }
