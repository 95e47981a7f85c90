"""The hold-out of a job, and the champion's predictions for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.objects import list_keys, read_text
from sageloop_runtime.errors import is_transient
from sageloop_runtime.jobs.dataset import DatePartitionedDataset, read_manifest_file
from sageloop_runtime.jobs.job_request import input_prefixes
from sageloop_runtime.names import split_uri

_LARGEST_BODY = 1_000_000

GATE_PREFIX = "gate-"
"""Prefix of the inference ids of the gate's invocations, which evaluation excludes."""


class UnreadableError(RuntimeError):
    """The hold-out or the champion's predictions cannot be read; the model does not pass."""


def parse_numbers(text: str) -> list[float]:
    """Numbers separated by commas or line breaks.

    Raises:
        ValueError: if a part is not a number.

    """
    return [float(part) for part in text.replace("\n", ",").split(",") if part.strip()]


def split_rows(text: str) -> Iterator[tuple[float, str]]:
    """Label and features of every CSV row; the label is the first column."""
    for line in text.splitlines():
        if line.strip():
            label, _, features = line.partition(",")
            yield float(label), features


def chunks(rows: Sequence[str], largest: int = _LARGEST_BODY) -> Iterator[list[str]]:
    """Rows in chunks of at most ``largest`` bytes."""
    chunk: list[str] = []
    size = 0
    for row in rows:
        length = len(row.encode()) + 1
        if chunk and size + length > largest:
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


class HoldOut:
    """Reads the hold-out of a job and invokes the endpoint with it.

    Args:
        s3: an S3 client.
        runtime: a SageMaker Runtime client.
        content_type: content type of the invocations, for example ``text/csv``.

    """

    def __init__(self, *, s3: Any, runtime: Any, content_type: str) -> None:
        self._s3 = s3
        self._runtime = runtime
        self._content_type = content_type

    def rows(self, document: dict[str, Any], job_name: str) -> list[tuple[float, str]]:
        """Label and features of every row of the hold-out.

        Raises:
            UnreadableError: if the hold-out is empty or malformed.

        """
        try:
            rows = [
                row
                for bucket, key in self._objects(document, job_name)
                for row in split_rows(read_text(self._s3, bucket, key))
            ]
        except ClientError as error:
            if is_transient(error):
                raise
            raise UnreadableError(f"the hold-out cannot be read: {error}") from None
        except ValueError as error:
            raise UnreadableError(f"the hold-out cannot be read: {error}") from None
        if not rows:
            raise UnreadableError("the hold-out is empty")
        return rows

    def predictions(self, endpoint: str, job_name: str, features: Sequence[str]) -> list[float]:
        """The endpoint's prediction for every row.

        Raises:
            UnreadableError: if an invocation fails or does not return one number per row.

        """
        predictions: list[float] = []
        for i, chunk in enumerate(chunks(features)):
            try:
                body = self._runtime.invoke_endpoint(
                    EndpointName=endpoint,
                    ContentType=self._content_type,
                    Body="\n".join(chunk).encode(),
                    InferenceId=f"{GATE_PREFIX}{job_name}-{i}",
                )["Body"].read()
                predictions.extend(parse_numbers(bytes(body).decode()))
            except ClientError as error:
                if is_transient(error):
                    raise
                raise UnreadableError(f"the champion cannot be invoked: {error}") from None
            except ValueError as error:
                raise UnreadableError(
                    f"the champion's prediction is not a number: {error}"
                ) from None
        if len(predictions) != len(features):
            raise UnreadableError(
                f"the champion returned {len(predictions)} predictions for {len(features)} rows"
            )
        return predictions

    def _objects(self, document: dict[str, Any], job_name: str) -> list[tuple[str, str]]:
        if document.get("data") is not None:
            data = DatePartitionedDataset.of(document["data"])
            key = data.manifest_key_of(job_name, "validation")
            return read_manifest_file(read_text(self._s3, data.bucket, key))
        for channel, uri in input_prefixes(document):
            if channel == "validation":
                bucket, prefix = split_uri(uri)
                return [(bucket, key) for key, _ in list_keys(self._s3, bucket, prefix)]
        raise UnreadableError("the job document has no channel 'validation'")
