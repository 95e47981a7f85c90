"""The rules for policies hold for every construct and every grant."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from constructs import Construct

import constructs_lib
from tests.security import gallery
from tests.security.checks import names, policies, reference
from tests.security.checks.access import Stacks, denials_without_keys
from tests.security.checks.flatten import resources
from tests.security.checks.wiring import CombinedStacks
from tests.security.conftest import of_settings

Templates = dict[str, dict[str, Any]]
_REGISTER = "application-autoscaling:RegisterScalableTarget"
_OWN = "us-east-1:123456789012"
_SAGEMAKER = {"application-autoscaling:service-namespace": "sagemaker"}


@pytest.fixture(scope="module")
def made() -> gallery.Gallery:
    return gallery.make()


@pytest.fixture
def shown(made: gallery.Gallery) -> Templates:
    """The gallery's template, as the only one of an app."""
    return {gallery.NAME: made.template()}


@pytest.fixture(params=["settings", "gallery"])
def stacks(request: pytest.FixtureRequest, shown: Templates, templates: Templates) -> Stacks:
    """The stacks of each of the settings, and the gallery."""
    return Stacks(shown if request.param == "gallery" else templates)


def test_gallery_has_every_construct(made: gallery.Gallery) -> None:
    public = {
        name
        for name, value in vars(constructs_lib).items()
        if inspect.isclass(value) and issubclass(value, Construct) and not name.endswith("Base")
    }

    assert len(public) > 20
    assert sorted(public - made.constructs) == []


def test_gallery_calls_every_grant(made: gallery.Gallery) -> None:
    known = {
        method.__qualname__
        for value in vars(constructs_lib).values()
        if inspect.isclass(value)
        for name, method in inspect.getmembers(value, inspect.isfunction)
        if name.startswith("grant_")
    }

    assert len(known) > 20
    assert sorted(known - made.grants) == []


def test_every_action_and_arn_can_match(shown: Templates) -> None:
    result = dict(policies.documents(CombinedStacks(shown), shown))

    assert len(result) > 80
    assert {n: f for n, d in result.items() if (f := list(reference.faults(d["Statement"])))} == {}


def test_star_stands_only_for_network_interfaces(shown: Templates) -> None:
    result = policies.documents(CombinedStacks(shown), shown)
    stars = {action for _, document in result for action in reference.stars(document["Statement"])}

    assert {action.split(":")[0] for action in stars} == {"ec2"}


def test_denials_do_not_match_requests_without_condition_keys(shown: Templates) -> None:
    assert list(denials_without_keys(shown)) == []


def test_every_arn_matches_a_resource(shown: Templates) -> None:
    assert list(names.faults(shown)) == []


def test_every_arn_of_settings_matches_a_resource(templates: Templates) -> None:
    assert list(names.faults(templates)) == []


@pytest.mark.parametrize(
    "pattern",
    [f"{gallery.NAME}*", f"{gallery.NAME}-Notebook*", "notebook*"],
)
def test_arn_with_stack_name_is_reported(shown: Templates, pattern: str) -> None:
    resource = f"arn:aws:sagemaker:{_OWN}:notebook-instance/{pattern}"
    policy = next(iter(resources(shown[gallery.NAME], "AWS::IAM::ManagedPolicy").values()))
    policy["Properties"]["PolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "sagemaker:StopNotebookInstance", "Resource": resource}
    )

    assert any(resource in each for each in names.faults(shown))


def registering(stacks: Stacks) -> Iterator[str]:
    """Roles that register scalable targets of SageMaker."""
    target = f"arn:aws:application-autoscaling:{_OWN}:scalable-target/1"
    for name in stacks.named("AWS::IAM::Role"):
        if stacks.decide(stacks.role(name), _REGISTER, target, _SAGEMAKER).allowed:
            yield name


def endpoint_names(stacks: Stacks) -> list[str]:
    kinds = ("AWS::SageMaker::Endpoint", "Custom::ChampionEndpoint")
    return [str(p["EndpointName"]) for kind in kinds for _, p in stacks.combined.of(kind)]


def lacking(stacks: Stacks, role: str, endpoint: str) -> set[str]:
    """Permissions that AWS's documentation requires and a role lacks for a variant."""
    own = f"arn:aws:sagemaker:{_OWN}:endpoint/{endpoint}"
    configs = [
        each.arn.replace("${Random}", "x")
        for each in names.things(stacks.combined)
        if ":endpoint-config/" in each.arn
    ]
    alarm = f"arn:aws:cloudwatch:{_OWN}:alarm:TargetTracking-endpoint/{endpoint}/variant/A-1"
    expected = {
        "sagemaker:DescribeEndpoint": [own],
        "sagemaker:UpdateEndpointWeightsAndCapacities": [own],
        "sagemaker:DescribeEndpointConfig": configs,
        "cloudwatch:DescribeAlarms": ["*"],
        "cloudwatch:PutMetricAlarm": [alarm],
        "cloudwatch:DeleteAlarms": [alarm],
    }
    caller = stacks.role(role)
    return {
        action
        for action, possible in expected.items()
        if not any(stacks.decide(caller, action, each).allowed for each in possible)
    }


@of_settings
def test_registering_roles_have_scaling_permissions(stacks: Stacks) -> None:
    """See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html."""
    roles = list(registering(stacks))
    result = {role: [lacking(stacks, role, each) for each in endpoint_names(stacks)]
             for role in roles}  # fmt: skip

    assert len(roles) >= 3
    assert {role: sets for role, sets in result.items() if set() not in sets} == {}


@of_settings
def test_describe_alarms_includes_composite_alarms(stacks: Stacks) -> None:
    describing = [
        name
        for name in stacks.named("AWS::IAM::Role")
        if "DescribeAlarms" in str(stacks.role(name).policies)
    ]

    assert len(describing) >= 3
    for name in describing:
        assert stacks.decide(stacks.role(name), "cloudwatch:DescribeAlarms").allowed, name


@of_settings
def test_notebook_can_stop_itself_only(stacks: Stacks) -> None:
    ((name, notebook),) = list(stacks.combined.of("AWS::SageMaker::NotebookInstance"))
    role = stacks.role(stacks.role_named(str(stacks.literal(name, notebook["RoleArn"]))))
    kind = names.KINDS["AWS::SageMaker::NotebookInstance"]
    stop = "sagemaker:StopNotebookInstance"

    assert stacks.decide(role, stop, kind.prefix + policies.sample_name(name)).allowed
    assert not stacks.decide(role, stop, f"{kind.prefix}another").allowed
