"""Public access, and malformed requests that must not affect other requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from request_stage import Answer, Sent, client, request_of, send, served, signed_at

from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.core.naming import services_of_moto

BUCKET = "opened"
EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
             "Resource": f"arn:aws:s3:::{BUCKET}/public/*"}  # fmt: skip
DENY = EVERYBODY | {"Sid": "Close", "Effect": "Deny"}
FORMS = f"arn:aws:s3:::{BUCKET}/forms/*"
INSECURE = {"Bool": {"aws:SecureTransport": "false"}}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket=BUCKET)
        for key in ("public/a", "private/a"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        yield made


@pytest.fixture
def s3(cloud: Cloud) -> Iterator[Any]:
    """S3 on a bucket whose public access block is off; restored afterwards."""
    made = client(cloud, "s3")
    made.delete_public_access_block(Bucket=BUCKET)
    yield made
    made.delete_bucket_policy(Bucket=BUCKET)
    made.delete_bucket_ownership_controls(Bucket=BUCKET)


def make_public(s3: Any, *statements: dict[str, Any]) -> None:
    policy = {"Version": "2012-10-17", "Statement": statements}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


def read(cloud: Cloud, key: str = "public/a", method: str = "GET", query: str = "") -> Answer:
    return send(cloud, Sent(method, f"/{BUCKET}/{key}{query}", {}))


def test_unsigned_requests_to_a_private_bucket_are_denied(cloud: Cloud, s3: Any) -> None:
    assert read(cloud).status == 403
    assert read(cloud, key="").status == 403
    assert read(cloud, key="none").status == 403
    assert send(cloud, Sent("GET", "/", {})).status == 403
    assert send(cloud, Sent("GET", "/no-such-bucket/key", {})).status == 403


@pytest.mark.feature("access: unsigned S3 requests are allowed for public buckets only")
def test_public_objects_are_read_without_a_signature(cloud: Cloud, s3: Any) -> None:
    make_public(s3, EVERYBODY)

    assert read(cloud).body == b"public/a"
    assert read(cloud, method="HEAD").status == 200
    assert read(cloud, key="private/a").status == 403
    assert read(cloud, key="").status == 403
    assert read(cloud, method="DELETE").status == 403
    assert send(cloud, Sent("PUT", f"/{BUCKET}/public/b", {}, b"x")).status == 403
    assert cloud.recorder.calls(action="s3:PutObject")[-1].outcome == "AccessDenied"


@pytest.mark.parametrize(
    "statements",
    [
        [EVERYBODY | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}],
        [EVERYBODY | {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}],
        [EVERYBODY | {"Principal": {"Service": "logging.s3.amazonaws.com"}}],
        [EVERYBODY | {"Action": "s3:GetObjectAcl"}],
        [EVERYBODY | {"Resource": f"arn:aws:s3:::{BUCKET}/other/*"}],
        [EVERYBODY | {"Condition": INSECURE}],
        [EVERYBODY, DENY | {"Action": "s3:*"}],
        [EVERYBODY, DENY | {"Condition": {"Null": {"aws:Referer": "true"}}}],
        [EVERYBODY, {"Effect": "Deny", "NotPrincipal": {"AWS": "210987654321"},
                     "Action": "s3:GetObject", "Resource": EVERYBODY["Resource"]}],
    ],
)  # fmt: skip
def test_policies_for_other_principals_or_with_conditions_are_not_public(
    cloud: Cloud, s3: Any, statements: list[dict[str, Any]]
) -> None:
    make_public(s3, *statements)

    assert read(cloud).status == 403


@pytest.mark.parametrize(
    "statements",
    [
        [EVERYBODY | {"Principal": {"AWS": "*"}}],
        [EVERYBODY | {"Action": ["s3:Get*"]}],
        [EVERYBODY | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}],
        [EVERYBODY | {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}],
        [EVERYBODY, DENY | {"Action": "s3:*", "Condition": INSECURE}],
        [EVERYBODY, DENY | {"Resource": f"arn:aws:s3:::{BUCKET}/x/*"}],
    ],
)
def test_equivalent_public_policies_are_public(
    cloud: Cloud, s3: Any, statements: list[dict[str, Any]]
) -> None:
    make_public(s3, *statements)

    assert read(cloud).status == 200


def test_new_bucket_blocks_public_access(cloud: Cloud) -> None:
    made = client(cloud, "s3")
    made.create_bucket(Bucket="just-made")
    made.put_object(Bucket="just-made", Key="public/a", Body=b"x")
    statement = EVERYBODY | {"Resource": "arn:aws:s3:::just-made/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with pytest.raises(ClientError) as refused:
        made.put_bucket_policy(Bucket="just-made", Policy=policy)

    block = made.get_public_access_block(Bucket="just-made")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert refused.value.response["Error"]["Message"].endswith(
        "because public policies are blocked by the BlockPublicPolicy block public access setting."
    )
    assert send(cloud, Sent("GET", "/just-made/public/a", {})).status == 403


BLOCKS = {
    "BlockPublicPolicy": False, "RestrictPublicBuckets": False, "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "statement", "status"),
    [
        ({}, EVERYBODY, 200),
        ({"RestrictPublicBuckets": True}, EVERYBODY, 403),
        ({"RestrictPublicBuckets": True},
         EVERYBODY | {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}, 200),
    ],
)  # fmt: skip
def test_restricted_bucket_is_closed_to_what_a_public_policy_opens(
    cloud: Cloud, s3: Any, change: dict[str, bool], statement: dict[str, Any], status: int
) -> None:
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=BLOCKS | change)
    make_public(s3, statement)

    assert read(cloud).status == status


def test_deny_closes_what_an_acl_opens(cloud: Cloud, s3: Any) -> None:
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls=rules)
    s3.put_object(Bucket=BUCKET, Key="public/granted", Body=b"granted", ACL="public-read")
    assert read(cloud, key="public/granted").status == 200

    make_public(s3, DENY)

    assert read(cloud, key="public/granted").status == 403


def test_version_needs_an_action_of_its_own(cloud: Cloud, s3: Any) -> None:
    make_public(s3, EVERYBODY)
    version = s3.put_object(Bucket=BUCKET, Key="public/v", Body=b"v").get("VersionId", "null")

    assert read(cloud, key="public/v", query=f"?versionId={version}").status == 403
    make_public(s3, EVERYBODY | {"Action": "s3:GetObjectVersion"})
    assert read(cloud, key="public/v", query=f"?versionId={version}").status == 200


def test_missing_object_is_not_found_for_callers_that_may_list(cloud: Cloud, s3: Any) -> None:
    make_public(s3, EVERYBODY)
    assert read(cloud, key="public/none").status == 403

    listing = EVERYBODY | {
        "Sid": "List",
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{BUCKET}",
    }
    make_public(s3, EVERYBODY, listing)
    assert read(cloud, key="public/none").status == 404


def test_acls_apply_only_where_they_are_enabled(cloud: Cloud, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="granted", Body=b"granted", ACL="public-read")
    assert read(cloud, key="granted").status == 403

    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls=rules)

    assert read(cloud, key="granted").body == b"granted"
    assert read(cloud, key="private/a").status == 403


PRESIGNED = {"sts": ("get_caller_identity", {}), "iam": ("list_users", {}),
             "sns": ("list_topics", {}), "s3": ("list_buckets", {})}  # fmt: skip


@pytest.fixture(scope="module")
def fresh() -> Iterator[Cloud]:
    """A cloud in which the malformed request is the first one to each service."""
    with served() as made:
        yield made


@pytest.mark.feature("access: no request breaks a service for others")
@pytest.mark.parametrize("service", services_of_moto())
def test_malformed_request_does_not_break_a_service(fresh: Cloud, service: str) -> None:
    signed_requests = request_of(fresh, service)
    assert send(fresh, signed_requests.without("Authorization")).status in (400, 401, 403)
    if service in PRESIGNED:
        operation, arguments = PRESIGNED[service]
        made = client(fresh, service)
        url = made.generate_presigned_url(operation, arguments, HttpMethod="GET")
        answer = send(fresh, Sent("GET", url.removeprefix(fresh.endpoint_url), {}))
        assert answer.status == 200, answer.text

    again = send(fresh, signed_at(fresh, service, signed_requests, timedelta()))

    assert again.status not in (403, 500), again.text


@pytest.mark.parametrize("action", ["GetSessionToken", "GetCallerIdentity", "AssumeRole"])
def test_unsigned_action_does_not_authorize_another(cloud: Cloud, action: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    unsigned, other = "Action=AssumeRoleWithSAML", f"Action={action}&Version=2011-06-15"

    for path, body in ((f"/?{unsigned}", other), (f"/?{other}", unsigned),
                       ("/", f"{other}&{unsigned}"), ("/", f"{unsigned}&{other}")):  # fmt: skip
        answer = send(cloud, Sent("POST", path, form, body.encode()))
        assert answer.status in (400, 403), (path, body, answer.text)
    assert cloud.recorder.calls(action=f"sts:{action}") == [
        call for call in cloud.recorder.calls(action=f"sts:{action}") if call.outcome != "OK"
    ]


JSON_SERVICES = ("dynamodb", "logs", "kms", "secretsmanager", "ssm", "sqs", "events", "sagemaker",
                 "application-autoscaling", "cloudwatch")  # fmt: skip
MALFORMED = (b"{", b"[]", b'"text"', b"\xff\xfe", b'{"a": }', b"[" * 100_000, b"null", b"1")


@pytest.fixture(scope="module")
def signed_requests(cloud: Cloud) -> dict[str, Sent]:
    return {name: request_of(cloud, name).without("Content-Length") for name in JSON_SERVICES}


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:8]))
def test_body_that_is_not_a_json_object_is_a_serialization_error(
    cloud: Cloud, signed_requests: dict[str, Sent], body: bytes
) -> None:
    wrong = []
    for service, sent in signed_requests.items():
        answer = send(cloud, signed_at(cloud, service, replace(sent, body=body), timedelta()))
        if answer.status != 400 or "SerializationException" not in answer.text:
            wrong.append(f"{service}: {answer.status} {answer.text[:100]}")

    assert wrong == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_body_that_is_not_a_json_object_is_an_error_of_rest_services_too(
    cloud: Cloud, body: bytes
) -> None:
    sent = Sent("POST", "/2015-03-31/functions", {"Content-Type": "application/json"}, body)

    answer = send(cloud, signed_at(cloud, "lambda", sent, timedelta()))

    assert (answer.status, "SerializationException" in answer.text) == (400, True)


def test_body_that_is_not_cbor_is_a_serialization_error(cloud: Cloud) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    sent = Sent("POST", path, headers, b"\xa1\x61")

    answer = send(cloud, signed_at(cloud, "cloudwatch", sent, timedelta()))

    assert (answer.status, b"SerializationException" in answer.body) == (400, True)


def test_too_long_headers_and_paths_are_refused(cloud: Cloud) -> None:
    long_header = send(cloud, Sent("GET", "/", {"X-Long": "x" * 100_000}))
    long_path = send(cloud, Sent("GET", "/" + "x" * 100_000, {}))

    assert long_header.status in (413, 431)
    assert long_path.status == 414


def form(cloud: Cloud) -> Answer:
    """A form without policy and signature that uploads an object."""
    part = "--b\r\nContent-Disposition: form-data; name="
    body = f'{part}"key"\r\n\r\nforms/a\r\n{part}"file"; filename="a"\r\n\r\nsent\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return send(cloud, Sent("POST", f"/{BUCKET}", headers, body.encode()))


def test_unsigned_form_stores_only_what_a_policy_opens(cloud: Cloud, s3: Any) -> None:
    assert form(cloud).status == 403
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="forms/")
    make_public(s3, EVERYBODY | {"Action": "s3:PutObject", "Resource": FORMS})

    assert form(cloud).status == 204

    assert s3.get_object(Bucket=BUCKET, Key="forms/a")["Body"].read() == b"sent"
