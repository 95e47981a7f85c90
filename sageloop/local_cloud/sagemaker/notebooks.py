"""Notebook instances and lifecycle configurations: stored, not executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.execution_role import any_source, check_role
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.store import Document

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

_INSTANCE = "notebook-instance"
_CONFIG = "notebook-instance-lifecycle-config"
_NAME = "NotebookInstanceName"
_CONFIG_NAME = "NotebookInstanceLifecycleConfigName"
_SAME_NAME = (
    "InstanceType", "IpAddressType", "SubnetId", "RoleArn", "KmsKeyId", "DirectInternetAccess",
    "VolumeSizeInGB", "AcceleratorTypes", "DefaultCodeRepository", "AdditionalCodeRepositories",
    "RootAccess", "PlatformIdentifier", "InstanceMetadataServiceConfiguration",
)  # fmt: skip
_RENAMED = {"LifecycleConfigName": _CONFIG_NAME, "SecurityGroupIds": "SecurityGroups"}
_DISASSOCIATED = {
    "DisassociateLifecycleConfig": _CONFIG_NAME,
    "DisassociateAcceleratorTypes": "AcceleratorTypes",
    "DisassociateDefaultCodeRepository": "DefaultCodeRepository",
    "DisassociateAdditionalCodeRepositories": "AdditionalCodeRepositories",
}
_DEFAULTS: dict[str, Any] = {
    "DirectInternetAccess": "Enabled", "RootAccess": "Enabled", "VolumeSizeInGB": 5,
    "PlatformIdentifier": "notebook-al2-v3", "IpAddressType": "ipv4",
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "1"},
}  # fmt: skip
_SUMMARY = (
    _NAME, "NotebookInstanceArn", "NotebookInstanceStatus", "Url", "InstanceType",
    "CreationTime", "LastModifiedTime", _CONFIG_NAME, "DefaultCodeRepository",
    "AdditionalCodeRepositories",
)  # fmt: skip


class Notebooks:
    """Operations on notebook instances; they are InService at once and run no notebook server."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._cloud = account.cloud

    @operation("CreateNotebookInstance")
    def create_instance(self, call: Call) -> dict[str, Any]:
        """Create a notebook instance."""
        params = call.params
        name, now = params[_NAME], self._cloud.clock.now()
        document: Document = {
            _NAME: name,
            "NotebookInstanceArn": self._store.arn(_INSTANCE, name),
            "NotebookInstanceStatus": "InService",
            "Url": f"{name.lower()}.notebook.{self._cloud.region}.sagemaker.aws",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        self._check_config(params.get("LifecycleConfigName"))
        self._check_role(name, params["RoleArn"])
        document |= _DEFAULTS | _members(params)
        arn = self._store.create(_INSTANCE, name, document, tags=params.get("Tags"))
        self._emit(document)
        return {"NotebookInstanceArn": arn}

    def _check_role(self, name: str, role: str) -> None:
        # AWS does not document aws:SourceArn for notebook instances.
        own = self._store.arn(_INSTANCE, name)
        check_role(self._cloud, role, own, any_source(self._cloud))

    @operation("DescribeNotebookInstance")
    def describe_instance(self, call: Call) -> dict[str, Any]:
        """Return a notebook instance."""
        return self._store.get(_INSTANCE, call.params[_NAME])

    @operation("UpdateNotebookInstance")
    def update_instance(self, call: Call) -> dict[str, Any]:
        """Update a stopped notebook instance."""
        params = call.params
        self._check_config(params.get("LifecycleConfigName"))
        if "RoleArn" in params:
            self._check_role(params[_NAME], params["RoleArn"])

        def change(document: Document) -> None:
            _require_status(document, "Stopped", "Failed")
            for flag, member in _DISASSOCIATED.items():
                if params.get(flag):
                    document.pop(member, None)
            document.update(_members(params))
            document["LastModifiedTime"] = self._cloud.clock.now()

        self._store.modify(_INSTANCE, params[_NAME], change)
        return {}

    @operation("StartNotebookInstance")
    def start_instance(self, call: Call) -> None:
        """Set a stopped notebook instance to InService."""
        self._set_status(call.params[_NAME], "InService", "Stopped", "Failed")

    @operation("StopNotebookInstance")
    def stop_instance(self, call: Call) -> None:
        """Set a notebook instance to Stopped."""
        self._set_status(call.params[_NAME], "Stopped", "InService")

    @operation("DeleteNotebookInstance")
    def delete_instance(self, call: Call) -> None:
        """Delete a stopped notebook instance."""
        name = call.params[_NAME]
        with self._store.changed:
            _require_status(self._store.get(_INSTANCE, name), "Stopped", "Failed")
            document = self._store.delete(_INSTANCE, name)
        self._emit(document | {"NotebookInstanceStatus": "Deleting"})

    @operation("ListNotebookInstances")
    def list_instances(self, call: Call) -> dict[str, Any]:
        """List instances by name, status, times and lifecycle configuration."""
        params = call.params
        config = params.get("NotebookInstanceLifecycleConfigNameContains", "")
        repository = params.get("DefaultCodeRepositoryContains", "")
        additional = params.get("AdditionalCodeRepositoryEquals")
        matching = self._store.list(
            _INSTANCE,
            lambda d: (
                config in d.get(_CONFIG_NAME, "")
                and repository in d.get("DefaultCodeRepository", "")
                and (additional is None or additional in d.get("AdditionalCodeRepositories", ()))
            ),
        )
        return list_response(
            matching, params, result="NotebookInstances", name=_NAME,
            status="NotebookInstanceStatus", members=_SUMMARY,
        )  # fmt: skip

    @operation("CreatePresignedNotebookInstanceUrl", executed=False)
    def create_url(self, call: Call) -> dict[str, Any]:
        """Refused: the local cloud runs no notebook server."""
        self._store.get(_INSTANCE, call.params[_NAME])
        raise AwsError(
            "NotImplemented",
            "the local cloud does not support sagemaker:CreatePresignedNotebookInstanceUrl: "
            "notebook instances are stored and run no notebook server",
            501,
        )

    @operation("CreateNotebookInstanceLifecycleConfig")
    def create_config(self, call: Call) -> dict[str, Any]:
        """Create a lifecycle configuration."""
        params = call.params
        name, now = params[_CONFIG_NAME], self._cloud.clock.now()
        document = {
            _CONFIG_NAME: name,
            "NotebookInstanceLifecycleConfigArn": self._store.arn(_CONFIG, name),
            "OnCreate": params.get("OnCreate", []),
            "OnStart": params.get("OnStart", []),
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        arn = self._store.create(_CONFIG, name, document, tags=params.get("Tags"))
        return {"NotebookInstanceLifecycleConfigArn": arn}

    @operation("DescribeNotebookInstanceLifecycleConfig")
    def describe_config(self, call: Call) -> dict[str, Any]:
        """Return a lifecycle configuration."""
        return self._store.get(_CONFIG, call.params[_CONFIG_NAME])

    @operation("UpdateNotebookInstanceLifecycleConfig")
    def update_config(self, call: Call) -> dict[str, Any]:
        """Replace the scripts that the request contains."""
        scripts = {m: call.params[m] for m in ("OnCreate", "OnStart") if m in call.params}
        changes = scripts | {"LastModifiedTime": self._cloud.clock.now()}
        self._store.update(_CONFIG, call.params[_CONFIG_NAME], changes)
        return {}

    @operation("DeleteNotebookInstanceLifecycleConfig")
    def delete_config(self, call: Call) -> None:
        """Delete a lifecycle configuration that no instance uses."""
        name = call.params[_CONFIG_NAME]
        with self._store.changed:
            if self._store.list(_INSTANCE, lambda d: d.get(_CONFIG_NAME) == name):
                raise AwsError(
                    "ValidationException",
                    f"Unable to delete Notebook Instance Lifecycle Config '{name}'. "
                    "(Details: it is in use by a Notebook Instance.)",
                )
            self._store.delete(_CONFIG, name)

    @operation("ListNotebookInstanceLifecycleConfigs")
    def list_configs(self, call: Call) -> dict[str, Any]:
        """List lifecycle configurations by name and times."""
        return list_response(
            self._store.list(_CONFIG), call.params, name=_CONFIG_NAME,
            result="NotebookInstanceLifecycleConfigs",
            members=(
                _CONFIG_NAME, "NotebookInstanceLifecycleConfigArn", "CreationTime",
                "LastModifiedTime",
            ),
        )  # fmt: skip

    def _set_status(self, name: str, status: str, *allowed: str) -> None:
        def change(document: Document) -> None:
            _require_status(document, *allowed)
            document["NotebookInstanceStatus"] = status
            document["LastModifiedTime"] = self._cloud.clock.now()

        self._emit(self._store.modify(_INSTANCE, name, change))

    def _check_config(self, name: str | None) -> None:
        if name is not None:
            self._store.get(_CONFIG, name)

    def _emit(self, document: Document) -> None:
        detail = document | {"Tags": {}}
        self._account.emit(
            "SageMaker Notebook Instance State Change", detail, document["NotebookInstanceArn"]
        )


def _members(params: dict[str, Any]) -> Document:
    same = {member: params[member] for member in _SAME_NAME if member in params}
    return same | {_RENAMED[m]: params[m] for m in _RENAMED if m in params}


def _require_status(document: Document, *allowed: str) -> None:
    status = document["NotebookInstanceStatus"]
    if status not in allowed:
        raise AwsError(
            "ValidationException",
            f"Status ({status}) not in ([{', '.join(allowed)}]). "
            f"Unable to transition to the requested state of Notebook Instance "
            f"({document['NotebookInstanceArn']}).",
        )
