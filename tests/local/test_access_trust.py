"""Trust policies of roles, decided where services assume the roles for a resource."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from access_stage import REGION, STORED, Access, access, allow, denied, enforced
from lambda_stage import ECHO, package
from roles import ACCOUNT, CLOUDFORMATION, EVENTS, IMAGES, LAMBDA, SAGEMAKER, SCHEDULER, trust

from sageloop.local_cloud.access.enforcement.mode import AccessMode

__all__ = ["access", "enforced"]


@dataclass(frozen=True)
class Kind:
    """A kind of resource with a role: its creation, the resource part of its ARN, the refusal."""

    service: str
    create: Callable[[Access, str, str], Any]
    resource: str
    refusal: str

    def source(self, name: str) -> str:
        """The value of ``aws:SourceArn`` when the role is assumed for a resource."""
        prefix = self.service.split(".")[0]
        return f"arn:aws:{prefix}:{REGION}:{ACCOUNT}:{self.resource.format(name)}"


def training_job(access: Access, name: str, role: str) -> Any:
    return access.client("sagemaker").create_training_job(
        TrainingJobName=name, RoleArn=role,
        AlgorithmSpecification={"TrainingImage": STORED, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://b/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )  # fmt: skip


def processing_job(access: Access, name: str, role: str) -> Any:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return access.client("sagemaker").create_processing_job(
        ProcessingJobName=name, RoleArn=role, AppSpecification={"ImageUri": STORED},
        ProcessingResources={"ClusterConfig": cluster},
    )  # fmt: skip


def model(access: Access, name: str, role: str) -> Any:
    return access.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": STORED}
    )


def notebook(access: Access, name: str, role: str) -> Any:
    return access.client("sagemaker").create_notebook_instance(
        NotebookInstanceName=name, RoleArn=role, InstanceType="ml.t3.medium"
    )


def function(access: Access, name: str, role: str) -> Any:
    return access.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.14", Handler="index.handler",
        Code={"ZipFile": package({"index.py": ECHO})},
    )  # fmt: skip


def schedule(access: Access, name: str, role: str) -> Any:
    access.client("scheduler").create_schedule_group(Name=name)
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", "RoleArn": role}
    return access.client("scheduler").create_schedule(
        Name="s", GroupName=name, ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"}, Target=target,
    )  # fmt: skip


def rule(access: Access, name: str, role: str) -> Any:
    events = access.client("events")
    events.put_rule(Name=name, EventPattern='{"source": ["x"]}')
    target = {"Id": "t", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", "RoleArn": role}
    return events.put_targets(Rule=name, Targets=[target])


def stack(access: Access, name: str, role: str) -> Any:
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}
    made = access.client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": {"P": parameter}}), RoleARN=role
    )
    access.settle()
    return made


NOT_ASSUMED = "Could not assume role"
KINDS = {
    "training": Kind(SAGEMAKER, training_job, "training-job/{}", NOT_ASSUMED),
    "processing": Kind(SAGEMAKER, processing_job, "processing-job/{}", NOT_ASSUMED),
    "model": Kind(SAGEMAKER, model, "*", NOT_ASSUMED),
    "notebook": Kind(SAGEMAKER, notebook, "notebook-instance/{}", NOT_ASSUMED),
    "function": Kind(LAMBDA, function, "function:{}", "cannot be assumed by Lambda"),
    "schedule": Kind(SCHEDULER, schedule, "schedule-group/{}", "to assume the role"),
    "stack": Kind(CLOUDFORMATION, stack, "stack/{}/-", "is invalid or cannot be assumed"),
    "target": Kind(EVENTS, rule, "rule/{}", "cannot be assumed by principal"),
}
PULL = allow(*IMAGES)


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def confused(kind: Kind, source: str, account: str = ACCOUNT) -> dict[str, Any]:
    """The trust policy that prevents the confused deputy."""
    return trust(
        kind.service,
        StringEquals={"aws:SourceAccount": account},
        ArnLike={"aws:SourceArn": source},
    )


def test_service_assumes_role_for_the_resource_of_the_condition(access: Access, kind: Kind) -> None:
    name = access.name()
    role = access.role(confused(kind, kind.source(name)), PULL)

    kind.create(access, name, role)

    (decision,) = access.decisions("sts:AssumeRole", kind.service)[-1:]
    assert decision.resource == role
    assert decision.source == f"trust policy of {role} Statement[0]"
    assert decision.context["aws:sourcearn"] == [kind.source(name)]
    assert decision.context["aws:sourceaccount"] == [ACCOUNT]


def test_service_cannot_assume_role_of_another_resource(access: Access, kind: Kind) -> None:
    other = f"arn:aws:{kind.service.split('.')[0]}:{REGION}:{ACCOUNT}:other/*"
    role = access.role(confused(kind, other), PULL)

    _, message = denied(kind.create, access=access, name=access.name(), role=role)

    assert kind.refusal in message
    assert {d.effect for d in access.decisions("sts:AssumeRole", kind.service)
            if d.resource == role} == {"implicitDeny"}  # fmt: skip


def test_service_cannot_assume_role_of_another_account(access: Access, kind: Kind) -> None:
    role = access.role(confused(kind, "*", "111122223333"), PULL)

    _, message = denied(kind.create, access=access, name=access.name(), role=role)

    assert kind.refusal in message


def test_statement_that_denies_the_service_is_recorded(access: Access, kind: Kind) -> None:
    trusted = trust(kind.service)
    trusted["Statement"].append(
        {"Sid": "Never", "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}
    )
    role = access.role(trusted, PULL)

    denied(kind.create, access=access, name=access.name(), role=role)

    sources = {d.source for d in access.decisions("sts:AssumeRole", kind.service)
               if d.resource == role}  # fmt: skip
    assert sources == {f"trust policy of {role} Never"}


def test_role_that_does_not_exist_cannot_be_assumed(access: Access, kind: Kind) -> None:
    missing = f"arn:aws:iam::{ACCOUNT}:role/missing"

    _, message = denied(kind.create, access=access, name=access.name(), role=missing)

    assert kind.refusal in message


def test_arn_without_the_path_of_the_role_is_refused(access: Access, kind: Kind) -> None:
    name = access.name("role")
    access.client("iam").create_role(
        RoleName=name, Path="/team/",
        AssumeRolePolicyDocument=json.dumps(trust(kind.service)),
    )  # fmt: skip

    _, message = denied(
        kind.create, access=access, name=access.name(), role=f"arn:aws:iam::{ACCOUNT}:role/{name}"
    )

    assert kind.refusal in message


def test_denied_role_is_used_and_recorded_when_access_is_warned_of(
    access: Access, kind: Kind
) -> None:
    role = access.role(trust("other.amazonaws.com"), PULL)
    access.cloud.authorizer.mode = AccessMode.WARN

    kind.create(access, access.name(), role)

    effects = [d.effect for d in access.decisions("sts:AssumeRole", kind.service)
               if d.resource == role]  # fmt: skip
    assert effects == ["implicitDeny"]


def test_nothing_is_decided_when_access_is_off(access: Access, kind: Kind) -> None:
    role = access.role(trust("other.amazonaws.com"), PULL)
    access.cloud.authorizer.mode = AccessMode.OFF

    kind.create(access, access.name(), role)

    made = access.decisions("sts:AssumeRole", kind.service)
    assert role not in [decision.resource for decision in made]


def test_trust_for_one_endpoint_is_too_narrow_for_a_model(access: Access) -> None:
    endpoints = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/*"
    role = access.role(confused(KINDS["model"], endpoints), PULL)

    code, message = denied(model, access=access, name=access.name(), role=role)

    assert (code, NOT_ASSUMED in message) == ("ValidationException", True)


@pytest.mark.parametrize("resource", ["training-job/*", "hyper-parameter-tuning-job/*", "*"])
def test_tuning_job_assumes_role_for_itself_or_its_training_jobs(
    access: Access, resource: str
) -> None:
    source = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"
    role = access.role(confused(KINDS["training"], source), PULL)

    tuning_job(access, access.name("t"), role)


def test_tuning_job_cannot_assume_role_of_processing_jobs(access: Access) -> None:
    source = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/*"
    role = access.role(confused(KINDS["training"], source), PULL)

    _, message = denied(tuning_job, access=access, name=access.name("t"), role=role)

    assert NOT_ASSUMED in message


def tuning_job(access: Access, name: str, role: str) -> Any:
    rate = {"Name": "rate", "MinValue": "0.1", "MaxValue": "0.2"}
    objective = {"Type": "Minimize", "MetricName": "loss"}
    return access.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random", "HyperParameterTuningJobObjective": objective,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [rate]},
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {
                "TrainingImage": STORED, "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
            },
            "RoleArn": role, "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    )  # fmt: skip


def test_role_of_a_function_is_decided_again_at_an_update(access: Access) -> None:
    name = access.name("f")
    function(access, name, access.role(trust(LAMBDA)))
    other = access.role(confused(KINDS["function"], "arn:aws:lambda:*:*:function:other"))

    code, message = denied(
        access.client("lambda").update_function_configuration, FunctionName=name, Role=other
    )

    assert code == "InvalidParameterValueException"
    assert message == "The role defined for the function cannot be assumed by Lambda."
