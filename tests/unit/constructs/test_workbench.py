from __future__ import annotations

import datetime as datetime_module
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from constructs_lib import ConfigurationError, Notebook, NotebookRole

from .conftest import Ground, ground_of


def _notebook(ground: Ground, **changes: Any) -> Notebook:
    role = NotebookRole(ground.stack, "NotebookRole", key=ground.store.key)
    values: dict[str, Any] = {"key": ground.store.encryption_key, **changes}
    return Notebook(ground.stack, "Notebook", network=ground.network, role=role, **values)


def _actions_of(template: Template) -> list[dict[str, Any]]:
    (policy,) = template.find_resources("AWS::IAM::Policy").values()
    statements: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return statements


@pytest.fixture(scope="module")
def template() -> Template:
    """A stack with a notebook and someone who may open it, to read."""
    ground = ground_of(Stack(App(), "Test"))
    people = iam.Role(ground.stack, "People", assumed_by=iam.AccountRootPrincipal())
    _notebook(ground, idle_minutes=45).grant_open(people)
    return ground.template()


def test_notebook_is_private_encrypted_and_without_root(template: Template) -> None:
    template.has_resource_properties("AWS::SageMaker::NotebookInstance", {
        "DirectInternetAccess": "Disabled",
        "RootAccess": "Disabled",
        "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "2"},
    })  # fmt: skip
    (notebook,) = template.find_resources("AWS::SageMaker::NotebookInstance").values()
    assert {"KmsKeyId", "SubnetId"} <= set(notebook["Properties"])


def test_idle_notebook_stops(template: Template) -> None:
    (config,) = template.find_resources("AWS::SageMaker::NotebookInstanceLifecycleConfig").values()

    (hook,) = config["Properties"]["OnStart"]
    assert "> 45 * 60" in hook["Content"]["Fn::Base64"]


def test_grant_open_allows_exactly_this_notebook(template: Template) -> None:
    (statement,) = _actions_of(template)

    (name,) = template.find_resources("AWS::SageMaker::NotebookInstance")
    assert statement["Action"] == "sagemaker:CreatePresignedNotebookInstanceUrl"
    assert statement["Resource"]["Fn::Join"][1][-2:] == [
        ":notebook-instance/",
        {"Fn::GetAtt": [name, "NotebookInstanceName"]},
    ]


def test_notebook_role_can_stop_notebook(template: Template) -> None:
    (name,) = template.find_resources("AWS::SageMaker::NotebookInstance")
    (role,) = [each for each in template.find_resources("AWS::IAM::Role") if "Notebook" in each]
    (policy,) = [
        each["Properties"]
        for each in template.find_resources("AWS::IAM::ManagedPolicy").values()
        if "sagemaker:StopNotebookInstance" in str(each)
    ]

    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"]["Fn::Join"][1][-1] == {
        "Fn::GetAtt": [name, "NotebookInstanceName"]
    }
    assert policy["Roles"] == [{"Ref": role}]


def test_existing_role_can_stop_notebook(ground: Ground) -> None:
    own = iam.Role.from_role_arn(ground.stack, "Own", "arn:aws:iam::111122223333:role/own")
    role = NotebookRole.from_role(ground.stack, "NotebookRole", own)

    Notebook(
        ground.stack, "Notebook", network=ground.network, role=role,
        key=ground.store.encryption_key,
    )  # fmt: skip

    ground.template().has_resource_properties("AWS::IAM::Policy", {
        "Roles": ["own"],
        "PolicyDocument": {"Statement": [Match.object_like({
            "Action": "sagemaker:StopNotebookInstance", "Effect": "Allow",
        })], "Version": "2012-10-17"},
    })  # fmt: skip


def test_immutable_role_is_not_changed(ground: Ground) -> None:
    own = iam.Role.from_role_arn(
        ground.stack, "Own", "arn:aws:iam::111122223333:role/own", mutable=False
    )
    role = NotebookRole.from_role(ground.stack, "NotebookRole", own)

    Notebook(
        ground.stack, "Notebook", network=ground.network, role=role,
        key=ground.store.encryption_key,
    )  # fmt: skip

    assert "StopNotebookInstance" not in str(ground.template().to_json())


def test_imported_notebook_is_started_and_stopped_by_its_name(stack: Stack) -> None:
    people = iam.Role(stack, "People", assumed_by=iam.AccountRootPrincipal())

    Notebook.from_notebook_name(stack, "Mine", notebook_name="mine").grant_start_stop(people)

    (statement,) = _actions_of(Template.from_stack(stack))
    assert statement["Resource"]["Fn::Join"][1][-1] == ":notebook-instance/mine"
    assert "sagemaker:StopNotebookInstance" in statement["Action"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instance_type": "t3.medium"}, "instance_type must be an ML instance type"),
        ({"volume_gb": 4}, "volume_gb must be between 5 and 16384, got 4"),
        ({"idle_minutes": 5}, "idle_minutes must be between 10 and 1440, got 5"),
    ],
)
def test_notebook_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _notebook(anew, **changes)


@pytest.mark.parametrize(
    ("state", "minutes", "stops"),
    [("idle", 46, True), ("starting", 46, True), ("busy", 46, False), ("idle", 44, False)],
)
def test_only_a_busy_kernel_or_a_recent_one_keeps_the_notebook(
    template: Template, state: str, minutes: int, stops: bool
) -> None:
    (config,) = template.find_resources("AWS::SageMaker::NotebookInstanceLifecycleConfig").values()
    program = config["Properties"]["OnStart"][0]["Content"]["Fn::Base64"]
    function = re.search(r"^def idle.*?(?=^with)", program, re.MULTILINE | re.DOTALL)
    assert function is not None
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    names: dict[str, Any] = {"datetime": datetime_module, "now": now}
    exec(function[0], names)  # noqa: S102 - the program of the template

    last = (now - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    assert names["idle"]({"execution_state": state, "last_activity": last}) is stops


def test_script_of_the_notebook_ends_at_once(template: Template) -> None:
    (config,) = template.find_resources("AWS::SageMaker::NotebookInstanceLifecycleConfig").values()
    script = config["Properties"]["OnStart"][0]["Content"]["Fn::Base64"]

    # It only writes a program and an entry of cron, which runs the program later.
    commands = re.sub(r"<<'PROGRAM'\n.*?\nPROGRAM\n", "\n", script, flags=re.DOTALL)
    lines = [line for line in commands.splitlines() if line and not line.startswith("#")]
    assert [re.split(r"[ =]", line)[0] for line in lines] == ["set", "cat", "python", "echo"]
    assert "\r" not in script
    assert len(script) <= 16_384
