"""What is only known at deployment goes through unharmed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import App, Aws, CfnParameter, Duration, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from constructs_lib import (
    AlertTopic,
    Canary,
    ConfigurationError,
    DataCapture,
    DatePartitionedDataset,
    EndpointBase,
    Evaluation,
    Gate,
    HostingRole,
    ModelQualityAlarms,
    ModelRegistry,
    Notebook,
    NotebookRole,
    PrivateNetwork,
    ResourceConfig,
    RetrainingLoop,
    Scaling,
    Variant,
    XGBoost,
)

from .conftest import Ground, ground_of


def _text(stack: Stack, name: str) -> str:
    return CfnParameter(stack, name).value_as_string


def _number(stack: Stack, name: str) -> Any:
    return CfnParameter(stack, name, type="Number").value_as_number


@pytest.fixture(scope="module")
def template() -> Template:
    """A whole loop whose values are all parameters, to read."""
    ground = ground_of(Stack(App(), "Test"))
    stack = ground.stack
    job = ground.job(
        job=_text(stack, "JobName"),
        algorithm=XGBoost(hyperparameters={
            "num_round": _number(stack, "Rounds"), "objective": _text(stack, "Objective"),
            "eta": _text(stack, "Eta"), "booster": _text(stack, "Booster"),
        }),
        data=DatePartitionedDataset(
            prefix=_text(stack, "Prefix"), validation_days=_number(stack, "HeldOut"),
            window_days=_number(stack, "Window"),
        ),
        compute=ResourceConfig(
            instance_type=_text(stack, "JobType"), instance_count=_number(stack, "JobCount"),
        ),
    )  # fmt: skip
    endpoint = ground.champion(
        endpoint_name=_text(stack, "EndpointName"),
        variants=[Variant(
            name=_text(stack, "VariantName"), instance_type=_text(stack, "VariantType"),
            instance_count=_number(stack, "VariantCount"), weight=_number(stack, "Weight"),
            scaling=Scaling(minimum=_number(stack, "Fewest"), maximum=_number(stack, "Most"),
                            invocations_per_instance=_number(stack, "Target")),
        )],
        capture=DataCapture(percentage=_number(stack, "Share"), prefix=_text(stack, "Capture")),
        rollout=Canary(
            instances=_number(stack, "First"), wait_seconds=_number(stack, "Wait"),
            termination_wait_seconds=_number(stack, "Stay"),
            maximum_seconds=_number(stack, "Limit"),
        ),
    )  # fmt: skip
    RetrainingLoop(
        stack, "Loop", job=job, endpoint=endpoint, network=ground.network,
        model_quality_alarm=ground.alarm(), max_attempts=_number(stack, "Attempts"),
        gate=Gate(threshold=_number(stack, "Threshold"), improvement=_number(stack, "Better")),
        evaluation=Evaluation(ground_truth_prefix=_text(stack, "GroundTruth"),
                              ground_truth_delay_minutes=_number(stack, "Delay")),
        cooldown=Duration.seconds(_number(stack, "Cooldown")),
    )  # fmt: skip
    return ground.template()


def _environment(template: Template, variable: str) -> list[Any]:
    functions = template.find_resources("AWS::Lambda::Function").values()
    message = [f["Properties"]["Environment"]["Variables"] for f in functions
            if "Environment" in f["Properties"]]  # fmt: skip
    return [variables[variable] for variables in message if variable in variables]


def test_templates_have_no_unresolved_token(template: Template) -> None:
    text = json.dumps(template.to_json())

    assert "${Token[" not in text
    assert "-1.888" not in text


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("Custom::TrainingJob", ["JobName", "Rounds", "Objective", "Eta", "Booster", "Prefix",
                                 "HeldOut", "Window", "JobType", "JobCount"]),
        ("Custom::ChampionEndpoint", ["EndpointName", "VariantName", "VariantType", "VariantCount",
                                      "Weight", "Fewest", "Most", "Target", "Share", "Capture",
                                      "First", "Wait", "Stay", "Limit"]),
    ],
)  # fmt: skip
def test_accepts_a_token_for_each_value_of_a_document(
    template: Template, kind: str, parameters: list[str]
) -> None:
    (resource,) = template.find_resources(kind).values()

    document = json.dumps(resource["Properties"]["Document"])
    assert [name for name in parameters if f'{{"Ref": "{name}"}}' not in document] == []


@pytest.mark.parametrize(
    ("variable", "parameter"),
    [("COOLDOWN_SECONDS", "Cooldown"), ("MAX_ATTEMPTS", "Attempts"),
     ("GROUND_TRUTH_DELAY_MINUTES", "Delay"), ("JOB", "JobName"),
     ("ENDPOINT_NAME", "EndpointName")],
)  # fmt: skip
def test_accepts_a_token_for_environment_variables_of_functions(
    template: Template, variable: str, parameter: str
) -> None:
    message = _environment(template, variable)

    assert message
    assert all(value == {"Ref": parameter} for value in message)


def test_accepts_a_token_for_each_value_of_the_gate(template: Template) -> None:
    (gate,) = _environment(template, "GATE")

    assert '{"Ref": "Threshold"}' in json.dumps(gate)
    assert '{"Ref": "Better"}' in json.dumps(gate)


def test_accepts_a_token_for_the_name_of_an_imported_endpoint(stack: Stack) -> None:
    people = iam.Role(stack, "People", assumed_by=iam.AccountRootPrincipal())
    name = Fn.import_value("Elsewhere")

    EndpointBase.from_endpoint_name(stack, "Endpoint", endpoint_name=name).grant_invoke(people)

    assert "Fn::ImportValue" in json.dumps(Template.from_stack(stack).to_json())


def test_accepts_a_token_for_the_name_of_a_registry(stack: Stack) -> None:
    ModelRegistry(stack, "Registry", name=_text(stack, "Name"))

    (group,) = Template.from_stack(stack).find_resources(
        "AWS::SageMaker::ModelPackageGroup"
    ).values()  # fmt: skip
    assert '{"Ref": "Name"}' in json.dumps(group)


def test_accepts_a_token_for_values_of_a_notebook(ground: Ground) -> None:
    stack = ground.stack

    Notebook(
        stack, "Notebook", network=ground.network, role=NotebookRole(stack, "NotebookRole"),
        key=ground.store.encryption_key, instance_type=_text(stack, "Type"),
        volume_gb=_number(stack, "Volume"), idle_minutes=_number(stack, "Idle"),
    )  # fmt: skip

    template = ground.template()
    template.has_resource_properties(
        "AWS::SageMaker::NotebookInstance",
        {"InstanceType": {"Ref": "Type"}, "VolumeSizeInGB": {"Ref": "Volume"}},
    )
    (config,) = template.find_resources(
        "AWS::SageMaker::NotebookInstanceLifecycleConfig"
    ).values()  # fmt: skip
    assert '{"Ref": "Idle"}' in json.dumps(config)


def test_accepts_a_token_for_an_email_address(stack: Stack) -> None:
    AlertTopic(stack, "AlertTopic", emails=[_text(stack, "Address")])

    Template.from_stack(stack).has_resource_properties(
        "AWS::SNS::Subscription", {"Endpoint": {"Ref": "Address"}, "Protocol": "email"}
    )


def test_accepts_a_token_for_prefixes_of_roles(stack: Stack) -> None:
    NotebookRole(stack, "Role", jobs=f"{Aws.STACK_NAME}-", endpoints=[_text(stack, "Endpoint")])

    policies = json.dumps(Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy"))
    assert '{"Ref": "Endpoint"}' in policies


def test_accepts_a_token_for_thresholds_of_alarms(stack: Stack) -> None:
    endpoint = EndpointBase.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    ModelQualityAlarms(
        stack, "Alarms", endpoint=endpoint, alert_topic=AlertTopic(stack, "AlertTopic").topic,
        model_quality_threshold=_number(stack, "Limit"), windows=_number(stack, "Windows"),
        breaching=2,
    )  # fmt: skip

    Template.from_stack(stack).has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"Threshold": {"Ref": "Limit"}, "EvaluationPeriods": {"Ref": "Windows"}},
    )


def test_token_that_is_needed_at_synthesis_is_refused(anew: Ground) -> None:
    unknown = Duration.seconds(_number(anew.stack, "Latency"))

    with pytest.raises(ConfigurationError, match="rollback_latency must be known when the stack"):
        anew.champion(rollback_latency=unknown)


def test_zones_are_known_when_the_stack_is_built(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match="TokenNotAllowed: zones"):
        PrivateNetwork(stack, "Network", zones=_number(stack, "Zones"))


def test_hosting_role_accepts_a_token_for_repositories(stack: Stack) -> None:
    HostingRole(stack, "Role", repository_arns=[_text(stack, "Repository")])

    policies = json.dumps(Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy"))
    assert '{"Ref": "Repository"}' in policies
