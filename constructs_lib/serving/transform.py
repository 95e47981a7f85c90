"""Specification of a batch transform job.

See https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from constructs import Construct

from .._private.checks import Checks, known
from ..data import DataStoreBase
from ..identity import ExecutionRole
from ..training.instances import has_local_disk
from .model import ModelBase

_PAYLOAD = 100
_DEFAULT_PAYLOAD = 6
_FILTER = 63
_JOINABLE = ("application/json", "application/jsonlines", "text/csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProcessing:
    """Filters and join of input and output records.

    Attributes:
        input_filter: JSONPath of the input to the model, at most 63 characters.
        join: Whether to join each prediction with its input record.
        output_filter: JSONPath of the output, at most 63 characters.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html

    Example:
        >>> DataProcessing(input_filter="$[1:]", join=True, output_filter="$[0,-1]")

    """

    input_filter: str | None = None
    join: bool = False
    output_filter: str | None = None

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        filters = {"input_filter": self.input_filter, "output_filter": self.output_filter}
        for label, value in filters.items():
            if value is not None:
                check.matches(f"processing.{label}", value, r"\$.*", _FILTER)

    def rendered(self) -> dict[str, str]:
        """``DataProcessing``."""
        rendered = {"JoinSource": "Input" if self.join else "None"}
        if self.input_filter is not None:
            rendered["InputFilter"] = self.input_filter
        if self.output_filter is not None:
            rendered["OutputFilter"] = self.output_filter
        return rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformSpecification:
    """Specification of a batch transform job, without its name.

    For each input object the job writes ``<key>.out`` below the output prefix.

    Attributes:
        model: Model; for a model package use ``ModelArtifact.from_package``.
        model_name: Name of a SageMaker model, in place of ``model``.
        store: Data store of input and output.
        role: Role of the model, which reads the input and writes the output; by default that of
            ``model``. ``None`` adds no grants.
        input_prefix: Prefix of the input, ending in a slash.
        output_prefix: Prefix of the output, ending in a slash, outside the input's.
        content_type: Content type of the input.
        compression: ``None`` or ``Gzip``.
        split: Split type of the input: ``None``, ``Line``, ``RecordIO``, ``TFRecord``.
        strategy: ``MultiRecord`` or ``SingleRecord`` in one request; both need ``split``. By
            default as the container specifies.
        assemble: Assembly of the output: ``None`` or ``Line``.
        accept: Content type of the output; that of the container by default.
        max_payload_mb: Maximum payload in MB, 0 to 100; 0 is unlimited. 6 by default.
        max_concurrent: Concurrent requests per instance; times ``max_payload_mb`` at most
            100 MB. By default as the container specifies.
        processing: Filters and join; none by default.
        timeout_seconds: Timeout of a request, 1 to 3600; 600 by default.
        max_retries: Retries of a request, 0 to 3; 3 by default.
        instance_type: ML instance type.
        instance_count: Number of instances.
        environment: Environment variables of the container, at most 16.
        overrides: Fields of the request that the library does not model, by path.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html

    Example:
        >>> TransformSpecification(model=model, store=store, input_prefix="to-score/",
        ...                        output_prefix="scored/", split="Line", assemble="Line",
        ...                        processing=DataProcessing(input_filter="$[1:]", join=True))

    """

    model: ModelBase | None = None
    model_name: str = ""
    store: DataStoreBase
    role: ExecutionRole | None = None
    input_prefix: str
    output_prefix: str
    content_type: str = "text/csv"
    compression: str = "None"
    split: str = "None"
    strategy: str | None = None
    assemble: str = "None"
    accept: str | None = None
    max_payload_mb: int | None = None
    max_concurrent: int | None = None
    processing: DataProcessing | None = None
    timeout_seconds: int | None = None
    max_retries: int | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set name and role from the model."""
        if self.model is None:
            return
        with Checks("TransformSpecification") as check:
            if self.model_name:
                check.refuse("ModelTwice", "model and model_name are mutually exclusive, got "
                             f"{self.model_name!r}")  # fmt: skip
        object.__setattr__(self, "model_name", self.model.model_name)
        if self.role is None:
            object.__setattr__(self, "role", self.model.role)

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        check.name("model_name", self.model_name)
        if self.model is not None and self.model.is_multi_model:
            check.refuse("ModelNotOfKind", "a batch transform job serves one model, not a "
                         "multi-model container")  # fmt: skip
        check.instance_type("instance_type", self.instance_type)
        check.whole("instance_count", self.instance_count, 1, 100)
        self._check_places(check)
        check.one_of("compression", self.compression, {"Gzip", "None"})
        check.one_of("split", self.split, {"Line", "None", "RecordIO", "TFRecord"})
        check.one_of("assemble", self.assemble, {"Line", "None"})
        if self.strategy is not None:
            check.one_of("strategy", self.strategy, {"MultiRecord", "SingleRecord"})
            if known(self.strategy, self.split) and self.split == "None":
                check.refuse("SplitMissing", f"strategy {self.strategy} needs split: one of Line, "
                             "RecordIO, TFRecord")  # fmt: skip
        self._check_payload(check)
        if self.timeout_seconds is not None:
            check.whole("timeout_seconds", self.timeout_seconds, 1, 3600)
        if self.max_retries is not None:
            check.whole("max_retries", self.max_retries, 0, 3)
        if len(self.environment) > 16:
            check.refuse("ValueOutOfRange", "environment must have at most 16 variables, got "
                         f"{len(self.environment)}")  # fmt: skip
        if self.processing is not None:
            self.processing.check(check)
            self._check_processing(check, self.processing)

    def grant(self, _: Construct) -> None:
        """Grant the model's role read on the input and write on the output."""
        if self.role is not None:
            self.store.grant_read(self.role, prefix=self.input_prefix)
            self.store.grant_write(self.role, prefix=self.output_prefix)

    def request(self) -> dict[str, Any]:
        """The ``CreateTransformJob`` request without ``TransformJobName``."""
        request: dict[str, Any] = {
            "ModelName": self.model_name,
            "TransformInput": self._input(),
            "TransformOutput": self._output(),
            "TransformResources": self._resources(),
        }
        optional = {
            "BatchStrategy": self.strategy,
            "MaxPayloadInMB": self.max_payload_mb,
            "MaxConcurrentTransforms": self.max_concurrent,
            "ModelClientConfig": self._client(),
            "DataProcessing": None if self.processing is None else self.processing.rendered(),
            "Environment": dict(self.environment) if self.environment else None,
        }
        return {**request, **{key: value for key, value in optional.items() if value is not None}}

    def _input(self) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": self.store.uri(self.input_prefix)}
        return {
            "DataSource": {"S3DataSource": source},
            "ContentType": self.content_type,
            "CompressionType": self.compression,
            "SplitType": self.split,
        }

    def _output(self) -> dict[str, Any]:
        output: dict[str, Any] = {
            "S3OutputPath": self.store.uri(self.output_prefix).rstrip("/"),
            "AssembleWith": self.assemble,
        }
        # SageMaker joins records of the same content type only.
        joins = self.processing is not None and self.processing.join
        accept = self.content_type if self.accept is None and joins else self.accept
        if accept is not None:
            output["Accept"] = accept
        if self.store.key is not None:
            output["KmsKeyId"] = self.store.key.key_arn
        return output

    def _resources(self) -> dict[str, Any]:
        resources: dict[str, Any] = {
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
        }
        if self.store.key is not None and not has_local_disk(self.instance_type):
            resources["VolumeKmsKeyId"] = self.store.key.key_arn
        return resources

    def _client(self) -> dict[str, int] | None:
        client = {
            "InvocationsTimeoutInSeconds": self.timeout_seconds,
            "InvocationsMaxRetries": self.max_retries,
        }
        values = {key: value for key, value in client.items() if value is not None}
        return values if values else None

    def _check_places(self, check: Checks) -> None:
        check.prefix("input_prefix", self.input_prefix)
        check.prefix("output_prefix", self.output_prefix)
        places = (self.input_prefix, self.output_prefix)
        if known(*places) and self.output_prefix.startswith(self.input_prefix):
            check.refuse("PrefixNotAllowed", "output_prefix must lie outside input_prefix, or "
                         f"answers become input, got {places[1]!r} in {places[0]!r}")  # fmt: skip

    def _check_payload(self, check: Checks) -> None:
        payload = _DEFAULT_PAYLOAD if self.max_payload_mb is None else self.max_payload_mb
        check.whole("max_payload_mb", payload, 0, _PAYLOAD)
        if self.max_concurrent is None:
            return
        check.whole("max_concurrent", self.max_concurrent, 0)
        if known(payload, self.max_concurrent) and payload * self.max_concurrent > _PAYLOAD:
            check.refuse("ValueOutOfRange", f"max_payload_mb x max_concurrent must be at most "
                         f"{_PAYLOAD} MB, got {payload} x {self.max_concurrent}")  # fmt: skip

    def _check_processing(self, check: Checks, processing: DataProcessing) -> None:
        check.one_of("content_type with processing", self.content_type, _JOINABLE)
        if not processing.join:
            return
        accept = self.content_type if self.accept is None else self.accept
        if known(accept, self.content_type) and accept != self.content_type:
            check.refuse(
                "JoinNotAllowed",
                "processing.join needs one type for records and "
                f"answers: content_type {self.content_type!r}, accept {accept!r}",
            )
        if known(self.split, self.assemble) and self.split != self.assemble:
            check.refuse("JoinNotAllowed", "processing.join needs assemble to be what split is, "
                         f"got {self.assemble!r} and {self.split!r}")  # fmt: skip
