"""The job document and the CreateTrainingJob request that it stands for."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from sageloop_runtime.data_window import DataSet
from sageloop_runtime.errors import BadInputError

_REQUIRED = (
    "AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "RoleArn", "StoppingCondition",
)  # fmt: skip
_DATA = (
    "bucket", "prefix", "manifest_key", "train_channel", "validation_channel", "validation_days",
    "window_days",
)  # fmt: skip


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
    if re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", job) is None or len(job) > 40:
        raise BadInputError(f"the job {job!r} is not 1-40 letters, digits and hyphens")
    if document.get("job") != job:
        raise BadInputError(f"the document is of job {document.get('job')!r}, not of {job!r}")
    request = document.get("request")
    if not isinstance(request, dict):
        raise BadInputError("the job document has no 'request'")
    missing = [key for key in _REQUIRED if key not in request]
    if missing:
        raise BadInputError(f"the document's request lacks {', '.join(missing)}")
    if not isinstance(document.get("start_on_deploy", False), bool):
        raise BadInputError("'start_on_deploy' is neither true nor false")
    if document.get("data") is not None:
        _check_data(document["data"])
    return document


def _check_data(data: Any) -> None:
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


def training_request(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The complete CreateTrainingJob request of the job ``name``."""
    request = copy.deepcopy(document["request"])
    request["TrainingJobName"] = name
    if document.get("data") is not None:
        data = DataSet.of(document["data"])
        channels = request.setdefault("InputDataConfig", [])
        for channel, part in (
            (data.train_channel, "train"),
            (data.validation_channel, "validation"),
        ):
            uri = f"s3://{data.bucket}/{data.run_key(name, part)}"
            _point(channels, channel, uri)
    return dict(request)


def _point(channels: list[dict[str, Any]], name: str, uri: str) -> None:
    """Make the channel read the objects that a ManifestFile names."""
    channel = next((item for item in channels if item["ChannelName"] == name), None)
    if channel is None:
        channel = {"ChannelName": name, "ContentType": "text/csv"}
        channels.append(channel)
    source = channel.get("DataSource", {}).get("S3DataSource", {})
    kept = source.get("S3DataDistributionType", "FullyReplicated")
    channel["DataSource"] = {
        "S3DataSource": {
            "S3DataType": "ManifestFile",
            "S3Uri": uri,
            "S3DataDistributionType": kept,
        }
    }


def input_prefixes(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Channel name and URI of every channel that reads an S3 prefix."""
    found = []
    for channel in document["request"].get("InputDataConfig", []):
        source = channel.get("DataSource", {}).get("S3DataSource", {})
        if source.get("S3DataType") == "S3Prefix":
            found.append((channel["ChannelName"], source["S3Uri"]))
    return found
