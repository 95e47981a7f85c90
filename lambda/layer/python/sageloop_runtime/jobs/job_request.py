"""The job document, and the Create request that it renders."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.jobs.dataset import DatePartitionedDataset
from sageloop_runtime.jobs.instance_types import check_fallbacks
from sageloop_runtime.jobs.kinds import TRAINING, TUNING, Kind, definitions_of, kind_of

_DATA = (
    "bucket", "prefix", "manifest_key", "train_channel", "validation_channel", "validation_days",
    "window_days",
)  # fmt: skip
_HYPERPARAMETERS = {TRAINING: "HyperParameters", TUNING: "StaticHyperParameters"}


def read_job_document(text: str, job: str) -> dict[str, Any]:
    """Parse and check a job document.

    Raises:
        BadInputError: if it is malformed.

    """
    try:
        document = json.loads(text)
    except (ValueError, TypeError):
        raise BadInputError("the job document is not JSON") from None
    if not isinstance(document, dict):
        raise BadInputError("the job document is not a JSON object")
    kind = kind_of(document)
    _check_name(job, document, kind)
    _check_request(document.get("request"), kind)
    if not isinstance(document.get("start_on_deploy", False), bool):
        raise BadInputError("'start_on_deploy' is neither true nor false")
    if document.get("data") is not None:
        _check_data(document["data"], kind)
    check_fallbacks(document)
    return document


def _check_name(job: str, document: Mapping[str, Any], kind: Kind) -> None:
    longest = kind.longest_job
    if re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", job) is None or len(job) > longest:
        raise BadInputError(
            f"the {kind.label} {job!r} is not 1-{longest} letters, digits and hyphens"
        )
    if document.get("job") != job:
        raise BadInputError(f"the document is of job {document.get('job')!r}, not of {job!r}")


def _check_request(request: Any, kind: Kind) -> None:
    if not isinstance(request, dict):
        raise BadInputError("the job document has no 'request'")
    if kind.name_member in request:
        raise BadInputError(
            f"the document's request has a {kind.name_member}: the trigger determines it"
        )
    missing = [key for key in kind.required if key not in request]
    if kind is TUNING and not definitions_of(kind, request):
        missing.append("TrainingJobDefinition")
    if missing:
        raise BadInputError(f"the document's request lacks {', '.join(missing)}")


def _check_data(data: Any, kind: Kind) -> None:
    if kind not in _HYPERPARAMETERS:
        raise BadInputError(f"a {kind.label} has its own inputs: 'data' must be null")
    missing = [key for key in _DATA if not isinstance(data, dict) or key not in data]
    if missing:
        raise BadInputError(f"the document's data lacks {', '.join(missing)}")
    validation, window = data["validation_days"], data["window_days"]
    if not isinstance(validation, int) or not isinstance(window, int):
        raise BadInputError("'validation_days' and 'window_days' are whole numbers")
    if not 1 <= validation < window:
        raise BadInputError(
            f"'validation_days' is {validation}: between 1 and window_days - 1 = {window - 1} "
            "is expected"
        )


def job_request(
    document: dict[str, Any], name: str, hyperparameters: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The Create request of the job ``name``.

    Args:
        document: the job document.
        name: name of the job.
        hyperparameters: override those of the document.

    """
    kind = kind_of(document)
    request: dict[str, Any] = copy.deepcopy(document["request"])
    request[kind.name_member] = name
    for definition in definitions_of(kind, request):
        _separate_checkpoints(definition, name)
        if document.get("data") is not None:
            _set_channels(definition, DatePartitionedDataset.of(document["data"]), name)
        if hyperparameters:
            definition.setdefault(_HYPERPARAMETERS[kind], {}).update(hyperparameters)
    return request


def _separate_checkpoints(definition: dict[str, Any], name: str) -> None:
    """Give the job its own checkpoints; it would resume from those of another job."""
    config = definition.get("CheckpointConfig")
    if config is not None:
        config["S3Uri"] = f"{config['S3Uri'].rstrip('/')}/{name}"


def refuse_hyperparameters(document: Mapping[str, Any]) -> None:
    """Check that jobs of this kind have hyperparameters.

    Raises:
        BadInputError: if they have none.

    """
    kind = kind_of(document)
    if kind not in _HYPERPARAMETERS:
        raise BadInputError(f"a {kind.label} has no hyperparameters: the event must not have any")


def _set_channels(definition: dict[str, Any], data: DatePartitionedDataset, name: str) -> None:
    """Set the channels to the ManifestFiles of the job."""
    channels = definition.setdefault("InputDataConfig", [])
    for channel, part in ((data.train_channel, "train"), (data.validation_channel, "validation")):
        _set_channel(channels, channel, f"s3://{data.bucket}/{data.manifest_key_of(name, part)}")


def _set_channel(channels: list[dict[str, Any]], name: str, uri: str) -> None:
    channel = next((item for item in channels if item["ChannelName"] == name), None)
    if channel is None:
        channel = {"ChannelName": name, "ContentType": "text/csv"}
        channels.append(channel)
    source = channel.get("DataSource", {}).get("S3DataSource", {})
    channel["DataSource"] = {
        "S3DataSource": {
            **source,
            "S3DataType": "ManifestFile",
            "S3Uri": uri,
            "S3DataDistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        }
    }


def input_prefixes(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and URI of every channel with an S3 prefix."""
    for definition in definitions_of(kind_of(document), document["request"]):
        for channel in definition.get("InputDataConfig", []):
            source = channel.get("DataSource", {}).get("S3DataSource", {})
            if source.get("S3DataType") == "S3Prefix":
                yield channel["ChannelName"], source["S3Uri"]
