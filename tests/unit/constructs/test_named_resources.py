"""Custom resources whose name changes, and the functions behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Stack
from aws_cdk.assertions import Template

from constructs_lib import Scaling, Variant

from .conftest import Ground, ground_of
from .serving import endpoint, open_model

_CUSTOM = {"Custom::TrainingJob", "Custom::ChampionEndpoint", "Custom::ScalingAfterEndpoint"}
_SCALED = [Variant(scaling=Scaling(minimum=1, maximum=4, invocations_per_instance=100))]


def _job(ground: Ground, name: str) -> None:
    ground.job(job=name)


def _champion(ground: Ground, name: str) -> None:
    ground.champion(endpoint_name=name)


def _endpoint(ground: Ground, name: str) -> None:
    endpoint(ground, model=open_model(ground), endpoint_name=name, variants=_SCALED,
             network=ground.network)  # fmt: skip


def _template(make: Callable[[Ground, str], None], name: str) -> Template:
    ground = ground_of(Stack(App(), "Test"))
    make(ground, name)
    return ground.template()


def _resources(template: Template) -> dict[str, Any]:
    return dict(template.to_json()["Resources"])


def _behind(resources: dict[str, Any]) -> set[str]:
    """The custom resource of the name, and all on which it depends of its function."""
    (resource,) = [each for each in resources.values() if each["Type"] in _CUSTOM]
    function = resource["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
    role = resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    policies = [
        name
        for name, each in resources.items()
        if {"Ref": role} in each.get("Properties", {}).get("Roles", [])
    ]
    custom = [name for name, each in resources.items() if each["Type"] in _CUSTOM]
    return {*custom, function, role, *policies}


@pytest.mark.parametrize("make", [_job, _champion, _endpoint])
def test_another_name_has_another_function_that_may_delete_the_former(
    make: Callable[[Ground, str], None],
) -> None:
    former, present = (_resources(_template(make, name)) for name in ("scores", "points"))

    assert not _behind(former) & set(present)
    assert not _behind(present) & set(former)


@pytest.mark.parametrize("make", [_job, _champion, _endpoint])
def test_request_that_ran_out_of_time_is_not_retried(
    make: Callable[[Ground, str], None],
) -> None:
    resources = _resources(_template(make, "scores"))

    (custom,) = [each for each in resources.values() if each["Type"] in _CUSTOM]
    function = custom["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
    (config,) = [
        (name, each["Properties"])
        for name, each in resources.items()
        if each["Type"] == "AWS::Lambda::EventInvokeConfig"
        and each["Properties"]["FunctionName"] == {"Ref": function}
    ]
    assert config[0] in custom["DependsOn"]
    limit = resources[function]["Properties"]["Timeout"]
    assert config[1]["MaximumEventAgeInSeconds"] == limit


def test_name_that_is_not_known_at_synthesis_is_allowed(anew: Ground) -> None:
    name = CfnParameter(anew.stack, "Name").value_as_string

    champion = anew.champion(endpoint_name=name)

    assert champion.resource.node.path.endswith("Champion/Endpoint/Resource")
