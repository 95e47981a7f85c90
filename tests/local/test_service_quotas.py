"""Service Quotas, through boto3, and `sageloop preflight`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.client import LocalCloud
from tests import forked


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as made:
        yield made


@pytest.fixture(scope="module")
def quotas(cloud: LocalCloud) -> dict[str, dict[str, Any]]:
    pages = cloud.client("service-quotas").get_paginator("list_service_quotas")
    listed = pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": 100})
    items = [quota for page in listed for quota in page["Quotas"]]
    assert len(items) > 1000
    return {quota["QuotaName"]: quota for quota in items}


def test_new_account_has_no_instances_of_most_types(quotas: dict[str, dict[str, Any]]) -> None:
    assert quotas["ml.m5.xlarge for training job usage"]["Value"] == 0.0
    assert quotas["ml.t2.medium for endpoint usage"]["Value"] == 2.0
    assert quotas["Number of instances across all training jobs"]["Value"] == 4.0


def test_quota_has_a_code_of_its_own(quotas: dict[str, dict[str, Any]]) -> None:
    assert len({quota["QuotaCode"] for quota in quotas.values()}) == len(quotas)


def test_quota_is_returned_by_its_code(cloud: LocalCloud) -> None:
    client = cloud.client("service-quotas")

    for call in (client.get_service_quota, client.get_aws_default_service_quota):
        quota = call(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]
        assert (quota["QuotaName"], quota["Value"]) == ("VPCs per Region", 5.0)


@pytest.mark.parametrize(("service", "code"), [("vpc", "L-0"), ("nothing", "L-F678F1CE")])
def test_unknown_quota_is_refused(cloud: LocalCloud, service: str, code: str) -> None:
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        cloud.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)


def _preflight(
    cloud: LocalCloud, folder: Path, instance_type: str
) -> tuple[int, str, dict[str, Any]]:
    variant = {"VariantName": "a", "InstanceType": instance_type, "InitialInstanceCount": 1,
               "ModelName": "m"}  # fmt: skip
    config = {"Type": "AWS::SageMaker::EndpointConfig",
              "Properties": {"ProductionVariants": [variant]}}  # fmt: skip
    (folder / "S.template.json").write_text(json.dumps({"Resources": {"Config": config}}))
    environment = cloud.access.write(folder / "access.json").environment()
    ended = forked.run(
        "sageloop", "preflight", str(folder), "--json", "report.json", cwd=folder,
        env=environment | {"COLUMNS": "200"},
    )  # fmt: skip
    return ended.returncode, ended.stdout, json.loads((folder / "report.json").read_text())


def test_preflight_reports_a_short_quota(cloud: LocalCloud, tmp_path: Path) -> None:
    code, output, report = _preflight(cloud, tmp_path, "ml.m5.large")

    first = report["quotas"][0]
    assert (code, report["ok"]) == (1, False)
    assert (first["quota"], first["needs"], first["has"], first["short"]) == (
        "ml.m5.large for endpoint usage", 2, 0.0, 2.0
    )  # fmt: skip
    assert "ml.m5.large for endpoint usage (S/Config):" in output
    assert "https://us-east-1.console.aws.amazon.com/servicequotas/home" in output


def test_preflight_accepts_what_a_new_account_has(cloud: LocalCloud, tmp_path: Path) -> None:
    code, output, report = _preflight(cloud, tmp_path, "ml.t2.medium")

    assert (code, report["ok"]) == (0, True)
    assert "all quotas suffice" in output


def test_preflight_without_templates_is_refused(cloud: LocalCloud, tmp_path: Path) -> None:
    environment = cloud.access.environment()

    ended = forked.run("sageloop", "preflight", cwd=tmp_path, env=environment)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "cdk.out cannot be read: No such file or directory" in ended.stderr
