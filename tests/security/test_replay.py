"""The loop's calls to S3 are allowed by the policies in the templates; hostile ones are denied.

Evaluated by the local cloud's implementation of AWS's policy language; not verified on AWS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud.access.policy import anonymous, service
from scripts.synthesis import ROOT, templates_in
from tests.docs.blocks import programs
from tests.security.checks.access import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Caller,
    Stacks,
    administrator,
    denials_without_keys,
)
from tests.security.checks.flatten import resources
from tests.security.checks.uploads import CUSTOMER_KEY, ENCRYPTION, KEY_ID, uploads
from tests.security.conftest import Assemblies
from tests.security.replay import Call, Loop, actions_of_functions

Templates = dict[str, dict[str, Any]]
_FOREIGN_KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
_OBJECT = "datasets/flights/dt=2026-11-30/rows.csv"
_DOCUMENTS = (
    "README.md",
    *(f"docs/{document.name}" for document in sorted((ROOT / "docs").glob("*.md"))),
)
_PROGRAMS = [
    path
    for folder in ("lambda", "examples", "sageloop/demo", "sageloop/examples", "stacks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


# The job of `tune` is a tuning job, which makes other calls.
SETTINGS = ("dev", "prod")


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> str:
    """Each of the settings whose job trains, in turn; the calls are those of such a job."""
    return str(request.param)


@pytest.fixture(scope="module")
def loops(assemblies: Assemblies) -> dict[str, Loop]:
    return {name: Loop(Stacks(templates_in(assemblies[name]))) for name in SETTINGS}


@pytest.fixture
def loop(loops: dict[str, Loop], settings: str) -> Loop:
    """The loop of each of the settings, to read."""
    return loops[settings]


def put(loop: Loop, caller: Caller, context: dict[str, Any]) -> bool:
    """Whether an upload to the store is allowed."""
    decision = loop.stacks.decide_s3(caller, "s3:PutObject", loop.store, _OBJECT, context)
    return decision.allowed


def denied(loop: Loop, calls: list[Call]) -> dict[str, str]:
    """Calls that are denied, with the reason."""
    result = {}
    for call in calls:
        decision = loop.stacks.decide_s3(
            call.caller, call.action, call.bucket, call.key, call.context
        )
        if not decision.allowed:
            result[call.label] = decision.reason
    return result


def test_put_object_without_encryption_headers_is_allowed(loop: Loop) -> None:
    assert put(loop, administrator(), {})


def test_put_object_under_the_stores_key_is_allowed(loop: Loop) -> None:
    own = {ENCRYPTION: "aws:kms", KEY_ID: loop.stacks.arn(loop.key)}

    assert put(loop, administrator(), own)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({ENCRYPTION: "aws:kms", KEY_ID: _FOREIGN_KEY}, id="another key"),
        pytest.param({KEY_ID: _FOREIGN_KEY}, id="another key, no algorithm"),
        pytest.param({ENCRYPTION: "AES256"}, id="AES256"),
        pytest.param({ENCRYPTION: "aws:kms"}, id="the AWS managed key"),
        pytest.param({ENCRYPTION: "aws:kms:dsse"}, id="DSSE"),
        pytest.param({CUSTOMER_KEY: "AES256"}, id="a key of the caller's"),
    ],
)
def test_put_object_under_other_key_is_denied(loop: Loop, headers: dict[str, str]) -> None:
    assert not put(loop, administrator(), headers)


@pytest.mark.parametrize("algorithm", ["aws:kms:dsse", "AES256"])
def test_key_of_the_store_with_another_algorithm_is_denied(loop: Loop, algorithm: str) -> None:
    headers = {ENCRYPTION: algorithm, KEY_ID: loop.stacks.arn(loop.key)}

    assert not put(loop, administrator(), headers)


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
@pytest.mark.parametrize("bucket", ["store", "logs"])
@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({}, True),
        ({"aws:SecureTransport": "false", "s3:TlsVersion": None}, False),
        ({"s3:TlsVersion": "1.1"}, False),
        ({"s3:TlsVersion": "1.2"}, True),
    ],
)
def test_only_tls_1_2_and_later_is_allowed(
    loop: Loop, bucket: str, action: str, context: dict[str, Any], allowed: bool
) -> None:
    decision = loop.stacks.decide_s3(
        administrator(), action, getattr(loop, bucket), _OBJECT, context
    )

    assert decision.allowed is allowed


@pytest.mark.parametrize("bucket", ["store", "logs"])
def test_other_accounts_are_denied(loop: Loop, bucket: str) -> None:
    other_account = Caller(principal=anonymous(), policies=())
    for caller in (administrator(OTHER_ACCOUNT), other_account):
        for action in ("s3:GetObject", "s3:PutObject"):
            decision = loop.stacks.decide_s3(caller, action, getattr(loop, bucket), _OBJECT)
            assert not decision.allowed


def test_each_call_of_the_loop_is_allowed(loop: Loop) -> None:
    calls = list(loop.calls())

    assert {call.label.split(":")[0] for call in calls} == {
        "start_training", "job_resource", "on_job_change", "evaluate", "reconcile", "training job",
        "model", "notebook",
    }  # fmt: skip
    assert denied(loop, calls) == {}


def test_each_call_may_use_the_key(loop: Loop) -> None:
    for call in loop.calls():
        if call.key is not None:
            action = "kms:GenerateDataKey" if call.action == "s3:PutObject" else "kms:Decrypt"
            decision = loop.stacks.decide_kms(call.caller, action, loop.key, "s3")
            assert decision.allowed, f"{call.label}: {decision.message}"


def test_the_key_is_used_through_services_only(loop: Loop) -> None:
    decide = loop.stacks.decide_kms

    assert decide(administrator(), "kms:Decrypt", loop.key, "s3").allowed
    assert not decide(administrator(), "kms:Decrypt", loop.key, "ebs").allowed


def test_replayed_calls_are_all_calls_of_the_functions(loop: Loop) -> None:
    replayed = {folder: set(keys) for folder, keys in loop.function_keys().items()}

    assert replayed == actions_of_functions()


def test_functions_and_jobs_are_confined_to_their_prefixes(loop: Loop) -> None:
    for call in loop.calls():
        for key in ("elsewhere/file", "access/log"):
            decision = loop.stacks.decide_s3(call.caller, "s3:PutObject", loop.store, key)
            assert not decision.allowed, call.label


def test_every_output_of_sagemaker_names_the_stores_key(loop: Loop) -> None:
    """Otherwise SageMaker requests the AWS managed key, which the bucket refuses."""
    outputs = loop.outputs()

    assert len(outputs) == 2
    assert {output.get("KmsKeyId") for output in outputs} == {loop.stacks.arn(loop.key)}


def delivery(loop: Loop, **changes: Any) -> bool:
    """Whether S3 may deliver an access log."""
    context = {"aws:SourceArn": loop.stacks.arn(loop.store), "aws:SourceAccount": ACCOUNT}
    deliverer = Caller(principal=service("logging.s3.amazonaws.com"), policies=())
    return loop.stacks.decide_s3(
        deliverer, "s3:PutObject", loop.logs, changes.pop("key", "access/2026-11-30-1"),
        {**context, **changes},
    ).allowed  # fmt: skip


def test_access_logs_of_the_store_are_delivered(loop: Loop) -> None:
    assert delivery(loop)


@pytest.mark.parametrize(
    "changes",
    [
        {"aws:SourceAccount": OTHER_ACCOUNT},
        {"aws:SourceAccount": None},
        {"aws:SourceArn": "arn:aws:s3:::another-bucket"},
        {"aws:SecureTransport": "false"},
        {"key": "elsewhere/2026-11-30-1"},
    ],
    ids=["another account", "no account", "another bucket", "no TLS", "another prefix"],
)
def test_other_log_deliveries_are_denied(loop: Loop, changes: dict[str, Any]) -> None:
    assert not delivery(loop, **changes)


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_uploads_of_the_documentation_are_allowed(loop: Loop, document: str) -> None:
    for program in programs(document).values():
        for upload in uploads(program):
            assert put(loop, administrator(), dict(upload.headers)), f"{document}: {upload}"


def test_documentation_contains_uploads() -> None:
    shown = [
        u for document in _DOCUMENTS for text in programs(document).values() for u in uploads(text)
    ]

    assert len(shown) >= 5


@pytest.mark.parametrize("path", _PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_uploads_of_the_code_send_no_encryption_headers(path: Path) -> None:
    for upload in uploads(path.read_text(encoding="utf-8")):
        assert upload.headers == {}, f"line {upload.line} names {upload.headers}"


def test_denials_do_not_match_requests_without_condition_keys(templates: Templates) -> None:
    assert list(denials_without_keys(templates)) == []


@pytest.mark.parametrize("operator", ["StringNotEquals", "StringNotEqualsIfExists"])
def test_denial_by_absent_key_is_reported(templates: Templates, operator: str) -> None:
    policy = next(
        p for t in templates.values() for p in resources(t, "AWS::S3::BucketPolicy").values()
    )
    policy["Properties"]["PolicyDocument"]["Statement"].append({
        "Sid": "RefusesAll", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": "*", "Condition": {operator: {ENCRYPTION: "aws:kms"}},
    })  # fmt: skip

    assert any("RefusesAll" in each for each in denials_without_keys(templates))
