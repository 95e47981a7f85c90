from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

import app as project
from constructs_lib._private.previous_release import PREVIOUS_FOLDERS
from scripts.synthesis import templates_in
from stacks import load_settings
from tests.security.checks.flatten import flat
from tests.security.checks.jobs import check_training

_ROOT = Path(__file__).resolve().parents[3]
_OURS = {"s3", "dynamodb", "sagemaker", "cloudwatch", "application-autoscaling", "lambda", "sns",
         "iam", "ec2"}  # fmt: skip
_PLATFORM = {
    # What AWS requires of the caller beyond the calls that the code makes.
    "cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "iam:CreateServiceLinkedRole",
    "sagemaker:DescribeEndpointConfig", "sagemaker:UpdateEndpointWeightsAndCapacities",
    # What Lambda itself needs to run a function in a network.
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip
Template = dict[str, Any]
LOOPS = [("prod", "training"), ("tune", "tuning"), ("dev", "training")]
SWITCHED = {"dev"}


@pytest.fixture(scope="module")
def prod(assemblies: dict[str, Path]) -> dict[str, Template]:
    return templates_in(assemblies["prod"])


def _resources(templates: dict[str, Template], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for template in templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] == kind:
                yield name, resource


def _needed(settings: str, kind: str) -> dict[str, list[str]]:
    """The actions that the code uses: a gate, an alarm, daily data, one kind of job, the switch."""
    known = json.loads((_ROOT / "lambda" / "permissions.json").read_text(encoding="utf-8"))
    parts = ("always", "alarm", "champion", "data", "gate", "idle", "role", kind)
    return {
        folder: entry
        if isinstance(entry, list)
        else sorted({action for part in parts for action in entry.get(part, [])})
        for folder, entry in known.items()
        # Of Endpoint and of the inference APIs, which the app does not define.
        if folder not in {"scaling_resource", "invoke_proxy"}
        and (folder != "endpoint_schedule" or settings in SWITCHED)
    }


_FOLDERS = {previous: folder for folder, previous in PREVIOUS_FOLDERS.items()}


def _actions_by_folder(templates: dict[str, Template]) -> dict[str, set[str]]:
    """Actions of the roles of the functions, by the folder that their group's text names."""
    folders: dict[str, set[str]] = {}
    for template in templates.values():
        resources = template["Resources"]
        for function in resources.values():
            if function["Type"] != "AWS::Lambda::Function":
                continue
            properties = function["Properties"]
            group = resources[properties["VpcConfig"]["SecurityGroupIds"][0]["Fn::GetAtt"][0]]
            name = group["Properties"]["GroupDescription"].removeprefix("Function ")
            folder = _FOLDERS.get(name, name)
            role = properties["Role"]["Fn::GetAtt"][0]
            folders[folder] = set(_actions(resources, role))
    return folders


def _actions(resources: dict[str, Any], role: str) -> Iterator[str]:
    attached = resources[role]["Properties"].get("ManagedPolicyArns", [])
    for name, policy in resources.items():
        if policy["Type"] != "AWS::IAM::ManagedPolicy":
            continue
        if {"Ref": role} in policy["Properties"].get("Roles", []) or {"Ref": name} in attached:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                action = statement["Action"]
                yield from [action] if isinstance(action, str) else action


def test_five_stacks_have_project_name(prod: dict[str, Template]) -> None:
    parts = ("Data", "Operations", "Serving", "Training", "Workbench")
    assert list(prod) == [f"sageloop-prod-{part}" for part in parts]


def test_dev_has_the_same_stacks_under_its_own_name(assemblies: dict[str, Path]) -> None:
    parts = ("Data", "Operations", "Serving", "Training", "Workbench")
    assert list(templates_in(assemblies["dev"])) == [f"sageloop-dev-{part}" for part in parts]


@pytest.mark.parametrize(("settings", "kind"), LOOPS)
def test_functions_have_each_permission_that_their_code_uses(
    assemblies: dict[str, Path], settings: str, kind: str
) -> None:
    needed = _needed(settings, kind)
    permissions = _actions_by_folder(templates_in(assemblies[settings]))

    assert {
        folder: sorted(set(actions) - permissions[folder]) for folder, actions in needed.items()
    } == {folder: [] for folder in needed}


@pytest.mark.parametrize(("settings", "kind"), LOOPS)
def test_functions_have_no_permission_that_their_code_does_not_use(
    assemblies: dict[str, Path], settings: str, kind: str
) -> None:
    needed = _needed(settings, kind)
    permissions = _actions_by_folder(templates_in(assemblies[settings]))

    spare = {
        folder: sorted(
            action
            for action in permissions[folder] - set(actions) - _PLATFORM
            if action.split(":")[0] in _OURS
        )
        for folder, actions in needed.items()
    }
    assert spare == {folder: [] for folder in needed}


def test_policies_fit_their_limit(prod: dict[str, Template]) -> None:
    for name, policy in _resources(prod, "AWS::IAM::ManagedPolicy"):
        # Tokens are longer in the template than what they stand for.
        text = json.dumps(policy["Properties"]["PolicyDocument"], separators=(",", ":"))
        assert len(text) < 9000, name


def test_no_node_and_no_inline_policy(prod: dict[str, Template]) -> None:
    runtimes = {r["Properties"]["Runtime"] for _, r in _resources(prod, "AWS::Lambda::Function")}
    assert runtimes == {"python3.13"}
    assert list(_resources(prod, "AWS::IAM::Policy")) == []


def test_only_data_keys_and_history_are_kept(prod: dict[str, Template]) -> None:
    kept = sorted(
        resource["Type"]
        for template in prod.values()
        for resource in template["Resources"].values()
        if resource.get("DeletionPolicy") == "Retain"
    )
    assert kept == [
        "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket",
        "AWS::S3::Bucket", "AWS::SageMaker::ModelPackageGroup",
    ]  # fmt: skip


def test_nothing_retained_has_a_name_of_its_own(prod: dict[str, Template]) -> None:
    names = {"AWS::S3::Bucket": "BucketName", "AWS::DynamoDB::Table": "TableName",
             "AWS::Logs::LogGroup": "LogGroupName"}  # fmt: skip
    for kind, key in names.items():
        assert all(key not in resource["Properties"] for _, resource in _resources(prod, kind))


def test_a_permissions_boundary_reaches_every_role(tmp_path: Path) -> None:
    arn = "arn:aws:iam::111122223333:policy/limits"
    settings = load_settings("prod")
    bounded = settings.model_copy(
        update={"project": settings.project.model_copy(update={"permissions_boundary_arn": arn})}
    )
    app = App(outdir=str(tmp_path))
    project.build(app, bounded)
    app.synth()

    templates = templates_in(tmp_path)
    assert all(
        role["Properties"]["PermissionsBoundary"] == arn
        for _, role in _resources(templates, "AWS::IAM::Role")
    )


def test_invalid_settings_are_reported_without_stack_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGELOOP_SETTINGS", "nowhere")

    assert project.main() == 1
    assert "no settings 'nowhere': allowed are dev, prod, tune" in capsys.readouterr().err


def test_configuration_errors_are_reported_without_stack_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scaling = "[serving.scaling]\nminimum = 1\nmaximum = 2\ninvocations_per_instance = 10.0\n"
    dev = (Path(project.__file__).parent / "settings" / "dev.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(dev + scaling, encoding="utf-8")
    monkeypatch.setenv("SAGELOOP_SETTINGS", str(own))
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path))

    assert project.main() == 1
    message = capsys.readouterr().err
    assert message == (
        "the settings cannot be used: [sageloop-dev-Serving/Endpoint] InstanceTypeNotScaled: "
        "burstable instances are not scaled automatically, got 'ml.t2.medium'\n"
    )


@pytest.mark.feature("tuning: the stacks search where the settings say so")
def test_tune_has_tuning_job_instead_of_training_job(assemblies: dict[str, Path]) -> None:
    templates = templates_in(assemblies["tune"])

    assert list(_resources(templates, "Custom::TrainingJob")) == []
    ((_, resource),) = _resources(templates, "Custom::TuningJob")
    assert resource["Properties"]["Job"] == "sageloop-tune-flights"


@pytest.mark.feature("tuning: trials are as isolated and encrypted as training jobs")
def test_trials_pass_job_controls(assemblies: dict[str, Path]) -> None:
    ((_, resource),) = _resources(templates_in(assemblies["tune"]), "Custom::TuningJob")
    document = json.loads(str(flat(resource["Properties"]["Document"])))

    assert check_training(document["request"]["TrainingJobDefinition"]) == []
