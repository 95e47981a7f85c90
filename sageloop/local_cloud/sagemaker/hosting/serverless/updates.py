"""Updates of serverless variants under the same endpoint configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
from sageloop.local_cloud.sagemaker.hosting.requests import invalid
from sageloop.local_cloud.sagemaker.hosting.serverless.fleet import ServerlessFleet
from sageloop.local_cloud.sagemaker.hosting.serverless.settings import ServerlessSettings

SettingsChanges = list[tuple[ServerlessFleet, ServerlessSettings]]


def settings_changes_of(
    variants: Mapping[str, VariantFleet], desired: Iterable[Mapping[str, Any]]
) -> SettingsChanges:  # fmt: skip
    """The new settings of serverless variants in DesiredWeightsAndCapacities.

    Raises ``AwsError`` for invalid settings and for variants of another kind.
    """
    changes: SettingsChanges = []
    for change in desired:
        name, update = change["VariantName"], change.get("ServerlessUpdateConfig")
        variant = variants[name]
        if isinstance(variant, ServerlessFleet):
            if "DesiredInstanceCount" in change:
                raise invalid(f"The variant {name} is serverless and has no DesiredInstanceCount.")
            if update is not None:
                changes.append((variant, variant.settings.changed(update)))
        elif update is not None:
            raise invalid(f"The variant {name} is not serverless and has no "
                          "ServerlessUpdateConfig.")  # fmt: skip
    return changes


def apply(changes: SettingsChanges) -> dict[str, int]:
    """Apply new settings to variants; return the new provisioned concurrency of each."""
    for variant, settings in changes:
        variant.apply_settings(settings)
    return {v.spec.name: s.provisioned for v, s in changes if s.provisioned > 0}
