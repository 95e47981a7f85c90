"""DataProcessing: filters of the input and the output, and their join."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.sagemaker.transform.jsonpath import JsonPath, parse
from sageloop.local_cloud.sagemaker.transform.splitting import Record

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
FORMATS = (CSV, JSON, JSON_LINES)


class JoinError(ValueError):
    """A response or record that cannot be parsed or joined."""


def media_type(content_type: str | None) -> str:
    """A content type in lower case without its parameters."""
    return (content_type or "").split(";", 1)[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProcessing:
    """The members of DataProcessing and the formats of input and output."""

    input_filter: JsonPath
    output_filter: JsonPath
    joins: bool
    reads: str
    writes: str
    by_line: bool

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> DataProcessing:
        """The DataProcessing of a CreateTransformJob request. Raises ``JsonPathError``."""
        config = request.get("DataProcessing", {})
        content_type, accept = request["TransformInput"], request["TransformOutput"]
        reads = media_type(content_type.get("ContentType"))
        return cls(
            input_filter=parse(config.get("InputFilter", "$")),
            output_filter=parse(config.get("OutputFilter", "$")),
            joins=config.get("JoinSource", "None") == "Input",
            reads=reads,
            writes=media_type(accept.get("Accept")) or reads,
            by_line=content_type.get("SplitType", "None") == "Line",
        )

    @property
    def touches_output(self) -> bool:
        """Whether responses must be parsed."""
        return self.joins or not self.output_filter.is_whole

    def filtered(self, records: Iterable[Record]) -> list[Record]:
        """The records after InputFilter. Raises ``JsonPathError`` or :class:`JoinError`."""
        if self.input_filter.is_whole:
            return list(records)
        return [self._filtered(record) for record in records]

    def output(self, records: Sequence[Record], response: bytes) -> list[bytes]:
        """The output for the records of a request and the model's response.

        Raises ``JsonPathError`` or :class:`JoinError`, for example if the numbers of records in
        request and response differ.
        """
        predicted = self._records_in(response, len(records))
        if not self.joins:
            return [self._written(self.output_filter.select(p), self.writes) for p in predicted]
        joined = [
            self._joined(self._read(record.original), prediction)
            for record, prediction in zip(records, predicted, strict=True)
        ]
        return [self._written(self.output_filter.select(j), self.writes) for j in joined]

    def _filtered(self, record: Record) -> Record:
        selected = self._written(self.input_filter.select(self._read(record.original)), self.reads)
        return Record(selected, selected + (b"\n" if self.by_line else b""), record.original)

    def _records_in(self, response: bytes, count: int) -> list[Any]:
        lines = [response]
        if self.by_line:
            lines = [line.removesuffix(b"\r") for line in response.split(b"\n") if line.strip()]
        if len(lines) != count:
            raise JoinError(
                f"The number of records in the response ({len(lines)}) differs from that in the "
                f"request ({count})"
            )
        return [_parsed(line, self.writes, "output from the algorithm") for line in lines]

    def _read(self, content: bytes) -> Any:
        return _parsed(content, self.reads, "input")

    def _joined(self, record: Any, prediction: Any) -> Any:
        if self.reads == CSV:
            return [*record, *prediction]
        if isinstance(record, dict):
            return record | {"SageMakerOutput": prediction}
        return {"SageMakerInput": record, "SageMakerOutput": prediction}

    @staticmethod
    def _written(value: Any, form: str) -> bytes:
        if form == CSV:
            return _row(value).encode()
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _parsed(content: bytes, form: str, what: str) -> Any:
    try:
        text = content.decode()
        if form == CSV:
            return next(csv.reader([text], strict=True), [])
        return json.loads(text)
    except (ValueError, csv.Error) as error:
        name = "CSV" if form == CSV else "JSON"
        raise JoinError(f"Failed to parse {what} as {name}: {error}") from error


def _row(value: Any) -> str:
    row = io.StringIO()
    fields = value if isinstance(value, list) else [value]
    csv.writer(row, lineterminator="").writerow(fields)
    return row.getvalue()
