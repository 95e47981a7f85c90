"""Model quality: the error of the live configuration against ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.config import EvaluateConfig
from sageloop_runtime.log import log
from sageloop_runtime.monitoring.capture import (
    CapturedResponse,
    HourlyFiles,
    parsed,
    read_captured_response,
    read_ground_truth,
)
from sageloop_runtime.serving.serving_document import ServingDocument
from sageloop_runtime.times import event_time

_COUNT = "EvaluatedPredictions"


@dataclass(frozen=True, kw_only=True)
class ModelQuality:
    """The mean absolute error, and the number of predictions with ground truth."""

    error: float | None
    predictions: int


def join_ground_truth(
    responses: Iterable[CapturedResponse], ground_truth: Mapping[str, tuple[float, ...]]
) -> ModelQuality:
    """The error of the responses that have ground truth: row by row, each invocation once."""
    total, count = 0.0, 0
    joined: set[str] = set()
    for response in responses:
        labels = ground_truth.get(response.inference_id)
        if labels is None or response.inference_id in joined or len(labels) != len(response.values):
            continue
        joined.add(response.inference_id)
        total += sum(abs(t - p) for t, p in zip(labels, response.values, strict=True))
        count += len(labels)
    return ModelQuality(error=total / count if count else None, predictions=count)


class ModelQualityEvaluator:
    """Publishes the error of the live configuration.

    Args:
        config: the function's settings.
        table: the state table.
        files: captured data and ground truth.
        metrics: publishes the error.

    """

    def __init__(
        self, config: EvaluateConfig, *, table: StateTable, files: HourlyFiles, metrics: Metrics
    ) -> None:
        self._config = config
        self._table = table
        self._files = files
        self._metrics = metrics

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate the window that ends before the event by the delay of the ground truth."""
        now = event_time(event)
        name = self._config.endpoint_name
        champion = self._table.get(f"champion#{name}") or {}
        row = self._table.get(f"serving#{name}") or {}
        live, dimensions = champion.get("live_config"), {"EndpointName": name}
        if live is None or "document" not in row:
            self._metrics.put(_COUNT, 0.0, dimensions, at=now)
            return {"predictions": 0}
        end = now - 60.0 * self._config.ground_truth_delay_minutes
        start = max(end - 60.0 * self._config.window_minutes, champion.get("live_since", 0.0))
        serving = ServingDocument.parse(row["document"], name)
        responses = self._responses(serving, start, end)
        quality = join_ground_truth(responses, self._ground_truth(start, now))
        dimension_sets = [dimensions, {**dimensions, "EndpointConfigName": live}]
        samples = {_COUNT: float(quality.predictions)}
        if quality.error is not None:
            samples[self._config.metric_name] = quality.error
        self._metrics.put_all(samples, dimension_sets, at=now)
        log("evaluated", endpoint=name, config=live, error=quality.error, n=quality.predictions)
        return {"predictions": quality.predictions, "error": quality.error, "config": live}

    def _responses(
        self, serving: ServingDocument, start: float, end: float
    ) -> Iterable[CapturedResponse]:
        for variant in serving.variants:
            uri = f"{self._config.capture_uri.rstrip('/')}/{serving.endpoint_name}/{variant}"
            for response in parsed(self._files.lines(uri, start, end), read_captured_response):
                if start < response.at <= end:
                    yield response

    def _ground_truth(self, start: float, now: float) -> dict[str, tuple[float, ...]]:
        lines = self._files.lines(self._config.ground_truth_uri, start, now)
        return dict(parsed(lines, read_ground_truth))
