"""Operations on layers."""

from __future__ import annotations

import json
import re
import threading
import uuid
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.functions.errors import conflict, invalid, not_found
from sageloop.local_cloud.functions.model import LayerVersion
from sageloop.local_cloud.functions.paging import page

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.functions.code import CodeStore

_ARN = re.compile(r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:layer:(?P<name>[\w-]+):\d+")
_LAYER = re.compile(r"(?:arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:layer:)?([\w-]{1,140})")


class LayerRepository:
    """Every layer version by its ARN."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.versions: dict[str, LayerVersion] = {}
        self.last_numbers: dict[str, int] = {}
        self.statements: dict[str, dict[str, dict[str, Any]]] = {}

    def get(self, arn: str) -> LayerVersion:
        """A layer version that a function names."""
        version = self.versions.get(arn)
        if version is None:
            raise invalid(f"Layer version {arn} does not exist.")
        return version

    def of(self, layer_arn: str) -> list[LayerVersion]:
        """Versions of a layer, newest first."""
        with self.lock:
            versions = [v for v in self.versions.values() if v.arn.rpartition(":")[0] == layer_arn]
        return sorted(versions, key=lambda v: -v.number)


class LayerApi:
    """The API of layers."""

    def __init__(self, cloud: Cloud, repository: LayerRepository, code: CodeStore) -> None:
        self._cloud = cloud
        self._repository = repository
        self._code = code

    @operation("PublishLayerVersion")
    def publish_layer_version(self, call: Call) -> dict[str, Any]:
        """Publish the next version of a layer."""
        layer_arn = self._layer_arn(call)
        package = self._code.fetch(call.params["Content"], call)
        with self._repository.lock:
            number = self._repository.last_numbers.get(layer_arn, 0) + 1
            self._repository.last_numbers[layer_arn] = number
            made = LayerVersion(
                layer_arn.rsplit(":", 1)[-1], f"{layer_arn}:{number}", number, package,
                call.params.get("Description", ""), self._cloud.clock.now(),
                tuple(call.params.get("CompatibleRuntimes") or ()),
                tuple(call.params.get("CompatibleArchitectures") or ()),
                call.params.get("LicenseInfo", ""),
            )  # fmt: skip
            self._repository.versions[made.arn] = made
        return self._described(made)

    @operation("GetLayerVersion")
    def get_layer_version(self, call: Call) -> dict[str, Any]:
        """One version, with the location of its archive."""
        return self._described(self._find(self._version_arn(call)))

    @operation("GetLayerVersionByArn")
    def get_layer_version_by_arn(self, call: Call) -> dict[str, Any]:
        """One version by its ARN."""
        arn = call.params["Arn"]
        if not _ARN.fullmatch(arn):
            raise AwsError("ValidationException", f"{arn} is not the ARN of a layer version")
        return self._described(self._find(arn))

    @operation("DeleteLayerVersion")
    def delete_layer_version(self, call: Call) -> None:
        """Delete a version; functions that use it keep it."""
        arn = self._version_arn(call)
        with self._repository.lock:
            self._repository.versions.pop(arn, None)
            self._repository.statements.pop(arn, None)

    @operation("ListLayerVersions")
    def list_layer_versions(self, call: Call) -> dict[str, Any]:
        """Versions of a layer, newest first."""
        versions = [v for v in self._repository.of(self._layer_arn(call)) if _fits(v, call)]
        return page("LayerVersions", [_summary(v) for v in versions], call)

    @operation("ListLayers")
    def list_layers(self, call: Call) -> dict[str, Any]:
        """Layers with their newest version."""
        arns = sorted({arn.rpartition(":")[0] for arn in list(self._repository.versions)})
        listed = []
        for arn in arns:
            newest = next((v for v in self._repository.of(arn) if _fits(v, call)), None)
            if newest is not None and arn.split(":")[3] == call.region:
                summary = _summary(newest)
                listed.append(
                    {"LayerName": newest.name, "LayerArn": arn, "LatestMatchingVersion": summary}
                )
        return page("Layers", listed, call)

    @operation("AddLayerVersionPermission")
    def add_layer_version_permission(self, call: Call) -> dict[str, Any]:
        """Store a statement of a layer version's policy (not enforced: one account)."""
        arn = self._find(self._version_arn(call)).arn
        params = call.params
        statement = {
            "Sid": params["StatementId"], "Effect": "Allow", "Principal": params["Principal"],
            "Action": params["Action"], "Resource": arn,
        }  # fmt: skip
        with self._repository.lock:
            statements = self._repository.statements.setdefault(arn, {})
            if params["StatementId"] in statements:
                raise conflict(
                    f"The statement id ({params['StatementId']}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            statements[params["StatementId"]] = statement
        return {"Statement": json.dumps(statement), "RevisionId": str(uuid.uuid4())}

    @operation("GetLayerVersionPolicy")
    def get_layer_version_policy(self, call: Call) -> dict[str, Any]:
        """The statements of a layer version's policy."""
        arn = self._find(self._version_arn(call)).arn
        statements = self._repository.statements.get(arn)
        if not statements:
            raise not_found(f"No policy is associated with the given resource {arn}.")
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": [*statements.values()]}
        return {"Policy": json.dumps(policy), "RevisionId": str(uuid.uuid4())}

    @operation("RemoveLayerVersionPermission")
    def remove_layer_version_permission(self, call: Call) -> None:
        """Remove a statement."""
        statements = self._repository.statements.get(self._version_arn(call), {})
        if statements.pop(call.params["StatementId"], None) is None:
            raise not_found(
                f"Statement {call.params['StatementId']} is not found in resource policy."
            )

    def _layer_arn(self, call: Call) -> str:
        match = _LAYER.fullmatch(call.params["LayerName"])
        if match is None:
            raise AwsError("ValidationException", f"{call.params['LayerName']} is not a layer name")
        return regional_arn("lambda", call.region, call.account_id, f"layer:{match[1]}")

    def _version_arn(self, call: Call) -> str:
        return f"{self._layer_arn(call)}:{call.params['VersionNumber']}"

    def _find(self, arn: str) -> LayerVersion:
        version = self._repository.versions.get(arn)
        if version is None:
            raise not_found("The resource you requested does not exist.")
        return version

    def _described(self, version: LayerVersion) -> dict[str, Any]:
        return {
            **_summary(version),
            "LayerArn": version.arn.rpartition(":")[0],
            "Content": {
                "Location": self._code.location(version.package),
                "CodeSha256": version.package.sha256,
                "CodeSize": version.package.size,
            },
        }


def _summary(version: LayerVersion) -> dict[str, Any]:
    return {
        "LayerVersionArn": version.arn, "Version": version.number,
        "Description": version.description,
        "CreatedDate": version.created.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "CompatibleRuntimes": list(version.runtimes) or None,
        "CompatibleArchitectures": list(version.architectures) or None,
        "LicenseInfo": version.licence or None,
    }  # fmt: skip


def _fits(version: LayerVersion, call: Call) -> bool:
    runtime = call.params.get("CompatibleRuntime")
    architecture = call.params.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.runtimes) and (
        architecture is None or architecture in version.architectures
    )
