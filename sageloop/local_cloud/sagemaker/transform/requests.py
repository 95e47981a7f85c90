"""Constraints of CreateTransformJob that the service model does not declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sageloop.local_cloud import images
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.transform.joining import (
    CSV,
    FORMATS,
    JSON,
    JSON_LINES,
    DataProcessing,
)
from sageloop.local_cloud.sagemaker.transform.jsonpath import JsonPathError

Request = dict[str, Any]

_MAX_MB = 100
# The characters of filters of JSON, beside letters and digits: boto3 #3136. Those of filters of CSV
# are not known.
_OPERATORS = ("$", "[", "]", "*", ".", " ", ",", ":", "-", "'")


def check(request: Request, allow: frozenset[str]) -> None:
    """Refuse a request that AWS would refuse or that the local cloud cannot execute.

    Members in ``allow`` as ``transform:<Member>`` are stored and not executed. Raises ``AwsError``
    ValidationException.
    """
    for message in _violations(request):
        raise AwsError("ValidationException", message)
    missing = [what for what in _not_executed(request) if f"transform:{what}" not in allow]
    if missing:
        raise AwsError(
            "ValidationException",
            f"not executed by the local cloud: {', '.join(missing)}; nothing was started. "
            f"To store it without executing it: --allow transform:{missing[0]}",
        )


def check_image(image: str, allow: frozenset[str]) -> bool:
    """Whether an image has a local serving program.

    Raises ``AwsError`` if it has none and ``image:<uri>`` is not in ``allow``.
    """
    if images.serving_command(image) is not None:
        return True
    if f"image:{image}" in allow:
        return False
    raise AwsError(
        "ValidationException",
        f"the model's image {image} has no serving program on this machine (images with a "
        f"program: {', '.join(images.known_images())}). To store its jobs without executing "
        f"them: --allow image:{image}",
    )


def _violations(request: Request) -> Iterator[str]:
    kind = request["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        yield f"S3DataType must be S3Prefix or ManifestFile for a transform job, got {kind}."
    payload = request.get("MaxPayloadInMB", 0)
    if payload > _MAX_MB:
        yield f"MaxPayloadInMB must not be greater than {_MAX_MB}, got {payload}."
    product = payload * request.get("MaxConcurrentTransforms", 0)
    if product > _MAX_MB:
        yield (
            "MaxConcurrentTransforms * MaxPayloadInMB must not be greater than "
            f"{_MAX_MB}, got {product}."
        )
    yield from _processing_violations(request)


def _processing_violations(request: Request) -> Iterator[str]:
    try:
        processing = DataProcessing.of(request)
    except JsonPathError as error:
        yield f"DataProcessing: {error}."
        return
    config = request.get("DataProcessing", {})
    yield from _operator_violations("InputFilter", config, processing.reads)
    yield from _operator_violations("OutputFilter", config, processing.writes)
    split = request["TransformInput"].get("SplitType", "None")
    together = request["TransformOutput"].get("AssembleWith", "None")
    accept = request["TransformOutput"].get("Accept")
    if not processing.input_filter.is_whole or processing.joins:
        yield from _format_violation("TransformInput.ContentType", processing.reads)
        if processing.reads == CSV and split != "Line":
            yield f"DataProcessing of {CSV} needs SplitType Line, got {split}."
    if processing.touches_output:
        yield from _format_violation("TransformOutput.Accept", processing.writes)
    if processing.joins and (accept is None or processing.reads != processing.writes):
        yield (
            "JoinSource Input needs the same TransformInput.ContentType and "
            f"TransformOutput.Accept, got {processing.reads or 'none'} and {accept or 'none'}."
        )
    if processing.joins and split != together:
        yield (
            f"JoinSource Input needs the same SplitType and AssembleWith, got {split} and "
            f"{together}."
        )


def _operator_violations(member: str, config: Request, format_: str) -> Iterator[str]:
    text = config.get(member, "$")
    unexpected = next((c for c in text if not c.isalnum() and c not in _OPERATORS), None)
    if unexpected is not None and format_ in (JSON, JSON_LINES):
        operators = ", ".join(f"'{operator}'" for operator in _OPERATORS)
        yield (
            f'Invalid {member}: "{text}". Unexpected "{unexpected}" in JsonPath. Supported '
            f'operators for "{format_}" are [{operators}]'
        )


def _format_violation(member: str, value: str) -> Iterator[str]:
    if value not in FORMATS:
        formats = ", ".join(FORMATS)
        yield f"DataProcessing needs {member} to be one of {formats}, got {value or 'none'}."


def _not_executed(request: Request) -> Iterator[str]:
    if request.get("ExperimentConfig"):
        yield "ExperimentConfig"
    if request.get("DataCaptureConfig", {}).get("GenerateInferenceId"):
        yield "DataCaptureConfig.GenerateInferenceId"
