"""Data capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._private.checks import Checks

_LIMIT = 100
_TYPES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCapture:
    """Data capture of requests and responses in Amazon S3.

    Attributes:
        percentage: Sampling percentage, 0 to 100.
        prefix: Prefix in the data store, ending in a slash.
        content_types: CSV content types, at most 10; other types are captured as base64.
        json_content_types: JSON content types, at most 10.
        modes: ``Input``, ``Output`` or both.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture.html

    Example:
        >>> DataCapture(percentage=20, modes=("Input", "Output"))

    """

    percentage: int = 100
    prefix: str = "capture/"
    content_types: Sequence[str] = ("text/csv",)
    json_content_types: Sequence[str] = ()
    modes: Sequence[str] = ("Input", "Output")

    def check(self, check: Checks) -> None:
        """Refuse an invalid percentage, prefix, mode or content type."""
        check.whole("capture.percentage", self.percentage, 0, _LIMIT)
        check.prefix("capture.prefix", self.prefix)
        check.not_empty("capture.modes", self.modes)
        for mode in self.modes:
            check.one_of("capture.modes", mode, {"Input", "Output"})
        for label in ("content_types", "json_content_types"):
            types = getattr(self, label)
            if len(types) > _TYPES:
                message = f"capture.{label} must be {_TYPES} at most, got {len(types)}"
                check.refuse("ValueOutOfRange", message)

    def rendered(self, destination: str, key_arn: str | None) -> dict[str, Any]:
        """A ``DataCaptureConfig``."""
        readable = {
            "CsvContentTypes": list(self.content_types),
            "JsonContentTypes": list(self.json_content_types),
        }
        config: dict[str, Any] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": self.percentage,
            "DestinationS3Uri": destination,
            "CaptureOptions": [{"CaptureMode": mode} for mode in self.modes],
        }
        header = {name: types for name, types in readable.items() if types}
        if header:
            config["CaptureContentTypeHeader"] = header
        return config if key_arn is None else {**config, "KmsKeyId": key_arn}
