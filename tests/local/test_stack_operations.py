"""The deployed development stacks: alarms, dashboard and endpoint schedule without an endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from deployed import ROOT, assembly

from sageloop.local_cloud.assembly import deploy_assembly
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def outputs(cloud: LocalCloud) -> dict[str, Any]:
    """The outputs of the operations stack."""
    return dict(deploy_assembly(cloud, assembly("dev"))["sageloop-dev-Operations"])


def test_dashboard_of_the_stacks_refers_to_existing_alarms(
    cloud: LocalCloud, outputs: dict[str, Any]
) -> None:
    client = cloud.client("cloudwatch")
    board = client.get_dashboard(DashboardName=outputs["DashboardName"])
    listing = client.describe_alarms()
    existing = {alarm["AlarmArn"] for alarm in listing["MetricAlarms"]}

    (shown,) = [
        widget["properties"]["alarms"]
        for widget in json.loads(board["DashboardBody"])["widgets"]
        if widget["type"] == "alarm"
    ]
    assert len(shown) == 6
    assert set(shown) <= existing


@pytest.mark.feature("operations: endpoint schedule of the project's own stacks")
def test_schedule_of_a_missing_endpoint_has_no_effect(
    cloud: LocalCloud, outputs: dict[str, Any]
) -> None:
    for action in ("stop", "start"):
        event = {
            "source": "manual", "action": action, "id": action,
            "time": datetime.fromtimestamp(cloud.time(), UTC).isoformat(),
        }  # fmt: skip
        response = cloud.client("lambda").invoke(
            FunctionName=outputs["EndpointScheduleFunction"], Payload=json.dumps(event)
        )
        assert "FunctionError" not in response, response["Payload"].read()
        cloud.settle()

    assert cloud.client("sagemaker").list_endpoints()["Endpoints"] == []


@pytest.mark.feature("bad input: a REST API, which the local cloud does not support")
def test_rest_api_is_refused_before_anything_is_created(cloud: LocalCloud, tmp_path: Path) -> None:
    text = (ROOT / "settings" / "dev.toml").read_text()
    fronted = tmp_path / "fronted.toml"
    fronted.write_text(text.replace("sageloop-dev", "sageloop-front") + "\n[inference_api]\n")

    with pytest.raises(ClientError, match="does not support resource type AWS::ApiGateway::Rest"):
        deploy_assembly(cloud, assembly(str(fronted)))

    listing = cloud.client("cloudformation").describe_stacks()["Stacks"]
    assert "sageloop-front-Serving" not in {stack["StackName"] for stack in listing}
