"""The development stacks deployed: alarms, dashboard and cost switch beside an endpoint to come."""

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
    """Outputs of the operations' stack."""
    return dict(deploy_assembly(cloud, assembly("dev"))["sageloop-dev-Operations"])


def test_dashboard_of_the_stacks_names_alarms_that_are_there(
    cloud: LocalCloud, outputs: dict[str, Any]
) -> None:
    client = cloud.client("cloudwatch")
    board = client.get_dashboard(DashboardName=outputs["DashboardName"])
    found = client.describe_alarms()
    there = {alarm["AlarmArn"] for alarm in found["MetricAlarms"]}

    (shown,) = [
        widget["properties"]["alarms"]
        for widget in json.loads(board["DashboardBody"])["widgets"]
        if widget["type"] == "alarm"
    ]
    assert len(shown) == 6
    assert set(shown) <= there


@pytest.mark.feature("operations: endpoint schedule of the project's own stacks")
def test_switch_of_an_endpoint_that_never_was_does_no_harm(
    cloud: LocalCloud, outputs: dict[str, Any]
) -> None:
    for action in ("stop", "start"):
        event = {
            "source": "manual", "action": action, "id": action,
            "time": datetime.fromtimestamp(cloud.time(), UTC).isoformat(),
        }  # fmt: skip
        answer = cloud.client("lambda").invoke(
            FunctionName=outputs["EndpointScheduleFunction"], Payload=json.dumps(event)
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
        cloud.settle()

    assert cloud.client("sagemaker").list_endpoints()["Endpoints"] == []


@pytest.mark.feature("bad input: an HTTPS front where there is no API Gateway")
def test_front_is_refused_by_name_here_and_nothing_is_created(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    text = (ROOT / "settings" / "dev.toml").read_text()
    fronted = tmp_path / "fronted.toml"
    fronted.write_text(text.replace("sageloop-dev", "sageloop-front") + "\n[inference_api]\n")

    with pytest.raises(ClientError, match="does not support resource type AWS::ApiGateway::Rest"):
        deploy_assembly(cloud, assembly(str(fronted)))

    found = cloud.client("cloudformation").describe_stacks()["Stacks"]
    assert "sageloop-front-Serving" not in {stack["StackName"] for stack in found}
