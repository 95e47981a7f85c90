"""What the policies and rules of "scores" match of what "scores-weekly" creates: nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aws_cdk import App, Stack

from constructs_lib import DataCapture, Gate, RetrainingLoop, Scaling, Variant
from sageloop.local_cloud.access.policy.patterns import resource
from sageloop.local_cloud.events.patterns import checked, matches
from tests.security.checks.flatten import as_list, flat, resources

from .conftest import ground_of
from .jobs import processing, tuning

OTHER = "scores-weekly"
HEX = "0123456789abcdef"
_PLACES = {
    "<AWS::Partition>": "aws", "<AWS::Region>": "eu-west-1", "<AWS::AccountId>": "1234",
}  # fmt: skip
# The dataset, which the gate reads whole, and what a service's API names only with a wildcard.
_SHARED = ("datasets/demo/*", "log-group", "scalable-target", "vpc-flow-log")


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """A loop, an endpoint with scaling, and jobs of other kinds, all named scores."""
    ground = ground_of(Stack(App(), "Test"))
    variants = [Variant(scaling=Scaling(minimum=1, maximum=2, invocations_per_instance=9))]
    endpoint = ground.champion(endpoint_name="scores", variants=variants, capture=DataCapture())
    RetrainingLoop(
        ground.stack, "Loop", job=ground.job(job="scores"), endpoint=endpoint,
        network=ground.network, model_quality_alarm=ground.alarm(), gate=Gate(threshold=20),
    )  # fmt: skip
    tuning(ground, job="scores")
    processing(ground, job="scores")
    return dict(ground.template().to_json())


def created() -> Iterator[str]:
    """ARNs of what the jobs and the endpoint of the other name create."""
    bucket = "arn:aws:s3:::store/"
    sagemaker = "arn:aws:sagemaker:eu-west-1:1234:"
    alarms = "arn:aws:cloudwatch:eu-west-1:1234:alarm:"
    for kind in ("training-job", "processing-job", "transform-job"):
        yield f"{sagemaker}{kind}/{OTHER}-{HEX[:12]}"
    yield f"{sagemaker}hyper-parameter-tuning-job/{OTHER}-{HEX[:10]}"
    yield f"{sagemaker}training-job/{OTHER}-{HEX[:10]}-001-{HEX[:8]}"
    for kind in ("model", "endpoint-config"):
        yield f"{sagemaker}{kind}/{OTHER}-{HEX[:12]}"
    yield f"{sagemaker}endpoint/{OTHER}"
    yield f"{alarms}TargetTracking-endpoint/{OTHER}/variant/AllTraffic-AlarmHigh-1"
    yield f"{alarms}{OTHER}-scaling-0-0"
    yield f"{bucket}capture/{OTHER}/AllTraffic/2026/01/01/00/a.jsonl"
    yield f"{bucket}datasets/demo/runs/{OTHER}-{HEX[:12]}/train.manifest"


def patterns(template: dict[str, Any], *, of: str) -> Iterator[tuple[str, str]]:
    """Logical id and resource pattern of each statement of the policies of functions."""
    for name, policy in resources(template, "AWS::IAM::ManagedPolicy").items():
        document = flat(policy["Properties"]["PolicyDocument"])
        for statement in document["Statement"]:
            for each in as_list(statement.get("Resource")):
                text = str(each)
                for token, value in _PLACES.items():
                    text = text.replace(token, value)
                # The store is a reference, which may have any name.
                parts = text.split(">/", 1)
                if of in name and text.startswith("<Store") and len(parts) == 2:
                    text = f"arn:aws:s3:::store/{parts[1]}"
                if of in name:
                    yield name, text


@pytest.mark.parametrize("arn", list(created()))
def test_policies_of_functions_cover_no_similar_name(template: dict[str, Any], arn: str) -> None:
    covering = [
        (name, each)
        for part in ("Function", "Loop", "Promoter")
        for name, each in patterns(template, of=part)
        if each != "*" and not any(shared in each for shared in _SHARED) and resource(each)(arn)
    ]
    assert covering == []


def test_policies_of_functions_cover_the_same_name(template: dict[str, Any]) -> None:
    own = [arn.replace(OTHER, "scores") for arn in created()]
    every = [each for _, each in patterns(template, of="")]
    unmatched = [arn for arn in own if not any(resource(each)(arn) for each in every)]
    assert [arn for arn in unmatched if "transform-job" not in arn and "-scaling-" not in arn] == []


def test_rules_match_no_event_of_a_similar_name(template: dict[str, Any]) -> None:
    rules = [
        checked(json.loads(json.dumps(flat(rule["Properties"]["EventPattern"]))))
        for rule in resources(template, "AWS::Events::Rule").values()
        if "EventPattern" in rule["Properties"]
    ]
    received = 0
    for name, is_own in (("scores", True), (OTHER, False)):
        for event in _events(name):
            matching = [rule for rule in rules if matches(rule, event)]
            received += len(matching)
            assert is_own or matching == []
    assert received >= 2


def _events(name: str) -> Iterator[dict[str, Any]]:
    for kind, noun, detail_type, digits in (
        ("training-job", "TrainingJob", "SageMaker Training Job State Change", 12),
        ("hyper-parameter-tuning-job", "HyperParameterTuningJob",
         "SageMaker HyperParameter Tuning Job State Change", 10),
    ):  # fmt: skip
        job = f"{name}-{HEX[:digits]}"
        yield {
            "source": "aws.sagemaker", "detail-type": detail_type,
            "detail": {f"{noun}Name": job, f"{noun}Status": "Completed",
                       f"{noun}Arn": f"arn:aws:sagemaker:eu-west-1:1234:{kind}/{job}"},
        }  # fmt: skip
    yield {
        "source": "aws.sagemaker", "detail-type": "SageMaker Endpoint State Change",
        "detail": {"EndpointName": name, "EndpointStatus": "IN_SERVICE"},
    }  # fmt: skip
