"""How far an evaluation has come, in the event of the next invocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.monitoring.files import Place
from sageloop_runtime.monitoring.join import ModelQuality


@dataclass(frozen=True, kw_only=True)
class Progress:
    """An evaluation of a window.

    Attributes:
        config: the configuration that is evaluated.
        variants: its production variants.
        start: epoch seconds after which responses count.
        end: epoch seconds until which responses count.
        variant: index of the variant whose responses come next.
        place: where they begin; None at the end.
        quality: the quality of the responses before.
        passes: invocations so far, this one included.
        is_advanced: whether this invocation has evaluated responses.

    """

    config: str
    variants: tuple[str, ...]
    start: float
    end: float
    variant: int = 0
    place: Place | None = field(default_factory=Place)
    quality: ModelQuality = field(default_factory=ModelQuality)
    passes: int = 1
    is_advanced: bool = False

    @classmethod
    def of(cls, members: Any) -> Progress:
        """From the form of :meth:`as_json`, in the next invocation.

        Raises:
            BadInputError: if it is malformed.

        """
        try:
            return cls(
                config=str(members["config"]),
                variants=tuple(str(name) for name in members["variants"]),
                start=float(members["start"]),
                end=float(members["end"]),
                variant=int(members["variant"]),
                place=Place(str(members["key"]), int(members["line"])),
                quality=ModelQuality(
                    total=float(members["total"]), predictions=int(members["predictions"])
                ),
                passes=int(members["passes"]) + 1,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"the progress of the evaluation is malformed: {error!r}") from None

    def as_json(self) -> Mapping[str, Any]:
        """The progress as members of an event."""
        place = self.place or Place()
        return {
            "config": self.config, "variants": list(self.variants), "start": self.start,
            "end": self.end, "variant": self.variant, "key": place.key, "line": place.line,
            "total": self.quality.total, "predictions": self.quality.predictions,
            "passes": self.passes,
        }  # fmt: skip

    def advanced(self, variant: int, place: Place | None, quality: ModelQuality) -> Progress:
        """The progress after more responses."""
        return replace(
            self, variant=variant, place=place, quality=self.quality + quality, is_advanced=True
        )
