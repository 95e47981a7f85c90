"""The champion's answers on a job's hold-out, through its endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.data_window import DataSet, list_keys, read_manifest_file, read_text
from sageloop_runtime.errors import is_transient
from sageloop_runtime.job_request import input_prefixes
from sageloop_runtime.names import split_uri

_LARGEST_BODY = 1_000_000

GATE_PREFIX = "gate-"
"""What the inference ids of the gate's own requests begin with; evaluation leaves them out."""


class UnreadableError(RuntimeError):
    """The hold-out or the champion's answers cannot be read; the gate stays closed."""


def parse_numbers(text: str) -> list[float]:
    """Numbers separated by commas or line breaks.

    Raises:
        ValueError: if something between is no number.

    """
    return [float(part) for part in text.replace("\n", ",").split(",") if part.strip()]


def split_rows(text: str) -> Iterator[tuple[float, str]]:
    """Label and features of every CSV row; the label comes first."""
    for line in text.splitlines():
        if line.strip():
            label, _, features = line.partition(",")
            yield float(label), features


def chunks(rows: Sequence[str], largest: int = _LARGEST_BODY) -> Iterator[list[str]]:
    """Rows in runs whose bodies are at most ``largest`` bytes."""
    run: list[str] = []
    size = 0
    for row in rows:
        length = len(row.encode()) + 1
        if run and size + length > largest:
            yield run
            run, size = [], 0
        run.append(row)
        size += length
    if run:
        yield run


class HoldOut:
    """Reads a job's hold-out and asks the endpoint about it.

    Args:
        s3: an S3 client.
        runtime: a SageMaker Runtime client.
        content_type: of the requests, such as ``text/csv``.

    """

    def __init__(self, *, s3: Any, runtime: Any, content_type: str) -> None:
        self._s3 = s3
        self._runtime = runtime
        self._content_type = content_type

    def rows(self, document: dict[str, Any], job_name: str) -> list[tuple[float, str]]:
        """Label and features of every held-out row.

        Raises:
            UnreadableError: if there is none or something in it is not understood.

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

    def answers(self, endpoint: str, job_name: str, features: Sequence[str]) -> list[float]:
        """The endpoint's answer to every row.

        Raises:
            UnreadableError: if it refuses, or answers too little or something else.

        """
        answers: list[float] = []
        for i, run in enumerate(chunks(features)):
            try:
                body = self._runtime.invoke_endpoint(
                    EndpointName=endpoint,
                    ContentType=self._content_type,
                    Body="\n".join(run).encode(),
                    InferenceId=f"{GATE_PREFIX}{job_name}-{i}",
                )["Body"].read()
                answers.extend(parse_numbers(bytes(body).decode()))
            except ClientError as error:
                if is_transient(error):
                    raise
                raise UnreadableError(f"the champion does not answer: {error}") from None
            except ValueError as error:
                raise UnreadableError(f"the champion's answer is no number: {error}") from None
        if len(answers) != len(features):
            raise UnreadableError(
                f"the champion gave {len(answers)} answers to {len(features)} rows"
            )
        return answers

    def _objects(self, document: dict[str, Any], job_name: str) -> list[tuple[str, str]]:
        if document.get("data") is not None:
            data = DataSet.of(document["data"])
            key = data.run_key(job_name, "validation")
            return read_manifest_file(read_text(self._s3, data.bucket, key))
        for channel, uri in input_prefixes(document):
            if channel == "validation":
                bucket, prefix = split_uri(uri)
                return [(bucket, key) for key, _ in list_keys(self._s3, bucket, prefix)]
        raise UnreadableError("the job document names no validation data")
