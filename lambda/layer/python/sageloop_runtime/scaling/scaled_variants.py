"""Custom resources: the scaling of an endpoint's variants, before and after its update.

SageMaker refuses to remove a variant or to change its instance type while it is a scalable target,
and CloudFormation would change the target only after the endpoint. So one custom resource before
the endpoint deregisters targets, and one after it registers them. Targets that a failed deployment
left deregistered are registered on a schedule and when the endpoint is in service.

https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-update.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.aws.custom_resource import Outcome, Request
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.log import log
from sageloop_runtime.scaling.deletion import delete, deregister
from sageloop_runtime.scaling.policy_alarms import PolicyAlarms
from sageloop_runtime.serving.endpoint import EndpointResources

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_PLACES = ("BeforeEndpoint", "AfterEndpoint")


@dataclass(frozen=True, kw_only=True)
class ScalingDocument:
    """The scaling of an endpoint's variants, by their names."""

    endpoint: str
    variants: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, text: str) -> ScalingDocument:
        """Parse a scaling document.

        Raises:
            BadInputError: if it is malformed.

        """
        try:
            document = json.loads(text)
            endpoint, scaling = str(document["endpoint_name"]), list(document["scaling"])
            return cls(endpoint=endpoint, variants={each["VariantName"]: each for each in scaling})
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"the scaling document cannot be read: {error!r}") from None

    def target(self, variant: str) -> dict[str, str]:
        """The parameters that identify the target of a variant."""
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{self.endpoint}/variant/{variant}",
            "ScalableDimension": _DIMENSION,
        }


class ScaledVariants:
    """Registers and deregisters the variants of an endpoint as scalable targets.

    Args:
        sagemaker: a SageMaker client.
        autoscaling: an Application Auto Scaling client.
        cloudwatch: a CloudWatch client.

    """

    def __init__(self, *, sagemaker: Any, autoscaling: Any, cloudwatch: Any) -> None:
        self._sagemaker = sagemaker
        self._autoscaling = autoscaling
        self._cloudwatch = cloudwatch

    # events of CloudFormation

    def create(self, request: Request) -> Outcome:
        """After the creation of the endpoint: register its variants."""
        document = ScalingDocument.parse(request.text("Document"))
        return Outcome(data={} if _is_before(request) else self._register_all(document))

    def update(self, request: Request) -> Outcome:
        """Before an update of the endpoint: deregister. After it: register."""
        document, previous = ScalingDocument.parse(request.text("Document")), _previous(request)
        if _is_before(request):
            self._deregister_changed(document, previous)
            return Outcome()
        arns = self._register_all(document)
        if previous.endpoint == document.endpoint:
            self._delete_superseded(document, previous)
        return Outcome(data=arns)

    def delete(self, request: Request) -> Outcome:
        """Before the deletion of the endpoint or of its scaling: deregister its variants.

        A resource whose creation was refused has registered nothing.
        """
        try:
            document = ScalingDocument.parse(request.text("Document"))
            before = _is_before(request)
        except BadInputError as error:
            log("nothing to deregister", reason=str(error))
            return Outcome()
        if not before:
            for variant in document.variants:
                deregister(self._autoscaling, document.target(variant))
        return Outcome()

    # schedule, and events of the endpoint

    def register_missing(self, text: str) -> dict[str, list[str]]:
        """Register missing targets of variants that have the instance types of the document."""
        document = ScalingDocument.parse(text)
        endpoint = EndpointResources(self._sagemaker, document.endpoint)
        description = endpoint.describe()
        if description is None or description.status != "InService":
            return {"registered": []}
        types = endpoint.instance_types(description.config)
        missing = [
            variant
            for variant, scaling in document.variants.items()
            if types.get(variant) == _types(scaling) and not self._is_registered(document, variant)
        ]
        for variant in missing:
            self._register(document, variant)
        if missing:
            log("registered again", endpoint=document.endpoint, variants=missing)
        return {"registered": missing}

    # targets

    def _deregister_changed(self, document: ScalingDocument, previous: ScalingDocument) -> None:
        """Deregister variants that are removed or whose instance types change."""
        if previous.endpoint != document.endpoint:
            return
        for variant, scaling in previous.variants.items():
            present = document.variants.get(variant)
            if present is None or _types(present) != _types(scaling):
                deregister(self._autoscaling, document.target(variant))
                log("deregistered for the update", endpoint=document.endpoint, variant=variant)

    def _register_all(self, document: ScalingDocument) -> dict[str, str]:
        """Register each variant; the ARNs of policies with alarms, by variant and policy."""
        return {
            f"Policy{index}x{number}": arn
            for index, variant in enumerate(document.variants)
            for number, arn in enumerate(self._register(document, variant))
        }

    def _register(self, document: ScalingDocument, variant: str) -> list[str]:
        key, scaling = document.target(variant), document.variants[variant]
        self._autoscaling.register_scalable_target(
            **key, MinCapacity=scaling["MinCapacity"], MaxCapacity=scaling["MaxCapacity"]
        )
        alarms, arns = PolicyAlarms(self._cloudwatch, document.endpoint), []
        for each in scaling.get("Policies", []):
            policy = {name: value for name, value in each.items() if name != "Alarm"}
            arn = self._autoscaling.put_scaling_policy(**key, **policy)["PolicyARN"]
            if "Alarm" in each:
                alarms.attach(each["Alarm"], arn)
                arns.append(arn)
        for action in scaling.get("ScheduledActions", []):
            self._autoscaling.put_scheduled_action(**key, **action)
        return arns

    def _delete_superseded(self, document: ScalingDocument, previous: ScalingDocument) -> None:
        """Delete targets, policies and actions of the previous document only."""
        for variant, scaling in previous.variants.items():
            present = document.variants.get(variant)
            if present is None:
                deregister(self._autoscaling, document.target(variant))
                continue
            key = document.target(variant)
            for name in _names(scaling, "Policies", "PolicyName", without=present):
                delete(self._autoscaling.delete_scaling_policy, **key, PolicyName=name)
            for name in _names(scaling, "ScheduledActions", "ScheduledActionName", without=present):
                delete(self._autoscaling.delete_scheduled_action, **key, ScheduledActionName=name)

    def _is_registered(self, document: ScalingDocument, variant: str) -> bool:
        key = document.target(variant)
        response = self._autoscaling.describe_scalable_targets(
            ServiceNamespace=key["ServiceNamespace"], ResourceIds=[key["ResourceId"]],
            ScalableDimension=_DIMENSION,
        )  # fmt: skip
        return bool(response["ScalableTargets"])


def scaling_id(request: Request) -> str:
    """The physical id of a resource: endpoint and place, or an id that no such resource has."""
    try:
        document = ScalingDocument.parse(request.text("Document"))
        return f"{document.endpoint}/scaling/{_place(request)}"
    except BadInputError:
        return f"{request.logical_id or 'resource'}/invalid"


def _place(request: Request) -> str:
    place = request.text("Place")
    if place not in _PLACES:
        raise BadInputError(f"the property Place is {place!r}: {' or '.join(_PLACES)} is expected")
    return place


def _is_before(request: Request) -> bool:
    return _place(request) == _PLACES[0]


def _previous(request: Request) -> ScalingDocument:
    return ScalingDocument.parse(str(request.old_properties.get("Document", "")))


def _types(scaling: Mapping[str, Any]) -> list[str]:
    return sorted(scaling["InstanceTypes"])


def _names(
    scaling: Mapping[str, Any], members: str, name: str, *, without: Mapping[str, Any]
) -> list[str]:
    kept = {each[name] for each in without.get(members, [])}
    return [each[name] for each in scaling.get(members, []) if each[name] not in kept]
