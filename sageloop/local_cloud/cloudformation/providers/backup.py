"""AWS Backup: vaults, plans, selections."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import ApiResource, takes
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.stored_only import StoredResource
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

_NO_BACKUPS = "stored: the local cloud creates no backups"
_GONE = names("ResourceNotFoundException")


def _plan(value: dict[str, Any]) -> dict[str, Any]:
    plan = dict(value)
    plan["Rules"] = [
        {
            {"TargetBackupVault": "TargetBackupVaultName"}.get(key, key): inner
            for key, inner in rule.items()
        }
        for rule in plan.pop("BackupPlanRule", ())
    ]
    return plan


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::Backup::BackupVault": ApiResource(
        service="backup",
        create_call="CreateBackupVault",
        takes=takes("BackupVaultName EncryptionKeyArn"),
        ref="{prop[BackupVaultName]}",
        attributes={"BackupVaultArn": "BackupVaultArn", "BackupVaultName": "{id}"},
        tagging=Tagging(
            param="BackupVaultTags", property="BackupVaultTags", as_map=True,
            on={"ResourceArn": "{att[BackupVaultArn]}"}, keys_param="TagKeyList",
        ),
        delete_call="DeleteBackupVault",
        delete_on={"BackupVaultName": "{id}"},
        gone=_GONE,
        stored=names("AccessPolicy LockConfiguration Notifications"),
        note=_NO_BACKUPS,
    ),
    "AWS::Backup::BackupPlan": ApiResource(
        service="backup",
        create_call="CreateBackupPlan",
        takes=takes("BackupPlan"),
        convert={"BackupPlan": _plan},
        ref="BackupPlanId",
        attributes={
            "BackupPlanId": "{id}", "BackupPlanArn": "BackupPlanArn", "VersionId": "VersionId",
        },
        tagging=Tagging(
            param="BackupPlanTags", property="BackupPlanTags", as_map=True,
            on={"ResourceArn": "{att[BackupPlanArn]}"}, keys_param="TagKeyList",
        ),
        delete_call="DeleteBackupPlan",
        delete_on={"BackupPlanId": "{id}"},
        gone=_GONE,
        note=_NO_BACKUPS,
    ),
    "AWS::Backup::BackupSelection": StoredResource(
        stored=names("BackupPlanId BackupSelection"),
        attributes={"Id": "{id}", "SelectionId": "{id}"},
        note=_NO_BACKUPS,
    ),
}  # fmt: skip
