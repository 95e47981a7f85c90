"""The experiments of `make integ`: their plan, and all of them against a local cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from sageloop.local_cloud.client import LocalCloud
from scripts.integ import main
from scripts.integ_account import Account, local_account
from scripts.integ_experiments import (
    Bench,
    Experiment,
    Finding,
    Result,
    allow,
    is_denial,
    plan,
    run_all,
)
from scripts.integ_questions import EXPERIMENTS, volume_grants

ROOT = Path(__file__).resolve().parents[2]
LIMITS = ROOT / "docs" / "limits.md"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def account(cloud: LocalCloud) -> Account:
    with patch.dict(os.environ, cloud.environment(), clear=True):
        return local_account(os.environ)


@pytest.fixture(scope="module")
def report(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a rehearsal of the experiments only."""
    file = tmp_path_factory.mktemp("integ") / "report.json"
    shell = cloud.environment() | {"SAGELOOP_INTEG": "123456789012"}
    with patch.dict(os.environ, shell, clear=True), redirect_stdout(StringIO()) as printed:
        code = main(["--rehearse", "--only", "experiments", "--json", str(file)])
    return {"code": code, "printed": printed.getvalue(), **json.loads(file.read_text())}


def remains(cloud: LocalCloud) -> dict[str, list[str]]:
    """What an experiment would be charged for, or would leave in an account."""
    iam, sagemaker = cloud.client("iam"), cloud.client("sagemaker")
    kms = cloud.client("kms")
    keys = [kms.describe_key(KeyId=k["KeyId"])["KeyMetadata"] for k in kms.list_keys()["Keys"]]
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    return {
        "roles": [r["RoleName"] for r in iam.list_roles()["Roles"] if "integ" in r["RoleName"]],
        "buckets": [b["Name"] for b in cloud.client("s3").list_buckets()["Buckets"]
                    if "integ" in b["Name"]],
        "groups": [group["ModelPackageGroupName"] for group in groups],
        "keys": [k["KeyId"] for k in keys if k["KeyState"] == "Enabled"
                 and "integ" in k["Description"]],
        "jobs": [j["TrainingJobName"] for j in
                 sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]],
    }  # fmt: skip


@pytest.mark.slow
def test_local_cloud_confirms_each_statement(report: dict[str, Any]) -> None:
    results = {each["name"]: each["result"] for each in report["experiments"]}

    assert results == dict.fromkeys([each.name for each in EXPERIMENTS], "confirmed"), report
    assert report["code"] == 0


@pytest.mark.slow
def test_nothing_remains_that_is_charged(report: dict[str, Any], cloud: LocalCloud) -> None:
    assert [each["not_deleted"] for each in report["experiments"]] == [[]] * len(EXPERIMENTS)
    assert remains(cloud) == {"roles": [], "buckets": [], "groups": [], "keys": [], "jobs": []}


@pytest.mark.slow
def test_plan_is_printed_before_the_account_is_confirmed(report: dict[str, Any]) -> None:
    printed = report["printed"]

    assert printed.index("1. volume-grants") < printed.index("account  123456789012")


def test_plan_needs_no_account(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.dict(os.environ, {}, clear=True):
        assert main(["--plan"]) == 0

    printed = capsys.readouterr().out
    for each in EXPERIMENTS:
        for text in (each.name, each.statement, each.limit, each.calls, each.cost, each.tear_down):
            assert text in printed


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.name)
def test_experiment_settles_a_line_of_the_limits(experiment: Experiment) -> None:
    assert experiment.limit in " ".join(LIMITS.read_text().split())


def test_volume_grants_are_first() -> None:
    assert EXPERIMENTS[0].name == "volume-grants"


def one(run: Any) -> Experiment:
    return Experiment(
        name="one", statement="s", limit="l", calls="c", cost="nothing", tear_down="t", run=run
    )


def test_resources_are_deleted_if_an_experiment_fails(account: Account, cloud: LocalCloud) -> None:
    def fails(bench: Bench) -> Finding:
        bucket = bench.bucket()
        bench.role("job", {"Service": "sagemaker.amazonaws.com"}, allow("s3:*", "*"))
        bench.client("s3").put_object(Bucket=bucket, Key="a", Body=b"a")
        bench.client("s3").get_object(Bucket=bucket, Key="missing")
        raise AssertionError

    (result,) = run_all(account, [one(fails)], lambda _: None)

    assert result["result"] == "not run"
    assert "NoSuchKey" in result["observed"]
    assert remains(cloud)["buckets"] == remains(cloud)["roles"] == []


def test_interrupted_experiment_is_torn_down(account: Account, cloud: LocalCloud) -> None:
    def interrupted(bench: Bench) -> Finding:
        bench.bucket()
        raise KeyboardInterrupt

    (result,) = run_all(account, [one(interrupted)], lambda _: None)

    assert (result["result"], result["observed"]) == ("not run", "interrupted")
    assert remains(cloud)["buckets"] == []


def test_deletion_that_fails_is_reported_and_prevents_no_other(
    account: Account, cloud: LocalCloud
) -> None:
    def leaves(bench: Bench) -> Finding:
        bench.bucket()
        bench.delete_later("bucket gone", bench.client("s3").delete_bucket, Bucket="gone-away")
        return Finding(result=Result.CONFIRMED, observed="yes")

    lines: list[str] = []
    (result,) = run_all(account, [one(leaves)], lines.append)

    assert result["result"] == "confirmed"
    assert any(line.startswith("NOT DELETED: bucket gone") for line in lines)
    assert len(result["not_deleted"]) == 1
    assert remains(cloud)["buckets"] == []


def test_denial_of_a_settled_role_is_the_answer(account: Account) -> None:
    answers: list[Any] = []

    def denied(bench: Bench) -> Finding:
        client = bench.caller("none", allow("s3:GetObject", "*"))("iam")
        answers.append(bench.settled("the list", client.list_roles))
        return Finding(result=Result.REFUTED, observed=str(answers[0]))

    (result,) = run_all(account, [one(denied)], lambda _: None)

    assert is_denial(answers[0])
    assert result["result"] == "refuted"


@pytest.mark.slow
def test_denied_grants_refute_the_first_experiment(account: Account) -> None:
    (result,) = run_all(
        account, [one(lambda bench: volume_grants(bench, denied="true"))], lambda _: None
    )

    assert result["result"] == "refuted"
    assert "kms:CreateGrant" in result["observed"]


def test_plan_has_a_number_for_each_experiment() -> None:
    assert [f"{number}. " in plan(EXPERIMENTS) for number in range(1, 6)] == [True] * 5


@pytest.mark.slow
@pytest.mark.long
def test_whole_command_is_rehearsed_on_a_local_cloud(tmp_path: Path) -> None:
    """In a process of its own: experiments, deployment, comparison and destruction of the app."""
    report = tmp_path / "report.json"
    with LocalCloud.start(warm=True) as bootstrapped:
        variables = bootstrapped.environment() | {"SAGELOOP_INTEG": "123456789012"}
        for command in (
            ["cdk", "bootstrap"],
            [sys.executable, "-m", "scripts.integ", "--rehearse", "--json", str(report)],
        ):
            ended = subprocess.run(
                command, cwd=ROOT, env=variables, text=True, check=False, capture_output=True
            )
            assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]

        assert "deployed, without differences, destroyed" in ended.stdout
        assert ended.stdout.index("confirmed: ") < ended.stdout.index("retained by design")
        stacks = bootstrapped.client("cloudformation").describe_stacks()["Stacks"]
        assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
    results = {each["result"] for each in json.loads(report.read_text())["experiments"]}
    assert results == {"confirmed"}
