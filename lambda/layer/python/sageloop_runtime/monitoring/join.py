"""Joins captured responses with ground truth, a bounded number of responses at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sageloop_runtime.monitoring.capture import CapturedResponse

_LARGEST = 256 * 1024 * 1024
# The id, the value's tuple, and the entries of both dictionaries.
_OF_RESPONSE, _OF_VALUE = 360, 32
_EVENT_ID = re.compile(r'"eventId"\s*:\s*"([^"\\]*)"')


@dataclass(frozen=True, kw_only=True)
class ModelQuality:
    """The sum of absolute errors, and the number of predictions with ground truth."""

    total: float = 0.0
    predictions: int = 0

    @property
    def error(self) -> float | None:
        """The mean absolute error; None without predictions."""
        return self.total / self.predictions if self.predictions else None

    def __add__(self, other: ModelQuality) -> ModelQuality:
        """The quality of both sets of predictions."""
        return ModelQuality(
            total=self.total + other.total, predictions=self.predictions + other.predictions
        )


class Chunk:
    """Captured responses by inference id, in about 256 MB at most.

    Args:
        largest: bytes that the responses may occupy.

    """

    def __init__(self, largest: int = _LARGEST) -> None:
        self._largest = largest
        self._size = 0
        self._responses: dict[str, tuple[float, ...]] = {}

    @property
    def is_full(self) -> bool:
        """Whether the responses occupy as much as they may."""
        return self._size >= self._largest

    def add(self, response: CapturedResponse) -> None:
        """Add a response; of several with one id the first counts."""
        if response.inference_id not in self._responses:
            self._responses[response.inference_id] = response.values
            self._size += _OF_RESPONSE + _OF_VALUE * len(response.values)

    def concerns(self, line: str) -> bool:
        """Whether a line of ground truth may be of a response; most lines need not be parsed."""
        ids = _EVENT_ID.findall(line)
        return not ids or any(each in self._responses for each in ids)

    def join(self, ground_truth: Iterable[tuple[str, tuple[float, ...]]]) -> ModelQuality:
        """The error of the responses that have ground truth, row by row.

        Of several labels for one id the last that is read counts. A response with another number
        of rows than its label is not counted.
        """
        errors: dict[str, float] = {}
        for inference_id, label in ground_truth:
            values = self._responses.get(inference_id)
            if values is not None and len(values) == len(label):
                differences = zip(label, values, strict=True)
                errors[inference_id] = sum(abs(t - p) for t, p in differences)
            elif values is not None:
                errors.pop(inference_id, None)
        count = sum(len(self._responses[inference_id]) for inference_id in errors)
        return ModelQuality(total=sum(errors.values()), predictions=count)
