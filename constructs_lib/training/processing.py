"""Specification of a processing job.

See https://docs.aws.amazon.com/sagemaker/latest/dg/processing-job.html
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constructs import Construct

from .._private.checks import Checks, known
from .._private.repositories import repository_arn_of
from ..data import DataStoreBase
from ..identity import ExecutionRole
from .images import AlgorithmImage
from .instances import has_local_disk
from .source import SourceCode

_ROOT = "/opt/ml/processing/"
_CODE = "code"
_INPUTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingInput:
    """An input of a processing job.

    Attributes:
        name: Name, unique among the inputs.
        prefix: Prefix of the store, ending in a slash.
        local_path: Path in the container, ``/opt/ml/processing/input/<name>`` by default.
        distribution: ``FullyReplicated`` or ``ShardedByS3Key`` over the instances.
        mode: ``File`` or ``Pipe``.

    """

    name: str
    prefix: str
    local_path: str = ""
    distribution: str = "FullyReplicated"
    mode: str = "File"

    @property
    def path(self) -> str:
        """The path in the container."""
        return self.local_path if self.local_path else f"{_ROOT}input/{self.name}"

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        label = f"input {self.name}"
        check.matches("the name of an input", self.name, r".+", 64)
        check.prefix(f"{label}: prefix", self.prefix)
        check.matches(f"{label}: local_path", self.path, rf"{_ROOT}.+", 256)
        check.one_of(f"{label}: distribution", self.distribution,
                     {"FullyReplicated", "ShardedByS3Key"})  # fmt: skip
        check.one_of(f"{label}: mode", self.mode, {"File", "Pipe"})

    def rendered(self, store: DataStoreBase) -> dict[str, Any]:
        """One of ``ProcessingInputs``."""
        return {"InputName": self.name, "S3Input": {
            "S3Uri": store.uri(self.prefix), "LocalPath": self.path, "S3DataType": "S3Prefix",
            "S3InputMode": self.mode, "S3DataDistributionType": self.distribution,
            "S3CompressionType": "None",
        }}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingOutput:
    """An output of a processing job.

    Attributes:
        name: Name, unique among the outputs.
        prefix: Prefix of the store, ending in a slash.
        local_path: Path in the container, ``/opt/ml/processing/output/<name>`` by default.
        upload: ``EndOfJob`` or ``Continuous``.

    """

    name: str
    prefix: str
    local_path: str = ""
    upload: str = "EndOfJob"

    @property
    def path(self) -> str:
        """The path in the container."""
        return self.local_path if self.local_path else f"{_ROOT}output/{self.name}"

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        label = f"output {self.name}"
        check.matches("the name of an output", self.name, r".+", 64)
        check.prefix(f"{label}: prefix", self.prefix)
        check.matches(f"{label}: local_path", self.path, rf"{_ROOT}.+", 256)
        check.one_of(f"{label}: upload", self.upload, {"Continuous", "EndOfJob"})

    def rendered(self, store: DataStoreBase) -> dict[str, Any]:
        """One of ``Outputs``."""
        output = {"S3Uri": store.uri(self.prefix).rstrip("/"), "LocalPath": self.path,
                  "S3UploadMode": self.upload}  # fmt: skip
        return {"OutputName": self.name, "S3Output": output}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingSpecification:
    """Specification of a processing job, without its name.

    Jobs have network isolation, encrypted traffic between containers, and volumes and outputs
    that are encrypted with the data store's key.

    Attributes:
        image: Image, for example from ``AlgorithmImage.find``, or the URI of an image.
        store: Data store of inputs and outputs.
        role: Role of the job.
        subnet_ids: Subnets of the job.
        security_group_ids: Security groups of the job.
        inputs: Inputs, at most 10 including the code.
        outputs: Outputs.
        code: Folder with a Python script, run by ``python3``; by default the image's program.
        entrypoint: Entry point in place of that of the image; not allowed with ``code``.
        arguments: Arguments of the program, each of 256 characters at most.
        environment: Environment of the container, 100 variables at most.
        instance_type: ML instance type.
        instance_count: Instances.
        volume_gb: Size of each instance's volume.
        max_runtime_seconds: Maximum runtime in seconds, 1 second to 9 days.
        isolated: Whether the container has network isolation; it then installs no packages.
        encrypt_traffic: Whether traffic between instances is encrypted.
        overrides: Fields of the request that the library does not model, by path.

    Example:
        >>> group = network.security_group(stack, "Group", description="Processing")
        >>> ProcessingSpecification(
        ...     image=AlgorithmImage.find(stack, "sklearn", "1.4-2"), store=store, code=source,
        ...     role=ProcessingRole(stack, "Role", key=store.key),
        ...     inputs=[ProcessingInput(name="raw", prefix="raw/")],
        ...     outputs=[ProcessingOutput(name="train", prefix="datasets/train/")],
        ...     subnet_ids=network.subnet_ids, security_group_ids=[group.security_group_id])

    """

    image: AlgorithmImage | str
    store: DataStoreBase
    role: ExecutionRole
    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]
    inputs: Sequence[ProcessingInput] = ()
    outputs: Sequence[ProcessingOutput] = ()
    code: SourceCode | None = None
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_gb: int = 30
    max_runtime_seconds: int = 3600
    isolated: bool = True
    encrypt_traffic: bool = True
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        check.instance_type("instance_type", self.instance_type)
        check.whole("instance_count", self.instance_count, 1, 100)
        check.whole("volume_gb", self.volume_gb, 1, 16384)
        check.whole("max_runtime_seconds", self.max_runtime_seconds, 1, 777_600)
        check.not_empty("subnet_ids", self.subnet_ids)
        check.not_empty("security_group_ids", self.security_group_ids)
        for source in self.inputs:
            source.check(check)
        for output in self.outputs:
            output.check(check)
        self._check_inputs(check)
        for kind, parts in (("inputs", self.inputs), ("outputs", self.outputs)):
            _check_unique(check, f"{kind}: name", [part.name for part in parts])
            _check_unique(check, f"{kind}: local_path", [part.path for part in parts])
        if self.code is not None:
            self._check_code(check, self.code)

    def grant(self, scope: Construct) -> None:
        """Grant the role the image, read on the inputs and write on the outputs."""
        uri = self.image if isinstance(self.image, str) else self.image.uri
        named = "" if isinstance(self.image, str) else self.image.repository_arn
        repository = named or repository_arn_of(uri)
        self.role.allow_images([repository] if repository else [])
        for source in self.inputs:
            self.store.grant_read(self.role, prefix=source.prefix)
        for output in self.outputs:
            self.store.grant_write(self.role, prefix=output.prefix)
        if self.code is not None:
            self.role.add(*self.code.statements(scope))

    def request(self, scope: Construct) -> dict[str, Any]:
        """The ``CreateProcessingJob`` request without ``ProcessingJobName``."""
        request: dict[str, Any] = {
            "AppSpecification": self._program(),
            "RoleArn": self.role.role_arn,
            "ProcessingResources": {"ClusterConfig": self._cluster()},
            "StoppingCondition": {"MaxRuntimeInSeconds": self.max_runtime_seconds},
            "NetworkConfig": {
                "EnableNetworkIsolation": self.isolated,
                "EnableInterContainerTrafficEncryption": self.encrypt_traffic,
                "VpcConfig": {
                    "SecurityGroupIds": list(self.security_group_ids),
                    "Subnets": list(self.subnet_ids),
                },
            },
        }
        inputs = [source.rendered(self.store) for source in self.inputs] + self._code(scope)
        if inputs:
            request["ProcessingInputs"] = inputs
        if self.outputs:
            request["ProcessingOutputConfig"] = self._outputs()
        if self.environment:
            request["Environment"] = dict(self.environment)
        return request

    def _program(self) -> dict[str, Any]:
        image = self.image if isinstance(self.image, str) else self.image.uri
        entrypoint = list(self.entrypoint) if self.code is None else _command(self.code)
        program: dict[str, Any] = {"ImageUri": image}
        if entrypoint:
            program["ContainerEntrypoint"] = entrypoint
        if self.arguments:
            program["ContainerArguments"] = list(self.arguments)
        return program

    def _cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = {
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
            "VolumeSizeInGB": self.volume_gb,
        }
        if self.store.key is not None and not has_local_disk(self.instance_type):
            cluster["VolumeKmsKeyId"] = self.store.key.key_arn
        return cluster

    def _outputs(self) -> dict[str, Any]:
        outputs = {"Outputs": [output.rendered(self.store) for output in self.outputs]}
        key = self.store.key
        return outputs if key is None else {**outputs, "KmsKeyId": key.key_arn}

    def _code(self, scope: Construct) -> list[dict[str, Any]]:
        """The code's archive as an input: an isolated container cannot download it."""
        if self.code is None:
            return []
        return [{"InputName": _CODE, "S3Input": {
            "S3Uri": self.code.asset(scope).s3_object_url, "LocalPath": f"{_ROOT}input/{_CODE}",
            "S3DataType": "S3Prefix", "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None",
        }}]  # fmt: skip

    def _check_inputs(self, check: Checks) -> None:
        count = len(self.inputs) + (0 if self.code is None else 1)
        if count > _INPUTS:
            check.refuse("ValueOutOfRange", f"inputs must be at most {_INPUTS} with the code, got "
                         f"{count}")  # fmt: skip
        reads = [source.prefix for source in self.inputs]
        for output in self.outputs:
            if known(output.prefix, *reads) and output.prefix in reads:
                check.refuse("PrefixNotAllowed", f"output {output.name} must not be written to an "
                             f"input's prefix, got {output.prefix!r}")  # fmt: skip

    def _check_code(self, check: Checks, code: SourceCode) -> None:
        if self.entrypoint:
            check.refuse("EntrypointNotAllowed", "entrypoint does not go with code, whose "
                         "entry_point is run")  # fmt: skip
        if any(source.name == _CODE for source in self.inputs):
            check.refuse("NameNotUnique", f"the input {_CODE!r} is taken by the code")
        if self.isolated and code.has_requirements:
            check.refuse("RequirementsNotAllowed", "an isolated container cannot install "
                         "requirements.txt: put the packages into the image, or say "
                         "isolated=False")  # fmt: skip


def _command(code: SourceCode) -> list[str]:
    """The shell command that extracts the archive and runs its script."""
    steps = [
        f"mkdir -p {_ROOT}{_CODE}",
        f"tar -xzf {_ROOT}input/{_CODE}/*.gz -C {_ROOT}{_CODE}",
        f"cd {_ROOT}{_CODE}",
    ]
    if code.has_requirements:
        steps.append("python3 -m pip install -q -r requirements.txt")
    steps.append(f'exec python3 {shlex.quote(code.entry_point)} "$@"')
    return ["/bin/bash", "-c", " && ".join(steps), code.entry_point]


def _check_unique(check: Checks, label: str, values: Sequence[str]) -> None:
    if known(*values):
        for value in sorted({each for each in values if values.count(each) > 1}):
            check.refuse("NameNotUnique", f"{label} must be unique, got {value!r} twice")
