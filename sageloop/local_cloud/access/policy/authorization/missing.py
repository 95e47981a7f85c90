"""Operations that the local cloud serves and that are in no table of permissions.

They are refused by name where access is enforced. A test checks that the list is complete.
"""

from __future__ import annotations

from collections.abc import Mapping

MISSING: Mapping[str, frozenset[str]] = {
    "dynamodb": frozenset({
        "BatchExecuteStatement", "DeleteBackup", "DescribeBackup", "DescribeExport",
        "DescribeImport", "ExecuteStatement", "ExecuteTransaction", "ExportTableToPointInTime",
        "ImportTable", "RestoreTableFromBackup", "RestoreTableToPointInTime",
    }),
    "iam": frozenset({
        "CreateOpenIDConnectProvider", "CreateSAMLProvider", "GetServiceLinkedRoleDeletionStatus",
    }),
    "logs": frozenset({
        "CreateDelivery", "DeleteDelivery", "DeleteDeliveryDestination", "DeleteDeliverySource",
        "GetDelivery", "GetDeliveryDestination", "GetDeliverySource", "PutDeliveryDestination",
        "PutDeliverySource",
    }),
    "s3control": frozenset({
        "CreateMultiRegionAccessPoint",
        "DeleteMultiRegionAccessPoint",
        "DescribeMultiRegionAccessPointOperation",
        "GetMultiRegionAccessPoint",
        "GetMultiRegionAccessPointPolicy",
        "GetMultiRegionAccessPointPolicyStatus",
        "PutMultiRegionAccessPointPolicy",
    }),
    "ssm": frozenset({
        "CreateDocument", "DeleteDocument", "DeleteMaintenanceWindow", "DeletePatchBaseline",
        "DeregisterPatchBaselineForPatchGroup", "DeregisterTargetFromMaintenanceWindow",
        "DeregisterTaskFromMaintenanceWindow", "DescribeDocument", "DescribeDocumentPermission",
        "DescribeMaintenanceWindowTargets", "DescribeMaintenanceWindowTasks", "GetDocument",
        "GetMaintenanceWindow", "ModifyDocumentPermission", "RegisterPatchBaselineForPatchGroup",
        "RegisterTargetWithMaintenanceWindow", "RegisterTaskWithMaintenanceWindow",
        "UpdateDocument", "UpdateDocumentDefaultVersion",
    }),
}  # fmt: skip
