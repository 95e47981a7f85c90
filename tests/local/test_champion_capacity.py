"""Instances and weights of a champion's variants after an update, as the local SageMaker sets them.

Its rules are those of the simulation in tests/faults/test_capacity_faults.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hosting_stage import Stage, opened, stage  # noqa: F401 - fixtures are found by name

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))

from sageloop_runtime.serving.endpoint import EndpointResources  # noqa: E402
from sageloop_runtime.serving.serving_document import ServingDocument  # noqa: E402

Variants = dict[str, tuple[int, float]]


def config(stage: Stage, name: str, variants: Variants) -> list[dict[str, Any]]:
    rendered = [
        {"VariantName": variant, "ModelName": "winter", "InstanceType": "ml.m5.large",
         "InitialInstanceCount": count, "InitialVariantWeight": weight}
        for variant, (count, weight) in variants.items()
    ]  # fmt: skip
    stage.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=rendered)
    return rendered


def served(stage: Stage) -> Variants:
    described = stage.wait_until_stable()
    return {
        variant["VariantName"]: (variant["CurrentInstanceCount"], variant["CurrentWeight"])
        for variant in described["ProductionVariants"]
    }


def update(stage: Stage, variants: Variants, *, scaled: list[str]) -> list[bool]:
    """Update the endpoint as the promoter does, again whenever it is in service."""
    document = {
        "endpoint_name": stage.name, "model": {"ExecutionRoleArn": "role"},
        "config": {"ProductionVariants": config(stage, "next", variants)},
        "scaling": [{"VariantName": name} for name in scaled],
    }  # fmt: skip
    serving = ServingDocument.parse(json.dumps(document), stage.name)
    endpoint, steps = EndpointResources(stage.sagemaker, stage.name), []
    while not steps or not steps[-1]:
        steps.append(endpoint.update(serving, "next", current="pair"))
        stage.wait_until_stable()
    return steps


@pytest.fixture
def pair(stage: Stage) -> Stage:
    """An endpoint of two variants, the first of which was scaled to two instances."""
    config(stage, "pair", {"A": (1, 1.0), "B": (1, 1.0)})
    stage.endpoint("pair")
    stage.wait_until_stable()
    stage.hosting.set_instance_count(stage.name, "A", 2)
    stage.wait_until_stable()
    return stage


@pytest.mark.feature("serving: instance count and weight of a champion change")
def test_counts_and_weights_are_those_of_the_configuration(pair: Stage) -> None:
    assert update(pair, {"A": (1, 0.5), "B": (2, 1.0)}, scaled=[]) == [True]

    assert served(pair) == {"A": (1, 0.5), "B": (2, 1.0)}


def test_scaled_variant_keeps_its_instances_while_the_other_is_resized(pair: Stage) -> None:
    assert update(pair, {"A": (1, 0.5), "B": (2, 1.0)}, scaled=["A"]) == [False, True]

    assert served(pair) == {"A": (2, 0.5), "B": (2, 1.0)}
