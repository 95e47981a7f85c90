"""Data capture: requests and responses as JSON lines in S3."""

from __future__ import annotations

import base64
import json
import logging
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.sagemaker.hosting.invocation.batches import Batcher

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """The DataCaptureConfig of an endpoint; ``percent`` is the sampling percentage."""

    percent: int
    destination: str
    kms_key: str | None
    inputs: bool
    outputs: bool
    csv: frozenset[str]
    json: frozenset[str]

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> CaptureSettings | None:
        """The settings of a DataCaptureConfig; ``None`` if nothing is captured."""
        if config is None or not config.get("EnableCapture", True):
            return None
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        types = config.get("CaptureContentTypeHeader", {})
        return cls(
            percent=int(config["InitialSamplingPercentage"]),
            destination=config["DestinationS3Uri"].rstrip("/"),
            kms_key=config.get("KmsKeyId"),
            inputs=bool(modes & {"Input", "InputAndOutput"}),
            outputs=bool(modes & {"Output", "InputAndOutput"}),
            csv=frozenset(t.lower() for t in types.get("CsvContentTypes", [])),
            json=frozenset(t.lower() for t in types.get("JsonContentTypes", [])),
        )

    def samples(self) -> bool:
        """Whether to capture this request, by the sampling percentage."""
        return self.percent > 0 and random.random() * 100 < self.percent  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its response; ``time`` is virtual epoch seconds."""

    time: float
    request: bytes
    request_type: str
    response: bytes
    response_type: str
    inference_id: str | None
    custom_attributes: str | None


@dataclass(frozen=True, slots=True)
class _Line:
    settings: CaptureSettings
    endpoint: str
    variant: str
    role: str
    time: float
    text: str


class DataCapture:
    """Collects captured exchanges and writes them with the execution role of the model."""

    def __init__(self, cloud: Cloud, *, delay: float) -> None:
        self._cloud = cloud
        self._lines = Batcher[_Line](
            cloud.activity, "data capture", self._write, size=100, delay=delay
        )

    def add(
        self, settings: CaptureSettings, endpoint: str, variant: str, role: str, exchange: Exchange
    ) -> None:
        """Add a sampled exchange; it is written to S3 in the background."""
        line = capture_line(settings, exchange)
        self._lines.add(_Line(settings, endpoint, variant, role, exchange.time, line))

    def _write(self, lines: list[_Line]) -> None:
        groups: dict[tuple[CaptureSettings, str, str], list[_Line]] = {}
        for line in lines:
            folder = f"{line.endpoint}/{line.variant}/{_moment(line.time):%Y/%m/%d/%H}"
            groups.setdefault((line.settings, line.role, folder), []).append(line)
        for (settings, role, folder), captured in groups.items():
            try:
                self._put(settings, role, folder, captured)
            except (ClientError, BotoCoreError) as error:
                # The other groups are still written.
                log.warning("%d captured requests of %s are lost: %s", len(captured), folder, error)

    def _put(self, settings: CaptureSettings, role: str, folder: str, lines: list[_Line]) -> None:
        destination = urlsplit(settings.destination)
        first = _moment(min(line.time for line in lines))
        name = f"{first:%M-%S}-{first.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        prefix = destination.path.strip("/")
        encryption: dict[str, str] = {}
        if settings.kms_key is not None:
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key}
        self._cloud.client("s3", principal=role).put_object(
            Bucket=destination.netloc,
            Key="/".join(part for part in (prefix, folder, name) if part),
            Body="".join(f"{line.text}\n" for line in lines).encode(),
            **encryption,
        )


def capture_line(settings: CaptureSettings, exchange: Exchange) -> str:
    """A line of a capture file in SageMaker's format with ``eventVersion`` 0."""
    data: dict[str, Any] = {}
    if settings.inputs:
        data["endpointInput"] = _side(settings, "INPUT", exchange.request, exchange.request_type)
    if settings.outputs:
        data["endpointOutput"] = _side(
            settings, "OUTPUT", exchange.response, exchange.response_type
        )
    meta: dict[str, Any] = {"eventId": str(uuid.uuid4())}
    if exchange.inference_id is not None:
        meta["inferenceId"] = exchange.inference_id
    if exchange.custom_attributes is not None:
        meta["customAttributes"] = [exchange.custom_attributes]
    meta["inferenceTime"] = f"{_moment(exchange.time):%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps({"captureData": data, "eventMetadata": meta, "eventVersion": "0"})


def _side(settings: CaptureSettings, mode: str, body: bytes, content_type: str) -> dict[str, str]:
    encoding = _encoding(settings, content_type)
    if encoding == "BASE64":
        text = base64.b64encode(body).decode()
    else:
        text = body.decode(errors="replace")
    return {
        "observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding,
    }  # fmt: skip


def _encoding(settings: CaptureSettings, content_type: str) -> str:
    whole = content_type.lower()
    for names, encoding in ((settings.csv, "CSV"), (settings.json, "JSON")):
        if whole in names or whole.split(";")[0].strip() in names:
            return encoding
    return "BASE64"


def _moment(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
