"""The model of a completed job, which the gate evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trained model that may become champion.

    Attributes:
        name: the job of the loop.
        training_job: the description of the training job of the model: the job itself, or the
            best trial of a tuning job.
        metric: its final value of the gate's metric; None if it has none.

    """

    name: str
    training_job: dict[str, Any]
    metric: float | None
