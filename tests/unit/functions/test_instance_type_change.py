"""Scalable targets around an update that changes instance types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from documents import ENDPOINT, serving_document
from sageloop_runtime.champion.instance_type_change import InstanceTypeChange
from sageloop_runtime.champion.record import Champion
from sageloop_runtime.serving.endpoint import EndpointDescription
from sageloop_runtime.serving.serving_document import ServingDocument

CONFIG = f"{ENDPOINT}-0123456789ab"
SERVING = ServingDocument.parse(json.dumps(serving_document()), ENDPOINT)
(VARIANT,) = SERVING.variants


def target(variant: str) -> dict[str, Any]:
    resource = f"endpoint/{ENDPOINT}/variant/{variant}"
    dimension = "sagemaker:variant:DesiredInstanceCount"
    return {"target": {"ResourceId": resource, "ScalableDimension": dimension}}


def description(config: str = CONFIG, variants: tuple[str, ...] = ()) -> EndpointDescription:
    return EndpointDescription(
        status="InService", config=config, pending_config=None, reason="", modified_at=None,
        variants=variants,
    )  # fmt: skip


class Stage:
    """Repository, endpoint and scaling that record what is requested."""

    def __init__(self) -> None:
        self.types: dict[str, list[str]] = {VARIANT: ["ml.other.large"]}
        self.registered = [target(VARIANT)]
        self.is_current = True
        self.calls: list[tuple[str, Any]] = []
        self.change = InstanceTypeChange(self, self, self)  # type: ignore[arg-type]

    # repository

    def write(self, _champion: Champion, change: dict[str, Any]) -> bool:
        self.calls.append(("write", json.loads(change["deregistered_targets"])))
        return self.is_current

    # endpoint

    def instance_types(self, config: str) -> dict[str, list[str]]:
        return self.types if config == CONFIG else {}

    # scaling

    def targets(self, endpoint: str, variants: Sequence[str]) -> Stage:
        self.calls.append(("targets", (endpoint, list(variants))))
        return self

    def read(self) -> list[dict[str, Any]]:
        return self.registered

    def deregister(self, targets: Any) -> None:
        self.calls.append(("deregister", targets))

    def register(self, targets: Any) -> None:
        self.calls.append(("register", targets))


def champion(*targets: dict[str, Any]) -> Champion:
    row: dict[str, Any] = {"endpoint": ENDPOINT}
    return Champion(row=row | ({"deregistered_targets": json.dumps(targets)} if targets else {}))


def test_targets_are_recorded_with_those_of_before_and_then_deregistered() -> None:
    stage, before = Stage(), target("Former")

    assert stage.change.deregister(champion(before), SERVING, description())

    assert stage.calls == [
        ("targets", (ENDPOINT, [VARIANT])), ("write", [before, target(VARIANT)]),
        ("deregister", [target(VARIANT)]),
    ]  # fmt: skip


def test_nothing_is_deregistered_if_the_record_has_changed() -> None:
    stage = Stage()
    stage.is_current = False

    assert not stage.change.deregister(champion(), SERVING, description())
    assert [name for name, _ in stage.calls] == ["targets", "write"]


def test_unchanged_types_keep_their_targets() -> None:
    stage = Stage()
    stage.types = {VARIANT: [SERVING.config["ProductionVariants"][0]["InstanceType"]]}

    assert stage.change.deregister(champion(), SERVING, description())
    assert stage.calls == []


def test_variants_without_targets_are_not_recorded() -> None:
    stage = Stage()
    stage.registered = []

    assert stage.change.deregister(champion(), SERVING, description())
    assert [name for name, _ in stage.calls] == ["targets"]


def test_configuration_of_others_may_have_any_types() -> None:
    stage = Stage()

    stage.change.deregister(champion(), SERVING, description("manual", ("One", "Two")))

    assert stage.calls[0] == ("targets", (ENDPOINT, ["One", "Two"]))


@pytest.mark.parametrize("variants", [(), (VARIANT,)])
def test_targets_of_variants_in_service_are_registered_again(variants: tuple[str, ...]) -> None:
    stage = Stage()

    stage.change.restore(
        champion(target("Former"), target(VARIANT)), description(variants=variants)
    )

    assert stage.calls == [
        ("targets", (ENDPOINT, [VARIANT])), ("register", [target(VARIANT)]),
    ]  # fmt: skip


def test_variants_of_the_description_are_those_in_service() -> None:
    stage = Stage()

    stage.change.restore(champion(target("Two")), description(variants=("Two",)))

    assert stage.calls == [("targets", (ENDPOINT, ["Two"])), ("register", [target("Two")])]


def test_nothing_is_registered_again_without_a_record() -> None:
    stage = Stage()

    stage.change.restore(champion(), description(variants=(VARIANT,)))

    assert stage.calls == []
