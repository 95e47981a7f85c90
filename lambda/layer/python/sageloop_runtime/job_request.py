"""The job document and the request of SageMaker that it stands for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sageloop_runtime.data_window import DataSet
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.instance_types import check_fallbacks
from sageloop_runtime.kinds import TRAINING, TUNING, Kind, kind_of, parts_of

_DATA = (
    "bucket", "prefix", "manifest_key", "train_channel", "validation_channel", "validation_days",
    "window_days",
)  # fmt: skip
_HYPERPARAMETERS = {TRAINING: "HyperParameters", TUNING: "StaticHyperParameters"}


def read_job_document(text: str, job: str) -> dict[str, Any]:
    """Parse and check a job document.

    Raises:
        BadInputError: in one line, what is wrong with it.

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
            f"the {kind.words} {job!r} is not 1-{longest} letters, digits and hyphens"
        )
    if document.get("job") != job:
        raise BadInputError(f"the document is of job {document.get('job')!r}, not of {job!r}")


def _check_request(request: Any, kind: Kind) -> None:
    if not isinstance(request, dict):
        raise BadInputError("the job document has no 'request'")
    if kind.name_member in request:
        raise BadInputError(
            f"the document's request has a {kind.name_member}: its trigger names it"
        )
    missing = [key for key in kind.required if key not in request]
    if kind is TUNING and not parts_of(kind, request):
        missing.append("TrainingJobDefinition")
    if missing:
        raise BadInputError(f"the document's request lacks {', '.join(missing)}")


def _check_data(data: Any, kind: Kind) -> None:
    if kind not in _HYPERPARAMETERS:
        raise BadInputError(f"a {kind.words} has inputs of its own: 'data' must be null")
    missing = [key for key in _DATA if not isinstance(data, dict) or key not in data]
    if missing:
        raise BadInputError(f"the document's data lacks {', '.join(missing)}")
    held_out, window = data["validation_days"], data["window_days"]
    if not isinstance(held_out, int) or not isinstance(window, int):
        raise BadInputError("'validation_days' and 'window_days' are whole numbers")
    if not 1 <= held_out < window:
        raise BadInputError(
            f"'validation_days' is {held_out}: between 1 and window_days - 1 = {window - 1} "
            "is expected"
        )


def job_request(
    document: dict[str, Any], name: str, hyperparameters: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The complete request that creates the job ``name``.

    Args:
        document: the job document.
        name: what the job is called.
        hyperparameters: put over those of the document.

    """
    kind = kind_of(document)
    request: dict[str, Any] = copy.deepcopy(document["request"])
    request[kind.name_member] = name
    for part in parts_of(kind, request):
        _keep_checkpoints_apart(part, name)
        if document.get("data") is not None:
            _read_run(part, DataSet.of(document["data"]), name)
        if hyperparameters:
            part.setdefault(_HYPERPARAMETERS[kind], {}).update(hyperparameters)
    return request


def _keep_checkpoints_apart(part: dict[str, Any], name: str) -> None:
    """Give the job checkpoints of its own: from another's it would go on where that ended."""
    place = part.get("CheckpointConfig")
    if place is not None:
        place["S3Uri"] = f"{place['S3Uri'].rstrip('/')}/{name}"


def refuse_hyperparameters(document: Mapping[str, Any]) -> None:
    """Say that jobs of this kind have no hyperparameters, if they have none.

    Raises:
        BadInputError: if so.

    """
    kind = kind_of(document)
    if kind not in _HYPERPARAMETERS:
        raise BadInputError(f"a {kind.words} has no hyperparameters: the event gives some")


def _read_run(part: dict[str, Any], data: DataSet, name: str) -> None:
    """Make the channels read the objects that the run's ManifestFiles name."""
    channels = part.setdefault("InputDataConfig", [])
    for channel, half in ((data.train_channel, "train"), (data.validation_channel, "validation")):
        _point(channels, channel, f"s3://{data.bucket}/{data.run_key(name, half)}")


def _point(channels: list[dict[str, Any]], name: str, uri: str) -> None:
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
    """Channel name and URI of every channel that reads an S3 prefix."""
    for part in parts_of(kind_of(document), document["request"]):
        for channel in part.get("InputDataConfig", []):
            source = channel.get("DataSource", {}).get("S3DataSource", {})
            if source.get("S3DataType") == "S3Prefix":
                yield channel["ChannelName"], source["S3Uri"]
