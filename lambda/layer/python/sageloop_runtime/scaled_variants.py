"""The scaling of an endpoint's variants, around an update that changes their instance types.

SageMaker refuses to update a variant's instance type, or to remove it, while it is a scalable
target, and CloudFormation would change the target after the endpoint only. So there are two custom
resources: one before the endpoint makes way, one after it registers. What a failed deployment left
unregistered, a look at the clock or at the endpoint's state brings back.

https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-update.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.custom_resource import Outcome, Request
from sageloop_runtime.endpoints import Endpoints
from sageloop_runtime.errors import BadInputError, code_of
from sageloop_runtime.log import log
from sageloop_runtime.policy_alarms import PolicyAlarms

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a document says: an endpoint, and how its variants are scaled, by their names."""

    endpoint: str
    variants: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read a document.

        Raises:
            BadInputError: if it is none.

        """
        try:
            document = json.loads(text)
            endpoint, scaling = str(document["endpoint_name"]), list(document["scaling"])
            return cls(endpoint=endpoint, variants={each["VariantName"]: each for each in scaling})
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"the scaling document cannot be read: {error!r}") from None

    def target(self, variant: str) -> dict[str, str]:
        """What names a variant's target."""
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{self.endpoint}/variant/{variant}",
            "ScalableDimension": _DIMENSION,
        }


class ScaledVariants:
    """Registers the variants of an endpoint, and takes their registration back.

    Args:
        sagemaker: a SageMaker client.
        autoscaling: an Application Auto Scaling client.
        cloudwatch: a CloudWatch client.

    """

    def __init__(self, *, sagemaker: Any, autoscaling: Any, cloudwatch: Any) -> None:
        self._sagemaker = sagemaker
        self._autoscaling = autoscaling
        self._cloudwatch = cloudwatch

    # what CloudFormation asks

    def create(self, request: Request) -> Outcome:
        """After the endpoint came: register its variants."""
        plan = Plan.parse(request.text("Document"))
        return _outcome(plan, request, {} if _is_before(request) else self._register_all(plan))

    def update(self, request: Request) -> Outcome:
        """Before an update of the endpoint: make way. After it: register what there is now."""
        plan, former = Plan.parse(request.text("Document")), _former(request)
        if _is_before(request):
            self._make_way(plan, former)
            return _outcome(plan, request, {})
        arns = self._register_all(plan)
        if former.endpoint == plan.endpoint:
            self._drop_former(plan, former)
        return _outcome(plan, request, arns)

    def delete(self, request: Request) -> Outcome:
        """Before the endpoint goes, or is scaled no more: deregister its variants."""
        plan = Plan.parse(request.text("Document"))
        if not _is_before(request):
            for variant in plan.variants:
                self._deregister(plan, variant)
        return _outcome(plan, request, {})

    # what the clock and the endpoint's events ask

    def look_after(self, text: str) -> dict[str, list[str]]:
        """Register what is missing of the variants that are served as the document says."""
        plan = Plan.parse(text)
        endpoints = Endpoints(self._sagemaker, plan.endpoint)
        seen = endpoints.look()
        if seen is None or seen.status != "InService":
            return {"registered": []}
        served = endpoints.instance_types(seen.config)
        missing = [
            variant
            for variant, said in plan.variants.items()
            if served.get(variant) == _types(said) and not self._is_registered(plan, variant)
        ]
        for variant in missing:
            self._register(plan, variant)
        if missing:
            log("registered again", endpoint=plan.endpoint, variants=missing)
        return {"registered": missing}

    # how

    def _make_way(self, plan: Plan, former: Plan) -> None:
        """Deregister the variants that go, and those whose instance types change."""
        if former.endpoint != plan.endpoint:
            return
        for variant, before in former.variants.items():
            now = plan.variants.get(variant)
            if now is None or _types(now) != _types(before):
                self._deregister(plan, variant)
                log("deregistered for the update", endpoint=plan.endpoint, variant=variant)

    def _register_all(self, plan: Plan) -> dict[str, str]:
        """Register each variant; the ARNs of policies with alarms, by variant and policy."""
        return {
            f"Policy{index}x{number}": arn
            for index, variant in enumerate(plan.variants)
            for number, arn in enumerate(self._register(plan, variant))
        }

    def _register(self, plan: Plan, variant: str) -> list[str]:
        on, said = plan.target(variant), plan.variants[variant]
        self._autoscaling.register_scalable_target(
            **on, MinCapacity=said["MinCapacity"], MaxCapacity=said["MaxCapacity"]
        )
        alarms, arns = PolicyAlarms(self._cloudwatch, plan.endpoint), []
        for each in said.get("Policies", []):
            policy = {name: value for name, value in each.items() if name != "Alarm"}
            arn = self._autoscaling.put_scaling_policy(**on, **policy)["PolicyARN"]
            if "Alarm" in each:
                alarms.run(each["Alarm"], arn)
                arns.append(arn)
        for action in said.get("ScheduledActions", []):
            self._autoscaling.put_scheduled_action(**on, **action)
        return arns

    def _drop_former(self, plan: Plan, former: Plan) -> None:
        """Take away what the document before said and this one does not."""
        for variant, before in former.variants.items():
            now = plan.variants.get(variant)
            if now is None:
                self._deregister(plan, variant)
                continue
            on = plan.target(variant)
            for name in _named(before, "Policies", "PolicyName", without=now):
                self._forgive(self._autoscaling.delete_scaling_policy, **on, PolicyName=name)
            for name in _named(before, "ScheduledActions", "ScheduledActionName", without=now):
                delete = self._autoscaling.delete_scheduled_action
                self._forgive(delete, **on, ScheduledActionName=name)

    def _is_registered(self, plan: Plan, variant: str) -> bool:
        on = plan.target(variant)
        answer = self._autoscaling.describe_scalable_targets(
            ServiceNamespace=on["ServiceNamespace"], ResourceIds=[on["ResourceId"]],
            ScalableDimension=_DIMENSION,
        )  # fmt: skip
        return bool(answer["ScalableTargets"])

    def _deregister(self, plan: Plan, variant: str) -> None:
        """Deregister a variant; AWS deletes policies and actions with the target."""
        deregister = self._autoscaling.deregister_scalable_target
        self._forgive(deregister, **plan.target(variant))

    def _forgive(self, call: Any, **request: str) -> None:
        """Call; what is gone already is no error."""
        try:
            call(**request)
        except ClientError as error:
            if code_of(error) != "ObjectNotFoundException":
                raise


def _is_before(request: Request) -> bool:
    return request.text("Place") == "BeforeEndpoint"


def _former(request: Request) -> Plan:
    return Plan.parse(str(request.old_properties.get("Document", "")))


def _outcome(plan: Plan, request: Request, arns: Mapping[str, str]) -> Outcome:
    place = request.text("Place")
    return Outcome(physical_id=f"{plan.endpoint}/scaling/{place}", data=arns)


def _types(said: Mapping[str, Any]) -> list[str]:
    return sorted(said["InstanceTypes"])


def _named(
    said: Mapping[str, Any], members: str, name: str, *, without: Mapping[str, Any]
) -> list[str]:
    kept = {each[name] for each in without.get(members, [])}
    return [each[name] for each in said.get(members, []) if each[name] not in kept]
