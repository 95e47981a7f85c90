"""The live error: what the served configuration answered against what came true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.capture import Answered, Files, parsed, read_answer, read_truth
from sageloop_runtime.config import EvaluateConfig
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.serving import Serving
from sageloop_runtime.state import StateTable
from sageloop_runtime.times import event_time

_COUNT = "EvaluatedPredictions"


@dataclass(frozen=True, kw_only=True)
class LiveError:
    """A mean absolute error and how many predictions it is the mean of."""

    error: float | None
    predictions: int


def join(answers: Iterable[Answered], truths: Mapping[str, tuple[float, ...]]) -> LiveError:
    """The error of all answers whose truth is known; row by row, each request once."""
    total, count = 0.0, 0
    seen: set[str] = set()
    for answer in answers:
        truth = truths.get(answer.inference_id)
        if truth is None or answer.inference_id in seen or len(truth) != len(answer.values):
            continue
        seen.add(answer.inference_id)
        total += sum(abs(t - a) for t, a in zip(truth, answer.values, strict=True))
        count += len(truth)
    return LiveError(error=total / count if count else None, predictions=count)


class Evaluator:
    """Measures the live error of the served configuration.

    Args:
        config: the function's settings.
        table: the state table.
        files: captured answers and ground truth.
        metrics: where the error goes.

    """

    def __init__(
        self, config: EvaluateConfig, *, table: StateTable, files: Files, metrics: Metrics
    ) -> None:
        self._config = config
        self._table = table
        self._files = files
        self._metrics = metrics

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate the window that ends the truth's delay before the event's time."""
        now = event_time(event)
        name = self._config.endpoint_name
        champion = self._table.get(f"champion#{name}") or {}
        row = self._table.get(f"serving#{name}") or {}
        live, dimensions = champion.get("live_config"), {"EndpointName": name}
        if live is None or "document" not in row:
            self._metrics.put(_COUNT, 0.0, dimensions, at=now)
            return {"predictions": 0}
        end = now - 60.0 * self._config.truth_delay_minutes
        start = max(end - 60.0 * self._config.window_minutes, champion.get("live_since", 0.0))
        serving = Serving.parse(row["document"], name)
        found = join(self._answers(serving, start, end), self._truths(start, now))
        by = [dimensions, {**dimensions, "EndpointConfigName": live}]
        samples = {_COUNT: float(found.predictions)}
        if found.error is not None:
            samples[self._config.metric_name] = found.error
        self._metrics.put_all(samples, by, at=now)
        log("evaluated", endpoint=name, config=live, error=found.error, n=found.predictions)
        return {"predictions": found.predictions, "error": found.error, "config": live}

    def _answers(self, serving: Serving, start: float, end: float) -> Iterable[Answered]:
        for variant in serving.variants:
            uri = f"{self._config.capture_uri.rstrip('/')}/{serving.endpoint_name}/{variant}"
            for answer in parsed(self._files.lines(uri, start, end), read_answer):
                if start < answer.at <= end:
                    yield answer

    def _truths(self, start: float, now: float) -> dict[str, tuple[float, ...]]:
        return dict(parsed(self._files.lines(self._config.truth_uri, start, now), read_truth))
