"""Model quality: the error of the live configuration against ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sageloop_runtime.aws.invocation import invoke_function
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.config import EvaluateConfig
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.log import log
from sageloop_runtime.monitoring.capture import (
    LineReader,
    read_captured_response,
    read_ground_truth,
)
from sageloop_runtime.monitoring.files import HourlyFiles, Place
from sageloop_runtime.monitoring.join import Chunk
from sageloop_runtime.monitoring.progress import Progress
from sageloop_runtime.serving.serving_document import ServingDocument
from sageloop_runtime.times import event_time

Captured = Iterator[tuple[int, Place, str]]

_COUNT = "EvaluatedPredictions"
_SHARE_OF_READING = 0.4
_LAST_SECONDS = 15.0
_MOST_PASSES = 1000
_LINES_PER_CHECK = 1000


class ModelQualityEvaluator:
    """Publishes the error of the live configuration.

    Captured responses are read in chunks of bounded memory, and each chunk is joined with all
    ground truth. What does not fit into the time of one invocation is left to the next, which the
    function starts; the last one publishes.

    Args:
        config: the function's settings.
        table: the state table.
        files: captured data and ground truth.
        metrics: publishes the error.
        functions: a Lambda client.
        function_arn: ARN of this function.
        remaining: returns the seconds until Lambda stops the function.
        chunk: returns an empty chunk.

    """

    def __init__(
        self,
        config: EvaluateConfig,
        *,
        table: StateTable,
        files: HourlyFiles,
        metrics: Metrics,
        functions: Any,
        function_arn: str,
        remaining: Callable[[], float],
        chunk: Callable[[], Chunk] = Chunk,
    ) -> None:
        self._config = config
        self._table = table
        self._files = files
        self._metrics = metrics
        self._functions = functions
        self._function_arn = function_arn
        self._remaining = remaining
        self._chunk = chunk

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate the window that ends before the event by the delay of the ground truth.

        Raises:
            BadInputError: if all ground truth cannot be read in one invocation.

        """
        now, available = event_time(event), self._remaining()
        progress = Progress.of(event["progress"]) if "progress" in event else self._begin(now)
        if progress is None:
            self._metrics.put(_COUNT, 0.0, {"EndpointName": self._config.endpoint_name}, at=now)
            return {"predictions": 0}
        captured, needed = self._captured(progress), available * (1 - _SHARE_OF_READING)
        while progress.place is not None:
            before = self._remaining()
            if before < needed and progress.is_advanced:
                return self._continue(progress, now)
            progress = self._advance(progress, captured, now, until=min(needed, before / 2))
            # The next chunk takes about as long.
            needed = 1.5 * (before - self._remaining()) + _LAST_SECONDS
        return self._publish(progress, now)

    def _begin(self, now: float) -> Progress | None:
        """The window of the live configuration; None without one."""
        name = self._config.endpoint_name
        champion = self._table.get(f"champion#{name}") or {}
        row = self._table.get(f"serving#{name}") or {}
        if champion.get("live_config") is None or "document" not in row:
            return None
        end = now - 60.0 * self._config.ground_truth_delay_minutes
        start = max(end - 60.0 * self._config.window_minutes, champion.get("live_since", 0.0))
        variants = ServingDocument.parse(row["document"], name).variants
        return Progress(
            config=champion["live_config"], variants=tuple(variants), start=start, end=end
        )

    # chunks

    def _advance(
        self, progress: Progress, captured: Captured, now: float, *, until: float
    ) -> Progress:
        """Join the next chunk of responses with the ground truth.

        Args:
            progress: what was evaluated before.
            captured: the responses that come next.
            now: epoch seconds at which the ground truth ends.
            until: remaining seconds at which no more responses are read.

        """
        chunk, reader = self._chunk(), LineReader(read_captured_response)
        variant, last = len(progress.variants), None
        for number, (at_variant, place, line) in enumerate(captured, 1):
            response = reader(line)
            if response is not None and progress.start < response.at <= progress.end:
                chunk.add(response)
            late = number % _LINES_PER_CHECK == 0 and self._remaining() < until
            if chunk.is_full or late:
                variant, last = at_variant, place
                break
        quality = chunk.join(self._ground_truth(chunk, progress.start, now))
        return progress.advanced(variant, last, quality)

    def _captured(self, progress: Progress) -> Captured:
        """The captured lines from the place of the progress on."""
        base = self._config.capture_uri.rstrip("/")
        first = progress.place or Place()
        for variant in range(progress.variant, len(progress.variants)):
            uri = f"{base}/{self._config.endpoint_name}/{progress.variants[variant]}"
            for place, line in self._files.places(uri, progress.start, progress.end, first):
                yield variant, place, line
            first = Place()

    def _ground_truth(
        self, chunk: Chunk, start: float, now: float
    ) -> Iterator[tuple[str, tuple[float, ...]]]:
        """The labels that may be of a chunk's responses."""
        reader = LineReader(read_ground_truth)
        lines = self._files.lines(self._config.ground_truth_uri, start, now)
        for number, line in enumerate(lines, 1):
            if number % _LINES_PER_CHECK == 0 and self._remaining() < _LAST_SECONDS:
                raise BadInputError(
                    f"the ground truth from {self._config.ground_truth_uri} has over {number} "
                    "lines, which cannot be read in one invocation: shorten the window"
                )
            label = reader(line) if chunk.concerns(line) else None
            if label is not None:
                yield label

    # results

    def _continue(self, progress: Progress, now: float) -> dict[str, Any]:
        if progress.passes >= _MOST_PASSES:
            raise BadInputError(f"the evaluation does not end after {progress.passes} invocations")
        log("evaluation continues", **progress.as_json())
        payload = {"source": "evaluate", "progress": progress.as_json()}
        invoke_function(self._functions, self._function_arn, payload, now)
        return {"continues": progress.passes}

    def _publish(self, progress: Progress, now: float) -> dict[str, Any]:
        name, quality = self._config.endpoint_name, progress.quality
        dimensions = {"EndpointName": name}
        dimension_sets = [dimensions, {**dimensions, "EndpointConfigName": progress.config}]
        samples = {_COUNT: float(quality.predictions)}
        if quality.error is not None:
            samples[self._config.metric_name] = quality.error
        self._metrics.put_all(samples, dimension_sets, at=now)
        result = {"predictions": quality.predictions, "error": quality.error}
        log("evaluated", endpoint=name, config=progress.config, **result)
        return {**result, "config": progress.config}
