"""The multi-model settings of a container definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_GIGABYTE = 1024**3
# Used without VolumeSizeInGB; AWS documents no default for endpoints.
_DEFAULT_VOLUME = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiModelSettings:
    """The location of the models and the capacity of an instance for them.

    ``memory`` and ``disk`` are bytes. Without ``cached`` a model is unloaded when it is idle.
    """

    bucket: str
    prefix: str
    memory: int
    disk: int
    cached: bool = True

    @classmethod
    def of(
        cls, container: Mapping[str, Any], variant: Mapping[str, Any], memory_mb: int
    ) -> MultiModelSettings:
        """The settings of a container on instances with this memory."""
        split = urlsplit(container["ModelDataUrl"])
        caching = container.get("MultiModelConfig", {}).get("ModelCacheSetting", "Enabled")
        return cls(
            bucket=split.netloc,
            prefix=split.path.lstrip("/"),
            memory=memory_mb * 1024**2,
            disk=int(variant.get("VolumeSizeInGB", _DEFAULT_VOLUME)) * _GIGABYTE,
            cached=caching == "Enabled",
        )

    def key(self, target: str) -> str:
        """The key of a target model: its path under the prefix."""
        return f"{self.prefix.rstrip('/')}/{target.lstrip('/')}".lstrip("/")
