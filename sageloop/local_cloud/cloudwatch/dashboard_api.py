"""Dashboards: stored and returned, without rendering."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import partition_of
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class DashboardApi:
    """Operations on dashboards."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._bodies: dict[str, tuple[str, float]] = {}

    @operation("PutDashboard")
    def put_dashboard(self, call: Call) -> dict[str, Any]:
        """Store a dashboard with a JSON body."""
        try:
            json.loads(call.params["DashboardBody"])
        except ValueError as error:
            raise AwsError("InvalidParameterInput", f"the body is not JSON: {error}") from error
        now = self._cloud.clock.time()
        self._bodies[call.params["DashboardName"]] = (call.params["DashboardBody"], now)
        return {"DashboardValidationMessages": []}

    @operation("GetDashboard")
    def get_dashboard(self, call: Call) -> dict[str, Any]:
        """Return a dashboard."""
        name = call.params["DashboardName"]
        if name not in self._bodies:
            raise AwsError("ResourceNotFound", f"Dashboard {name} does not exist", 404)
        return {
            "DashboardName": name,
            "DashboardArn": self._arn(name),
            "DashboardBody": self._bodies[name][0],
        }

    @operation("ListDashboards")
    def list_dashboards(self, call: Call) -> dict[str, Any]:
        """Return the dashboards with a prefix."""
        prefix = call.params.get("DashboardNamePrefix", "")
        return {
            "DashboardEntries": [
                {
                    "DashboardName": name,
                    "DashboardArn": self._arn(name),
                    "LastModified": datetime.fromtimestamp(time, UTC),
                    "Size": len(body),
                }
                for name, (body, time) in sorted(self._bodies.items())
                if name.startswith(prefix)
            ]
        }

    @operation("DeleteDashboards")
    def delete_dashboards(self, call: Call) -> None:
        """Delete dashboards by name."""
        for name in call.params["DashboardNames"]:
            if self._bodies.pop(name, None) is None:
                raise AwsError("ResourceNotFound", f"Dashboard {name} does not exist", 404)

    def _arn(self, name: str) -> str:
        partition = partition_of(self._cloud.region)
        return f"arn:{partition}:cloudwatch::{self._cloud.account_id}:dashboard/{name}"
