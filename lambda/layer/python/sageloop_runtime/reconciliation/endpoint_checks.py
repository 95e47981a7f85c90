"""What can differ on an endpoint that serves the champion's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sageloop_runtime.reconciliation.finding import Finding
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.serving_document import ServingDocument


def variant_findings(
    serving: ServingDocument, described: Mapping[str, Any]
) -> Iterator[Finding]:  # fmt: skip
    """Instance counts and weights that differ from the settings, where no scaling sets them.

    They are reported and not restored: a person may have added instances for a peak, and the next
    rollout restores them.
    """
    scaled = {item["VariantName"] for item in serving.scaling}
    actual = {item["VariantName"]: item for item in described.get("ProductionVariants", [])}
    for variant in serving.config["ProductionVariants"]:
        name = variant["VariantName"]
        pairs = [("DesiredWeight", "InitialVariantWeight", "weight")]
        if name not in scaled:
            pairs.append(("DesiredInstanceCount", "InitialInstanceCount", "number of instances"))
        for desired, initial, label in pairs:
            actual_value, expected = actual.get(name, {}).get(desired), variant.get(initial)
            if (
                actual_value is not None
                and expected is not None
                and float(actual_value) != float(expected)
            ):
                yield Finding(
                    key=f"{desired} of {name}: {actual_value:g}",
                    text=f"Endpoint {serving.endpoint_name}: the {label} of variant {name} is "
                    f"{actual_value:g}, and {expected:g} in the settings. The next rollout "
                    "restores it.",
                )


def capture_findings(
    serving: ServingDocument, described: Mapping[str, Any]
) -> Iterator[Finding]:  # fmt: skip
    """Data capture that was stopped: without it model quality is not evaluated."""
    expected = (serving.config.get("DataCaptureConfig") or {}).get("EnableCapture")
    actual_value = described.get("DataCaptureConfig") or {}
    if expected and actual_value.get("CaptureStatus") == "Stopped":
        yield Finding(
            key="capture stopped",
            text=f"Endpoint {serving.endpoint_name}: data capture is stopped, so model quality "
            "cannot be evaluated. The next rollout starts it.",
        )


def scaling_findings(serving: ServingDocument, scaling: VariantScaling) -> Iterator[Finding]:
    """Scaling that is missing is registered again; other limits are reported.

    A person may have set other limits for a peak, or suspended scaling during an incident.
    """
    names = [item["VariantName"] for item in serving.scaling]
    if not names:
        return
    registered = {
        _variant_of(each["target"]): each
        for each in scaling.targets(serving.endpoint_name, names).read()
    }
    missing = sorted(
        item["VariantName"] for item in serving.scaling
        if not _is_complete(item, registered.get(item["VariantName"]))
    )  # fmt: skip
    if missing:
        scaling.apply(serving)
        yield Finding(
            key="scaling missing",
            text=f"Endpoint {serving.endpoint_name}: the scalable target or a scaling policy of "
            f"variant {', '.join(missing)} was deleted. It is registered again.",
            is_repaired=True,
        )
        return
    for item in serving.scaling:
        yield from _target_findings(serving, item, registered[item["VariantName"]])


def _target_findings(
    serving: ServingDocument, item: Mapping[str, Any], each: Mapping[str, Any]
) -> Iterator[Finding]:
    name, target = item["VariantName"], each["target"]
    prefix = f"Endpoint {serving.endpoint_name}: scaling of variant {name}"
    suspended = sorted(key for key, value in target.get("SuspendedState", {}).items() if value)
    if suspended:
        yield Finding(
            key=f"scaling suspended: {name}, {', '.join(suspended)}",
            text=f"{prefix} is suspended ({', '.join(suspended)}). Resume it with "
            "RegisterScalableTarget.",
        )
    actual_value = (target["MinCapacity"], target["MaxCapacity"])
    if actual_value != (item["MinCapacity"], item["MaxCapacity"]) and not each["actions"]:
        yield Finding(
            key=f"scaling limits of {name}: {actual_value[0]} to {actual_value[1]}",
            text=f"{prefix} is limited to {actual_value[0]} to {actual_value[1]} instances, and to "
            f"{item['MinCapacity']} to {item['MaxCapacity']} in the settings. The next rollout "
            "restores it.",
        )


def _is_complete(item: Mapping[str, Any], registered: Mapping[str, Any] | None) -> bool:
    """Whether the target and every policy of the settings is registered."""
    if registered is None:
        return False
    expected = {policy["PolicyName"] for policy in item.get("Policies", [])}
    return expected <= {policy["PolicyName"] for policy in registered["policies"]}


def _variant_of(target: Mapping[str, Any]) -> str:
    return str(target["ResourceId"]).rpartition("/")[2]
