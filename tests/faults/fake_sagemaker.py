"""SageMaker in memory: its states, its sentences, its events."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from documents import ENDPOINT, GROUP, HOUR, START
from fake_client import client_error
from fake_jobs import Jobs

_TOKEN_SECONDS = 8 * HOUR
"""AWS does not document how long it knows a client token: nothing may rely on more than hours."""


class SageMaker(Jobs):
    """The part of the world that keeps models and serves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.packages: list[dict[str, Any]] = []
        self.client_tokens: dict[str, tuple[str, float]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoint: dict[str, Any] | None = None
        self.served_artifacts: list[str] = []
        self.champion_prediction: Callable[[str], str] = lambda row: "120"
        self.invisible_config_calls = 0
        self.in_progress_calls = 0
        self.guarded: list[bool] = []

    # the registry

    def _create_model_package(self, **request: Any) -> Any:
        known, at = self.client_tokens.get(request["ClientToken"], ("", -_TOKEN_SECONDS))
        if self.now - at < _TOKEN_SECONDS:
            return {"ModelPackageArn": known}
        arn = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/{GROUP}/"
        arn += str(len(self.packages) + 1)
        self.packages.append({**request, "ModelPackageArn": arn})
        self.client_tokens[request["ClientToken"]] = (arn, self.now)
        detail = {"ModelPackageGroupName": GROUP, "ModelPackageArn": arn}
        if request["ModelApprovalStatus"] == "Approved":
            self.emit("promote", "aws.sagemaker", "SageMaker Model Package State Change", detail)
        return {"ModelPackageArn": arn}

    def _list_model_packages(self, ModelApprovalStatus: str | None = None, **_: Any) -> Any:
        return {
            "ModelPackageSummaryList": [
                package for package in reversed(self.packages)
                if ModelApprovalStatus in {None, package["ModelApprovalStatus"]}
            ]
        }  # fmt: skip

    def _describe_model_package(self, ModelPackageName: str) -> Any:
        for package in self.packages:
            if package["ModelPackageArn"] == ModelPackageName:
                return package
        raise client_error("ValidationException", f"ModelPackage {ModelPackageName} does not exist")

    # the endpoint

    def _create_model(self, ModelName: str, **request: Any) -> Any:
        if ModelName in self.models:
            raise client_error(
                "ValidationException", f'Cannot create already existing model "{ModelName}".'
            )
        self.models[ModelName] = request

    def _create_endpoint_config(self, EndpointConfigName: str, **request: Any) -> Any:
        if EndpointConfigName in self.configs:
            text = f'Cannot create already existing endpoint configuration "{EndpointConfigName}".'
            raise client_error("ValidationException", text)
        self.configs[EndpointConfigName] = request

    def _describe_endpoint_config(self, EndpointConfigName: str) -> Any:
        if EndpointConfigName not in self.configs:
            raise client_error("ValidationException", "Could not find endpoint configuration")
        return self.configs[EndpointConfigName]

    def _list_endpoint_configs(self, NameContains: str, **_: Any) -> Any:
        names = [name for name in reversed(self.configs) if NameContains in name]
        return {"EndpointConfigs": [{"EndpointConfigName": name} for name in names]}

    def _list_models(self, NameContains: str, **_: Any) -> Any:
        names = [name for name in self.models if NameContains in name]
        return {"Models": [{"ModelName": name} for name in names]}

    def _delete_model(self, ModelName: str) -> Any:
        if self.models.pop(ModelName, None) is None:
            raise client_error("ValidationException", "Could not find model")

    def _delete_endpoint_config(self, EndpointConfigName: str) -> Any:
        if self.endpoint is not None:
            assert EndpointConfigName != self.endpoint["EndpointConfigName"], "deleted what serves"
        if self.configs.pop(EndpointConfigName, None) is None:
            raise client_error("ValidationException", "Could not find endpoint configuration")

    def _describe_endpoint(self, EndpointName: str) -> Any:
        if self.endpoint is None:
            raise client_error("ValidationException", f'Could not find endpoint "{EndpointName}".')
        arn = f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{EndpointName}"
        variants = [
            {"VariantName": name, "DesiredInstanceCount": count, "DesiredWeight": weight}
            for name, (count, weight) in self.endpoint["variants"].items()
        ]
        hidden = {"variants", "next"}
        described = {key: value for key, value in self.endpoint.items() if key not in hidden}
        return {"ProductionVariants": variants, **described, "EndpointArn": arn}

    def _need_config(self, name: str) -> None:
        if self.invisible_config_calls:
            self.invisible_config_calls -= 1
            raise client_error("ValidationException", "Could not find endpoint configuration")
        assert name in self.configs
        for variant in self.configs[name]["ProductionVariants"]:
            assert variant["ModelName"] in self.models

    def _create_endpoint(self, EndpointName: str, EndpointConfigName: str, **_: Any) -> Any:
        if self.endpoint is not None:
            raise client_error("ValidationException", "Cannot create already existing endpoint")
        self._need_config(EndpointConfigName)
        self.endpoint = {"EndpointStatus": "Creating", "EndpointConfigName": EndpointConfigName,
                         "variants": _initial(self.configs[EndpointConfigName])}  # fmt: skip
        self._endpoint_event()

    def _update_endpoint(self, EndpointName: str, EndpointConfigName: str, **request: Any) -> Any:
        assert self.endpoint is not None
        if self.in_progress_calls:
            self.in_progress_calls -= 1
            raise client_error("ValidationException", "Cannot update in-progress endpoint")
        if self.endpoint["EndpointStatus"] != "InService":
            raise client_error("ValidationException", "Cannot update in-progress endpoint")
        self._need_config(EndpointConfigName)
        self._need_no_target(self.endpoint["EndpointConfigName"], EndpointConfigName)
        if "DeploymentConfig" in request:
            self._need_names(self.endpoint["EndpointConfigName"], EndpointConfigName)
        self.guarded.append("DeploymentConfig" in request)
        self.endpoint |= {
            "EndpointStatus": "Updating",
            "PendingDeploymentSummary": {"EndpointConfigName": EndpointConfigName},
            "next": self._after_update(self.configs[EndpointConfigName], request),
        }
        self._endpoint_event()

    def _after_update(self, config: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        """The variants after an update: properties that exist are retained unless excluded."""
        assert self.endpoint is not None
        result = _initial(config)
        if not request.get("RetainAllVariantProperties", False):
            return result
        excluded = {
            each["VariantPropertyType"]
            for each in request.get("ExcludeRetainedVariantProperties", [])
        }
        for name, (count, weight) in self.endpoint["variants"].items():
            if name in result:
                new_count, new_weight = result[name]
                result[name] = (
                    new_count if "DesiredInstanceCount" in excluded else count,
                    new_weight if "DesiredWeight" in excluded else weight,
                )
        return result

    def _update_endpoint_weights_and_capacities(
        self, EndpointName: str, DesiredWeightsAndCapacities: list[dict[str, Any]]
    ) -> Any:
        assert self.endpoint is not None
        if self.endpoint["EndpointStatus"] != "InService":
            raise client_error("ValidationException", "Cannot update in-progress endpoint")
        variants = dict(self.endpoint["variants"])
        for each in DesiredWeightsAndCapacities:
            count, weight = variants[each["VariantName"]]
            variants[each["VariantName"]] = (
                each.get("DesiredInstanceCount", count), each.get("DesiredWeight", weight),
            )  # fmt: skip
        self.endpoint |= {"EndpointStatus": "Updating", "next": variants}
        self._endpoint_event()

    def _need_no_target(self, old: str, new: str) -> None:
        """SageMaker's rule about scaled variants that an update removes or changes."""
        desired = _types(self.configs[new])
        for name, instance_type in _types(self.configs[old]).items():
            scaled = f"endpoint/{ENDPOINT}/variant/{name}" in self.targets
            if scaled and desired.get(name) != instance_type:
                text = f'Variant(s) "[{name}]" must be deregistered as scalable targets'
                raise client_error("ValidationException", text)

    def _need_names(self, old: str, new: str) -> None:
        """SageMaker's rule about the variants of a guarded deployment."""
        if set(_types(self.configs[old])) != set(_types(self.configs[new])):
            raise client_error("ValidationException", "variants must keep their names")

    def _list_tags(self, ResourceArn: str) -> Any:
        assert ResourceArn.endswith(f"endpoint/{ENDPOINT}")
        return {"Tags": [{"Key": "team", "Value": "ml"}]}

    def _delete_endpoint(self, EndpointName: str) -> Any:
        if self.endpoint is None:
            raise client_error("ValidationException", "Could not find endpoint")
        if self.endpoint["EndpointStatus"] in {"Creating", "Updating", "RollingBack"}:
            raise client_error("ValidationException", "Cannot delete in-progress endpoint")
        self.endpoint["EndpointStatus"] = "Deleting"
        self._endpoint_event()

    def move_endpoint(self, outcome: str = "ok", *, reason: str = "") -> None:
        """Let what is under way end: ``ok``, ``rollback``, ``failed`` or ``stuck``."""
        if self.endpoint is None:
            return
        status = self.endpoint["EndpointStatus"]
        pending = self.endpoint.pop("PendingDeploymentSummary", None)
        if status == "Deleting":
            self.endpoint = None
            self.emit("promote", "aws.sagemaker", "SageMaker Endpoint State Change", {})
            return
        if status == "Creating":
            self.endpoint["EndpointStatus"] = "InService" if outcome == "ok" else "Failed"
        elif status == "Updating":
            ends = {"ok": "InService", "rollback": "InService", "stuck": "UpdateRollbackFailed"}
            self.endpoint["EndpointStatus"] = ends.get(outcome, "InService")
            desired = self.endpoint.pop("next")
            if outcome == "ok":
                self.endpoint["variants"] = desired
            if outcome == "ok" and pending is not None:
                self.endpoint["EndpointConfigName"] = pending["EndpointConfigName"]
        else:
            return
        self.endpoint["FailureReason"] = reason
        self.endpoint["LastModifiedTime"] = datetime.fromtimestamp(self.now, UTC)
        if self.endpoint["EndpointStatus"] == "InService":
            self.served_artifacts.append(self.served_artifact())
        self._endpoint_event()

    def scale_to(self, count: int, variant: str = "AllTraffic") -> None:
        """What automatic scaling does to a variant."""
        self.endpoint["variants"][variant] = (count, self.endpoint["variants"][variant][1])

    def instances(self) -> dict[str, int]:
        """Instances by variant."""
        return {name: count for name, (count, _) in self.endpoint["variants"].items()}

    def weights(self) -> dict[str, float]:
        """Weights by variant."""
        return {name: weight for name, (_, weight) in self.endpoint["variants"].items()}

    def served_artifact(self) -> str:
        config = self.configs[self.endpoint["EndpointConfigName"]]
        model = self.models[config["ProductionVariants"][0]["ModelName"]]
        return str(model["PrimaryContainer"]["ModelDataUrl"])

    def _endpoint_event(self) -> None:
        status = self.endpoint["EndpointStatus"] if self.endpoint else "DELETED"
        detail = {"EndpointName": ENDPOINT, "EndpointStatus": status.upper()}
        self.emit("promote", "aws.sagemaker", "SageMaker Endpoint State Change", detail)

    def _invoke_endpoint(self, Body: bytes, InferenceId: str, **_: Any) -> Any:
        assert InferenceId.startswith("gate-")
        answers = [self.champion_prediction(row) for row in Body.decode().splitlines()]
        return {"Body": io.BytesIO("\n".join(answers).encode())}


def _types(config: dict[str, Any]) -> dict[str, str]:
    return {v["VariantName"]: v["InstanceType"] for v in config["ProductionVariants"]}


def _initial(config: dict[str, Any]) -> dict[str, tuple[int, float]]:
    """Instances and weight of each variant of a configuration."""
    return {
        v["VariantName"]: (v["InitialInstanceCount"], v.get("InitialVariantWeight", 1.0))
        for v in config["ProductionVariants"]
    }
