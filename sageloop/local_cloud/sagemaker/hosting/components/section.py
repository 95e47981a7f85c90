"""Operations on inference components."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.images import serving_refusal
from sageloop.local_cloud.sagemaker.hosting.components.deployer import FAMILY, ComponentDeployer
from sageloop.local_cloud.sagemaker.hosting.components.desired_components import DesiredComponents
from sageloop.local_cloud.sagemaker.hosting.components.fleet import ComponentFleet
from sageloop.local_cloud.sagemaker.hosting.components.requests import (
    copies_of,
    specification_of,
)
from sageloop.local_cloud.sagemaker.hosting.components.rollout import Rollout
from sageloop.local_cloud.sagemaker.hosting.describe import resolved
from sageloop.local_cloud.sagemaker.hosting.requests import invalid, not_executed
from sageloop.local_cloud.sagemaker.listing import list_response

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.components.copies import Copy
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle

AT_REST = frozenset(("InService", "Failed"))
_SUMMARY = (
    "CreationTime", "InferenceComponentArn", "InferenceComponentName", "EndpointArn",
    "EndpointName", "VariantName", "InferenceComponentStatus", "LastModifiedTime",
)  # fmt: skip


class Components:
    """CreateInferenceComponent and the other operations on inference components.

    SageMaker publishes no events of inference components; EventBridge's list has none.
    https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-sagemaker.html
    """

    def __init__(
        self,
        account: Account,
        lifecycle: Lifecycle,
        containers: ModelContainers,
        desired_components: DesiredComponents,
    ) -> None:
        self._account = account
        self._store = account.store
        self._cloud = account.cloud
        self._lifecycle = lifecycle
        self._containers = containers
        self._deployer = ComponentDeployer(account, lifecycle, containers, desired_components)

    def stop(self) -> None:
        """Release the threads that wait in rolling updates."""
        self._deployer.stop()

    @operation("CreateInferenceComponent")
    def create_inference_component(self, call: Call) -> dict[str, Any]:
        """Start copies of a container on the instances of an endpoint, in the background."""
        params = call.params
        name, endpoint = params["InferenceComponentName"], params["EndpointName"]
        known = self._store.get("endpoint", endpoint)
        variant = self._variant(known, params.get("VariantName"))
        specification = self._validated(params)
        copies = copies_of(params, minimum=1)
        now = self._cloud.clock.now()
        document = {
            "InferenceComponentName": name,
            "InferenceComponentArn": self._store.arn(FAMILY, name),
            "EndpointName": endpoint,
            "EndpointArn": known["EndpointArn"],
            "VariantName": variant,
            "Specification": specification,
            "RuntimeConfig": {"DesiredCopyCount": copies},
            "CreationTime": now,
            "LastModifiedTime": now,
            "InferenceComponentStatus": "Creating",
        }
        arn = self._store.create(FAMILY, name, document, tags=params.get("Tags"))
        self._deployer.create(document, copies)
        return {"InferenceComponentArn": arn}

    @operation("DescribeInferenceComponent")
    def describe_inference_component(self, call: Call) -> dict[str, Any]:
        """Return the component with its copies and their instances."""
        return self.describe(call.params["InferenceComponentName"])

    @operation("ListInferenceComponents")
    def list_inference_components(self, call: Call) -> dict[str, Any]:
        """List components by name, endpoint, variant, status and times."""
        params = call.params
        filters = {m: params[f"{m}Equals"] for m in ("EndpointName", "VariantName")
                  if f"{m}Equals" in params}  # fmt: skip
        matching = self._store.list(
            FAMILY, lambda document: all(document[m] == v for m, v in filters.items())
        )
        return list_response(
            matching, params, result="InferenceComponents", name="InferenceComponentName",
            status="InferenceComponentStatus", members=_SUMMARY,
        )  # fmt: skip

    @operation("UpdateInferenceComponent")
    def update_inference_component(self, call: Call) -> dict[str, Any]:
        """Replace the copies of a component, or change their number."""
        params = call.params
        known = self._store.get(FAMILY, params["InferenceComponentName"])
        current = int(known["RuntimeConfig"]["DesiredCopyCount"])
        copies = copies_of(params, minimum=0, default=current)
        policy = Rollout.of(params.get("DeploymentConfig"), max(current, copies))
        if not params.get("Specification") and not params.get("Specifications"):
            return self._resize(known, copies)
        specification = self._validated(params)
        self._begin(known["InferenceComponentName"])
        changes = {
            "Specification": specification,
            "RuntimeConfig": {"DesiredCopyCount": copies},
            "LastDeploymentConfig": params.get("DeploymentConfig"),
        }
        self._deployer.update(known, changes, policy)
        return {"InferenceComponentArn": known["InferenceComponentArn"]}

    @operation("UpdateInferenceComponentRuntimeConfig")
    def update_inference_component_runtime_config(self, call: Call) -> dict[str, Any]:
        """Change the number of copies."""
        known = self._store.get(FAMILY, call.params["InferenceComponentName"])
        count = {"RuntimeConfig": call.params["DesiredRuntimeConfig"]}
        return self._resize(known, copies_of(count, minimum=0))

    @operation("DeleteInferenceComponent")
    def delete_inference_component(self, call: Call) -> None:
        """Stop the copies of a component in the background and delete it."""
        known = self._store.get(FAMILY, call.params["InferenceComponentName"])
        self._begin(known["InferenceComponentName"], "Deleting")
        if self._cloud.services.has("application-autoscaling"):
            resource = f"inference-component/{known['InferenceComponentName']}"
            self._cloud.services.scaling.resource_deleted(resource)
        self._deployer.delete(known)

    def set_copies(self, name: str, count: int) -> None:
        """Set the number of copies of a component; return before they have started."""
        self._resize(
            self._store.get(FAMILY, name),
            copies_of({"RuntimeConfig": {"CopyCount": count}}, minimum=0),
        )

    def describe(self, name: str) -> dict[str, Any]:
        """The description of a component."""
        document = self._store.get(FAMILY, name)
        fleet = self._deployer.fleet(document)
        copies = [] if fleet is None else [c for c in fleet.copies(name) if c.healthy]
        runtime = document["RuntimeConfig"] | {"CurrentCopyCount": len(copies)}
        if copies and fleet is not None:
            kinds = Counter(str(fleet.spec.instance_type) for _ in copies)
            runtime["PlacementStatus"] = [
                {"InstanceType": kind, "CurrentCopyCount": count} for kind, count in kinds.items()
            ]
        described = _described(document["Specification"], document["CreationTime"])
        return document | {"RuntimeConfig": runtime, "Specification": described}

    def copies(self, name: str) -> list[Copy]:
        """The copies of a component, healthy or not; empty for an unknown component."""
        document = self._store.find(FAMILY, name)
        fleet = None if document is None else self._deployer.fleet(document)
        return [] if fleet is None else fleet.copies(name)

    def wait(self, name: str) -> dict[str, Any] | None:
        """Block until a component has a stable status; return ``None`` if it was deleted."""
        with self._store.changed:
            while True:
                document = self._store.find(FAMILY, name)
                if document is None or self._cloud.stopped.is_set():
                    return document
                if document["InferenceComponentStatus"] in AT_REST:
                    return self.describe(name)
                self._store.changed.wait()

    def resolve_component(self, invocation: Invocation) -> Invocation:
        """A request for a component with the component's variant as its target."""
        document = None
        if invocation.component is not None and invocation.target_variant is None:
            document = self._store.find(FAMILY, invocation.component)
        if document is None or document["EndpointName"] != invocation.endpoint:
            return invocation
        return replace(invocation, target_variant=document["VariantName"])

    def check_update(self, endpoint: str, config: Mapping[str, Any]) -> None:
        """Refuse a configuration without a variant that has components."""
        kept_variants = {
            v["VariantName"] for v in config["ProductionVariants"] if "ModelName" not in v
        }
        lost = sorted({d["VariantName"] for d in self._components_on(endpoint)} - kept_variants)
        if lost:
            raise invalid(
                f"Endpoint {endpoint} has inference components on {', '.join(lost)}; the new "
                "endpoint configuration has no such variant. Delete the components first."
            )

    def check_delete(self, endpoint: str) -> None:
        """Refuse to delete an endpoint that has components."""
        names = [document["InferenceComponentName"] for document in self._components_on(endpoint)]
        if names:
            raise invalid(
                f"Endpoint {endpoint} cannot be deleted: it has inference components "
                f"({', '.join(names)}); delete them first."
            )

    def _components_on(self, endpoint: str) -> list[dict[str, Any]]:
        return self._store.list(FAMILY, lambda document: document["EndpointName"] == endpoint)

    def _resize(self, known: Mapping[str, Any], copies: int) -> dict[str, Any]:
        name = known["InferenceComponentName"]
        self._begin(name, "Updating", {"RuntimeConfig": {"DesiredCopyCount": copies}})
        self._deployer.resize(known, copies)
        return {"InferenceComponentArn": known["InferenceComponentArn"]}

    def _begin(
        self, name: str, status: str = "Updating", changes: Mapping[str, Any] | None = None
    ) -> None:
        def change(document: dict[str, Any]) -> None:
            now = document["InferenceComponentStatus"]
            if now not in AT_REST:
                raise invalid(
                    f'Cannot update in-progress inference component "'
                    f'{document["InferenceComponentArn"]}".'
                )
            document.update(changes or {})
            document["InferenceComponentStatus"] = status
            document["LastModifiedTime"] = self._cloud.clock.now()
            document.pop("FailureReason", None)

        self._store.modify(FAMILY, name, change)

    def _variant(self, endpoint: Mapping[str, Any], variant_name: str | None) -> str:
        name = endpoint["EndpointName"]
        if endpoint["EndpointStatus"] != "InService":
            raise invalid(
                f"Inference components are created on an endpoint that is InService; {name} is "
                f"{endpoint['EndpointStatus']}."
            )
        live = self._lifecycle.live(name)
        fleet = None if live is None else live.fleet
        variants = {} if fleet is None else fleet.variants
        fits = [n for n, v in variants.items() if isinstance(v, ComponentFleet)]
        if not fits:
            raise invalid(
                f"Endpoint {name} has models in its endpoint configuration; inference components "
                "need production variants without ModelName."
            )
        chosen = fits[0] if variant_name is None and len(fits) == 1 else variant_name
        if chosen not in fits:
            raise invalid(f"VariantName must be one of {', '.join(fits)}, got {variant_name}")
        return str(chosen)

    def _validated(self, params: Mapping[str, Any]) -> dict[str, Any]:
        specification = dict(specification_of(params))
        model = specification.get("ModelName")
        if model is not None:
            self._containers.single_container(model)
            self._containers.check_images(model)
            return specification
        image = specification["Container"]["Image"]
        why = serving_refusal(image, specification["Container"])
        if why is not None:
            raise not_executed(why)
        return specification


def _described(specification: Mapping[str, Any], since: Any) -> dict[str, Any]:
    described = dict(specification)
    if "Container" in described:
        container = dict(described["Container"])
        image = container.pop("Image")
        described["Container"] = container | {
            "DeployedImage": {
                "SpecifiedImage": image, "ResolvedImage": resolved(image), "ResolutionTime": since,
            }
        }  # fmt: skip
    return described
