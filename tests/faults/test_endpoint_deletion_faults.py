"""Deletion of a champion endpoint: how long, in which order, and whose it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import ENDPOINT, serving_document
from fake_client import FakeClient
from racing_table import RacingTable
from sageloop_runtime.aws.custom_resource import Request
from sageloop_runtime.champion.endpoint_resource import ChampionEndpointResource
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from world import World

SERVING, CHAMPION = f"serving#{ENDPOINT}", f"champion#{ENDPOINT}"
FOREIGN = ("AWS Lambda VPC ENI-loop-1", "VPC Endpoint Interface vpce-1")


class Stage:
    """The resource of a world, with functions, network and promoter that record their use."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pauses: list[float] = []
        self.invocations: list[dict[str, Any]] = []
        self.filters: list[Any] = []
        self.rollouts: list[dict[str, Any]] = []
        self.interfaces: list[dict[str, Any]] = []
        self.conflict = False
        self.table = RacingTable(world)
        self.resource = ChampionEndpointResource(
            table=self.table, sagemaker=FakeClient(world, "sagemaker"), ec2=self, functions=self,
            scaling=VariantScaling(FakeClient(world, "application-autoscaling")),
            promoter_for=lambda _: self, function_arn="arn:own", pause=self.pause,
        )  # fmt: skip

    def pause(self, seconds: float) -> None:
        """Record a pause, in which a deletion of the endpoint completes."""
        self.pauses.append(seconds)
        if self.world.endpoint and self.world.endpoint["EndpointStatus"] == "Deleting":
            self.world.move_endpoint()

    def invoke(self, **request: Any) -> None:
        self.invocations.append(request)

    def describe_network_interfaces(self, **request: Any) -> dict[str, Any]:
        self.filters.append(request)
        return {"NetworkInterfaces": self.interfaces}

    def converge(self, now: float | None, *, promote_new: bool) -> str:
        self.rollouts.append({"now": now, "promote_new": promote_new})
        if self.conflict:
            raise TryAgainError("the record changed")
        return "none"

    def request(self, kind: str, *, owner: str = "", **event: Any) -> Request:
        stack, logical = (owner or str(self.world.row(SERVING).get("owner", "s|L"))).split("|")
        return Request.of({
            "RequestType": kind, "StackId": stack, "LogicalResourceId": logical,
            "ResourceProperties": {
                "EndpointName": ENDPOINT, "Document": json.dumps(serving_document()),
            }, **event,
        })  # fmt: skip


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


# what is left


def test_busy_endpoint_is_described_ten_times_and_the_function_invoked_again(stage: Stage) -> None:
    stage.world.challenge()

    outcome = stage.resource.delete(stage.request("Delete", Pass=7))

    assert outcome.deferred
    assert stage.pauses == [1.0] * 10
    (again,) = stage.invocations
    assert (again["FunctionName"], again["InvocationType"]) == ("arn:own", "Event")
    assert json.loads(again["Payload"])["Pass"] == 8
    assert stage.world.endpoint is not None


def test_first_invocation_is_the_first_pass(stage: Stage) -> None:
    stage.world.challenge()

    stage.resource.delete(stage.request("Delete"))

    assert json.loads(stage.invocations[0]["Payload"])["Pass"] == 2


@pytest.mark.parametrize(("number", "ends"), [(299, False), (300, True), (301, True)])
def test_deletion_ends_after_fifty_minutes_with_what_is_left(
    stage: Stage, number: int, ends: bool
) -> None:
    stage.world.challenge()
    if not ends:
        assert stage.resource.delete(stage.request("Delete", Pass=number)).deferred
        return

    left = "after 50 minutes these resources are left: the endpoint, which is Updating"
    with pytest.raises(BadInputError, match=f"^{left}$"):
        stage.resource.delete(stage.request("Delete", Pass=number))


def test_interfaces_of_the_instances_are_waited_for(stage: Stage) -> None:
    stage.interfaces = [
        {"NetworkInterfaceId": "eni-2"}, {"NetworkInterfaceId": "eni-1", "Description": ""},
        *({"NetworkInterfaceId": "eni-x", "Description": text} for text in FOREIGN),
    ]  # fmt: skip

    with pytest.raises(BadInputError, match=r": the network interfaces eni-1, eni-2$"):
        stage.resource.delete(stage.request("Delete", Pass=300))

    network = serving_document()["model"]["VpcConfig"]
    assert stage.filters == [{"Filters": [
        {"Name": "group-id", "Values": network["SecurityGroupIds"]},
        {"Name": "subnet-id", "Values": network["Subnets"]},
    ]}]  # fmt: skip
    assert stage.pauses[-1] == 10.0


@pytest.mark.parametrize("text", FOREIGN)
def test_interfaces_of_others_are_not_waited_for(stage: Stage, text: str) -> None:
    stage.interfaces = [{"NetworkInterfaceId": "eni-x", "Description": text}]

    assert not stage.resource.delete(stage.request("Delete")).deferred
    assert stage.table.get(CHAMPION) is None


def without_network() -> dict[str, Any]:
    document = serving_document()
    return document | {"model": {k: v for k, v in document["model"].items() if k != "VpcConfig"}}


@pytest.mark.parametrize("document", [None, without_network()])
def test_endpoint_without_a_network_has_no_interfaces(
    stage: Stage, document: dict[str, Any] | None
) -> None:
    text = None if document is None else json.dumps(document)
    stage.table.swap(SERVING, change={"document": text})

    assert not stage.resource.delete(stage.request("Delete")).deferred
    assert stage.filters == []
    assert stage.world.endpoint is None


# fences


def test_tombstone_is_written_before_the_record_is_fenced(stage: Stage) -> None:
    generation = stage.world.row(CHAMPION)["generation"]
    stage.world.challenge()

    stage.resource.delete(stage.request("Delete"))

    first, second = stage.table.writes[:2]
    assert first == (SERVING, {"tombstone": True})
    assert second[0] == CHAMPION
    row = stage.world.row(CHAMPION)
    assert row["state"] == "deleting"
    assert row["generation"] > generation + 1  # of the challenger, and of the deletion


@pytest.mark.parametrize(("state", "kept"), [("deleting", False), ("live", True)])
def test_creation_removes_the_record_of_an_interrupted_deletion(
    stage: Stage, state: str, kept: bool
) -> None:
    stage.table.swap(CHAMPION, change={"state": state})

    stage.resource.create(stage.request("Create"))

    assert (stage.table.get(CHAMPION) is not None) is kept


# rollouts


def test_response_has_the_digest_of_the_document(stage: Stage) -> None:
    same = stage.resource.update(stage.request("Update"))
    other = stage.request("Update", ResourceProperties={
        "EndpointName": ENDPOINT, "Document": json.dumps(serving_document(keep_configs=2)),
    })  # fmt: skip

    digest = stage.world.row(SERVING)["digest"]
    assert same.data == {"Digest": digest}
    assert stage.rollouts == []
    changed = stage.resource.update(other)
    assert changed.data == {"Digest": stage.world.row(SERVING)["digest"]}
    assert changed.data != same.data
    assert stage.rollouts == [{"now": None, "promote_new": False}]


def test_deployment_during_another_promotion_succeeds(stage: Stage) -> None:
    stage.conflict = True
    text = json.dumps(serving_document(keep_configs=2))
    properties = {"EndpointName": ENDPOINT, "Document": text}

    outcome = stage.resource.update(stage.request("Update", ResourceProperties=properties))

    assert outcome.data
    assert len(stage.rollouts) == 1


# ownership


def _takes_over(stage: Stage) -> dict[str, Any]:
    """Another resource of the template takes the endpoint over; the row of before."""
    before = stage.world.row(SERVING)
    text = json.dumps(serving_document(keep_configs=2))
    properties = {"EndpointName": ENDPOINT, "Document": text}
    request = stage.request("Create", owner="s|Other", ResourceProperties=properties)
    stage.resource.create(request)
    stage.rollouts.clear()
    return before


def test_rolled_back_successor_restores_and_rolls_out_the_document_of_before(stage: Stage) -> None:
    before = _takes_over(stage)

    stage.resource.delete(stage.request("Delete", owner="s|Other"))

    row = stage.world.row(SERVING)
    assert {key: row.get(key) for key in ("document", "digest", "owner", "former")} == {
        **{key: before.get(key) for key in ("document", "digest", "owner")}, "former": None,
    }  # fmt: skip
    assert len(stage.rollouts) == 1
    assert stage.world.endpoint is not None


def test_successor_that_lost_the_endpoint_restores_nothing(stage: Stage) -> None:
    _takes_over(stage)
    stage.table.races.append((SERVING, {"owner": "s|Third"}))

    stage.resource.delete(stage.request("Delete", owner="s|Other"))

    assert stage.world.row(SERVING)["owner"] == "s|Third"
    assert stage.rollouts == []


def test_deleted_predecessor_leaves_no_document_to_restore(stage: Stage) -> None:
    before = _takes_over(stage)

    stage.resource.delete(stage.request("Delete", owner=before["owner"]))

    assert stage.world.row(SERVING).get("former") is None
    assert stage.world.row(SERVING)["owner"] == "s|Other"


def test_deleted_predecessor_changes_nothing_of_a_third_owner(stage: Stage) -> None:
    before = _takes_over(stage)
    former = stage.world.row(SERVING)["former"]
    stage.table.races.append((SERVING, {"owner": "s|Third"}))

    stage.resource.delete(stage.request("Delete", owner=before["owner"]))

    assert stage.world.row(SERVING)["former"] == former
