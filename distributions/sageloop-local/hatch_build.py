"""What of the checkout goes into the wheel; an editable installation points to the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PARTS = ("sageloop/environment.py", "sageloop/local_cloud", "sageloop/pytest_plugin.py")


class CheckoutParts(BuildHookInterface[Any]):
    """Takes the local cloud's part of the namespace from the root of the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the parts, unless the installation is editable."""
        if version == "editable":
            return
        checkout = Path(self.root).parents[1]
        for part in _PARTS:
            if not (checkout / part).exists():
                raise FileNotFoundError(
                    f"sageloop-local is built inside a checkout of sageloop: no {checkout / part}"
                )
            build_data["force_include"][str(checkout / part)] = part
