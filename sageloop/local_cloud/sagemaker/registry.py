"""The model registry: model package groups, versioned model packages and their approval."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.store import Document

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

_GROUP = "model-package-group"
_PACKAGE = "model-package"
_GROUP_SUMMARY = (
    "ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription",
    "CreationTime", "ModelPackageGroupStatus",
)  # fmt: skip
_PACKAGE_SUMMARY = (
    "ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn",
    "ModelPackageDescription", "CreationTime", "ModelPackageStatus", "ModelApprovalStatus",
)  # fmt: skip
_STORED_MEMBERS = (
    "ModelPackageGroupName", "ModelPackageDescription", "InferenceSpecification",
    "SourceAlgorithmSpecification", "MetadataProperties", "ModelMetrics", "Domain", "Task",
    "SamplePayloadUrl", "CustomerMetadataProperties", "DriftCheckBaselines",
    "AdditionalInferenceSpecifications", "SkipModelValidation", "SourceUri", "SecurityConfig",
    "ModelCard", "ModelLifeCycle",
)  # fmt: skip
_REFUSED = (
    "ValidationSpecification", "CertifyForMarketplace", "ManagedStorageType",
    "ModelPackageRegistrationType",
)  # fmt: skip
_EVENT_MEMBERS = (
    "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn",
    "ModelPackageDescription", "InferenceSpecification", "ModelPackageStatus",
    "ModelPackageStatusDetails", "ModelApprovalStatus", "MetadataProperties", "ModelMetrics",
    "CustomerMetadataProperties", "ApprovalDescription",
)  # fmt: skip
# A group by its name, and a package by group and version.
_OF_GROUP = re.compile(r":(?:model-package-group|model-package)/([^/]+)")


class ModelPackages:
    """Operations on model package groups and model packages."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._cloud = account.cloud
        self._by_token: dict[str, tuple[str, dict[str, Any]]] = {}
        self._cloud.authorizer.resources.add("sagemaker", self._policy_of)

    @operation("CreateModelPackageGroup")
    def create_group(self, call: Call) -> dict[str, Any]:
        """Create a model package group."""
        params = call.params
        if "ManagedConfiguration" in params:
            raise _refused("ManagedConfiguration")
        name = params["ModelPackageGroupName"]
        document = {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": self._store.arn(_GROUP, name),
            "ModelPackageGroupDescription": params.get("ModelPackageGroupDescription"),
            "CreationTime": self._cloud.clock.now(),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
            "_LastVersion": 0,
        }
        return {
            "ModelPackageGroupArn": self._store.create(
                _GROUP, name, document, tags=params.get("Tags")
            )
        }

    @operation("DescribeModelPackageGroup")
    def describe_group(self, call: Call) -> dict[str, Any]:
        """Return a model package group."""
        return _public(self._store.get(_GROUP, self._group_name(call)))

    @operation("ListModelPackageGroups")
    def list_groups(self, call: Call) -> dict[str, Any]:
        """List model package groups by name and creation time; other accounts share none."""
        if call.params.get("CrossAccountFilterOption") == "CrossAccount":
            return {"ModelPackageGroupSummaryList": []}
        return list_response(
            self._store.list(_GROUP), call.params, result="ModelPackageGroupSummaryList",
            name="ModelPackageGroupName", members=_GROUP_SUMMARY,
        )  # fmt: skip

    @operation("DeleteModelPackageGroup")
    def delete_group(self, call: Call) -> None:
        """Delete an empty model package group."""
        name = self._group_name(call)
        with self._store.changed:
            arn = self._store.get(_GROUP, name)["ModelPackageGroupArn"]
            if self._versions(name):
                raise AwsError(
                    "ConflictException",
                    f"Cannot delete Model Package Group {arn}: it still contains Model Packages.",
                )
            self._store.delete(_GROUP, name)

    @operation("PutModelPackageGroupPolicy")
    def put_policy(self, call: Call) -> dict[str, Any]:
        """Store a resource policy."""
        changes = {"_Policy": call.params["ResourcePolicy"]}
        group = self._store.update(_GROUP, self._group_name(call), changes)
        return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}

    @operation("GetModelPackageGroupPolicy")
    def get_policy(self, call: Call) -> dict[str, Any]:
        """Return the resource policy as it was put."""
        return {"ResourcePolicy": self._policy(self._group_name(call))}

    @operation("DeleteModelPackageGroupPolicy")
    def delete_policy(self, call: Call) -> None:
        """Delete the resource policy."""
        name = self._group_name(call)
        self._policy(name)
        self._store.update(_GROUP, name, {"_Policy": None})

    @operation("CreateModelPackage")
    def create_package(self, call: Call) -> dict[str, Any]:
        """Register the next version of a group; a repeated ClientToken returns the same version."""
        params = call.params
        for member in _REFUSED:
            if params.get(member):
                raise _refused(member)
        if "ModelPackageGroupName" not in params:
            raise _refused("ModelPackageName without ModelPackageGroupName (unversioned package)")
        with self._store.changed:
            token = params.get("ClientToken")
            if token is not None and token in self._by_token:
                return self._registered_before(token, params)
            package = self._register(params)
            arn = package["ModelPackageArn"]
            if token is not None:
                self._by_token[token] = (arn, params)
        self._emit(package)
        return {"ModelPackageArn": arn}

    @operation("DescribeModelPackage")
    def describe_package(self, call: Call) -> dict[str, Any]:
        """Return a model package version by its ARN."""
        return self._store.get(_PACKAGE, _package_name(call.params["ModelPackageName"]))

    @operation("UpdateModelPackage")
    def update_package(self, call: Call) -> dict[str, Any]:
        """Update approval status, description and metadata of a version."""
        params = call.params
        name = _package_name(params["ModelPackageArn"])
        if params.get("ModelPackageRegistrationType"):
            raise _refused("ModelPackageRegistrationType")
        now = self._cloud.clock.now()
        package = self._store.modify(_PACKAGE, name, lambda d: _apply(d, params, now))
        self._emit(package)
        return {"ModelPackageArn": package["ModelPackageArn"]}

    @operation("ListModelPackages")
    def list_packages(self, call: Call) -> dict[str, Any]:
        """List the versions of a group by approval status, by default newest first."""
        params = call.params
        if params.get("ModelPackageType", "Versioned") == "Unversioned":
            return {"ModelPackageSummaryList": []}
        group = params.get("ModelPackageGroupName")
        if group is not None:
            group = group.rsplit("/", 1)[-1]
            self._store.get(_GROUP, group)
        approval = params.get("ModelApprovalStatus")
        matching = self._store.list(
            _PACKAGE,
            lambda d: (
                group in (None, d["ModelPackageGroupName"])
                and approval in (None, d["ModelApprovalStatus"])
            ),
        )
        return list_response(
            matching, params, result="ModelPackageSummaryList", name="ModelPackageGroupName",
            members=_PACKAGE_SUMMARY,
        )  # fmt: skip

    @operation("DeleteModelPackage")
    def delete_package(self, call: Call) -> None:
        """Delete a version; its version number is not reused."""
        package = self._store.delete(_PACKAGE, _package_name(call.params["ModelPackageName"]))
        self._emit(package | {"ModelPackageStatus": "Deleted"})

    def _register(self, params: dict[str, Any]) -> Document:
        group = params["ModelPackageGroupName"].rsplit("/", 1)[-1]

        def count(document: Document) -> None:
            document["_LastVersion"] += 1

        version = self._store.modify(_GROUP, group, count)["_LastVersion"]
        name = f"{group}/{version}"
        now = self._cloud.clock.now()
        package = {member: params[member] for member in _STORED_MEMBERS if member in params} | {
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
            "ModelPackageArn": self._store.arn(_PACKAGE, name),
            "ModelApprovalStatus": params.get("ModelApprovalStatus", "PendingManualApproval"),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
            "CreationTime": now,
            "LastModifiedTime": now,
            "CreatedBy": {},
        }
        self._store.create(_PACKAGE, name, package, tags=params.get("Tags"))
        return package

    def _registered_before(self, token: str, params: dict[str, Any]) -> dict[str, Any]:
        arn, before = self._by_token[token]
        if before != params:
            raise AwsError(
                "ConflictException",
                f"The ClientToken {token} was used before with other parameters, for {arn}.",
            )
        return {"ModelPackageArn": arn}

    def _versions(self, group: str) -> list[Document]:
        return self._store.list(_PACKAGE, lambda d: d["ModelPackageGroupName"] == group)

    def _group_name(self, call: Call) -> str:
        return str(call.params["ModelPackageGroupName"]).rsplit("/", 1)[-1]

    def _policy(self, name: str) -> str:
        policy = self._store.get(_GROUP, name).get("_Policy")
        if policy is None:
            raise AwsError(
                "ValidationException",
                f"Cannot find a resource policy for Model Package Group {name}.",
            )
        return str(policy)

    def _policy_of(self, arn: str) -> str | None:
        """The resource policy of a group, which applies to its packages too."""
        match = _OF_GROUP.search(arn)
        if match is None or arn.split(":")[4] != self._cloud.account_id:
            return None
        group = self._store.find(_GROUP, match[1])
        return None if group is None else group.get("_Policy")

    def _emit(self, package: Document) -> None:
        detail = {member: package.get(member) for member in _EVENT_MEMBERS} | {
            "ModelPackageName": package["ModelPackageArn"].split("model-package/", 1)[-1],
            "CertifyForMarketplace": False,
            # This event has ISO 8601 times, unlike all other SageMaker events.
            "CreationTime": package["CreationTime"].isoformat().replace("+00:00", "Z"),
            "LastModifiedTime": package["LastModifiedTime"].isoformat().replace("+00:00", "Z"),
        }
        self._account.emit(
            "SageMaker Model Package State Change", detail, package["ModelPackageArn"]
        )


def _apply(package: Document, params: dict[str, Any], now: Any) -> None:
    for member in (
        "ModelApprovalStatus", "ApprovalDescription", "InferenceSpecification", "SourceUri",
        "ModelCard", "ModelLifeCycle",
    ):  # fmt: skip
        if member in params:
            package[member] = params[member]
    custom = package.get("CustomerMetadataProperties", {})
    custom = custom | params.get("CustomerMetadataProperties", {})
    for key in params.get("CustomerMetadataPropertiesToRemove", ()):
        custom.pop(key, None)
    if custom or "CustomerMetadataProperties" in package:
        package["CustomerMetadataProperties"] = custom
    added = params.get("AdditionalInferenceSpecificationsToAdd", [])
    if added:
        package["AdditionalInferenceSpecifications"] = [
            *package.get("AdditionalInferenceSpecifications", ()), *added,
        ]  # fmt: skip
    package["LastModifiedTime"] = now
    package["LastModifiedBy"] = {}


def _package_name(name_or_arn: str) -> str:
    return name_or_arn.split("model-package/", 1)[-1]


def _public(document: Document) -> Document:
    return {member: value for member, value in document.items() if not member.startswith("_")}


def _refused(feature: str) -> AwsError:
    return AwsError(
        "ValidationException", f"the local cloud's registry does not support {feature} yet"
    )
