"""Champion and challenger of one registry, compared by weights or by a shadow."""

from __future__ import annotations

import pytest
from aws_cdk import App, Stack

from constructs_lib import DataCapture, Endpoint, Model, ModelArtifact, Variant

from .conftest import Ground, ground_of
from .serving import config_of, endpoint, model

PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/demo"


def package(ground: Ground, version: int) -> Model:
    artifact = ModelArtifact.from_package(f"{PACKAGE}/{version}")
    return model(ground, f"Version{version}", image=None, artifact=artifact)


@pytest.fixture
def ground() -> Ground:
    return ground_of(Stack(App(), "Test"))


def packages_of(ground: Ground) -> set[str]:
    result = ground.template().find_resources("AWS::SageMaker::Model").values()
    return {each["Properties"]["PrimaryContainer"]["ModelPackageName"] for each in result}


def compared(ground: Ground, *, by_shadow: bool) -> Endpoint:
    champion, challenger = package(ground, 3), package(ground, 4)
    variants = [Variant(name="Champion", weight=0.9)]
    other = Variant(name="Challenger", model=challenger, weight=1.0 if by_shadow else 0.1)
    return endpoint(
        ground, model=champion, capture=DataCapture(),
        variants=variants if by_shadow else [*variants, other],
        shadow=other if by_shadow else None,
    )  # fmt: skip


@pytest.mark.feature("promotion: champion and challenger by weights")
def test_challenger_variant_has_traffic_weight(ground: Ground) -> None:
    request = config_of(compared(ground, by_shadow=False))

    message = [(v["VariantName"], v["InitialVariantWeight"]) for v in request["ProductionVariants"]]
    assert message == [("Champion", 0.9), ("Challenger", 0.1)]
    assert packages_of(ground) == {f"{PACKAGE}/3", f"{PACKAGE}/4"}


@pytest.mark.feature("promotion: champion and challenger by a shadow")
def test_shadow_challenger_receives_all_requests(ground: Ground) -> None:
    request = config_of(compared(ground, by_shadow=True))

    assert [v["VariantName"] for v in request["ProductionVariants"]] == ["Champion"]
    (shadow,) = request["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["InitialVariantWeight"]) == ("Challenger", 1.0)
    assert packages_of(ground) == {f"{PACKAGE}/3", f"{PACKAGE}/4"}


@pytest.mark.feature("serving constructs: data capture")
def test_responses_of_both_variants_are_captured(ground: Ground) -> None:
    capture = config_of(compared(ground, by_shadow=True))["DataCaptureConfig"]

    assert capture["EnableCapture"] is True
    modes = {option["CaptureMode"] for option in capture["CaptureOptions"]}
    assert modes == {"Input", "Output"}
