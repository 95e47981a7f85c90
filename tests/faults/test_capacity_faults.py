"""Instances and weights of a champion's variants: of the document, or of automatic scaling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import ENDPOINT, POLICY, serving_document
from world import World

CALLS = range(1, 21)


def document(*variants: tuple[str, int, float], scaled: tuple[str, ...] = ()) -> dict[str, Any]:
    """A serving document of variants with instances and weight."""
    result = serving_document(
        scaling=[
            {"VariantName": name, "MinCapacity": 1, "MaxCapacity": 9, "Policies": [POLICY]}
            for name in scaled
        ]
    )
    result["config"]["ProductionVariants"] = [
        {"VariantName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": count,
         "InitialVariantWeight": weight}
        for name, count, weight in variants
    ]  # fmt: skip
    return result


def deploy(world: World, serving: dict[str, Any]) -> None:
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(serving)}
    request = {
        "RequestType": "Update", "ResponseURL": "https://answer", "StackId": "stack",
        "RequestId": "r", "LogicalResourceId": "Logical", "ResourceProperties": properties,
    }  # fmt: skip
    assert world.run("champion_endpoint_resource", request)["Status"] == "SUCCESS"


def settle(world: World, outcome: str = "ok") -> None:
    for _ in range(4):
        world.drain()
        world.move_endpoint(outcome)
    world.drain()
    world.reconcile()


def serve(world: World, serving: dict[str, Any]) -> None:
    """Serve by a document."""
    deploy(world, serving)
    settle(world)
    assert world.row(f"champion#{ENDPOINT}")["state"] == "live"


@pytest.mark.feature("serving: instance count and weight of a champion change")
def test_counts_and_weights_of_unscaled_variants_are_those_of_the_document(world: World) -> None:
    serve(world, document(("A", 1, 1.0), ("B", 2, 1.0)))

    deploy(world, document(("A", 3, 1.0), ("B", 1, 0.5)))
    settle(world)

    assert world.instances() == {"A": 3, "B": 1}
    assert world.weights() == {"A": 1.0, "B": 0.5}
    assert world.counts["sagemaker:UpdateEndpointWeightsAndCapacities"] == 0


def test_count_of_a_scaled_variant_is_retained_and_its_weight_is_not(world: World) -> None:
    serve(world, document(("A", 1, 1.0), scaled=("A",)))
    world.scale_to(6, "A")

    deploy(world, document(("A", 2, 0.7), scaled=("A",)))
    settle(world)

    assert (world.instances(), world.weights()) == ({"A": 6}, {"A": 0.7})


def test_count_is_that_of_the_document_once_its_scaling_is_removed(world: World) -> None:
    serve(world, document(("A", 1, 1.0), scaled=("A",)))
    world.scale_to(6, "A")

    deploy(world, document(("A", 2, 1.0)))
    settle(world)

    assert world.instances() == {"A": 2}


def test_count_of_an_unscaled_variant_beside_a_scaled_one_changes(world: World) -> None:
    serve(world, document(("A", 1, 1.0), ("B", 2, 1.0), scaled=("A",)))
    world.scale_to(6, "A")

    deploy(world, document(("A", 1, 1.0), ("B", 4, 1.0), scaled=("A",)))
    settle(world)

    assert world.instances() == {"A": 6, "B": 4}
    assert world.row(f"champion#{ENDPOINT}")["state"] == "live"
    assert world.counts["sagemaker:UpdateEndpointWeightsAndCapacities"] == 1


def test_promotion_changes_no_count_of_the_document_in_service(world: World) -> None:
    serve(world, document(("A", 1, 1.0), ("B", 2, 1.0), scaled=("A",)))
    world.scale_to(6, "A")

    world.challenge()
    settle(world)

    assert len(world.packages) == 2
    assert world.instances() == {"A": 6, "B": 2}
    assert world.counts["sagemaker:UpdateEndpointWeightsAndCapacities"] == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_resize_before_an_update_converges_when_killed(
    world: World, call: int, after: bool
) -> None:
    serve(world, document(("A", 1, 1.0), ("B", 2, 1.0), scaled=("A",)))
    world.scale_to(6, "A")
    serving = document(("A", 1, 1.0), ("B", 4, 1.0), scaled=("A",))
    world.kill_at = (call, after)
    try:
        deploy(world, serving)
    except BaseException as error:
        if type(error).__name__ != "Killed":
            raise
    world.kill_at = None
    deploy(world, serving)
    settle(world)
    settle(world)
    assert world.instances() == {"A": 6, "B": 4}
    assert world.row(f"champion#{ENDPOINT}")["state"] == "live"
