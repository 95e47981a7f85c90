"""Forms with a signed policy, without a server: each condition by the last byte that it allows."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from wsgi import environ_of

from sageloop.local_cloud.access.post_policy import verify_post
from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.signature import signing_key
from sageloop.local_cloud.core.errors import AwsError

SECRET, DAY = "secret", "20260101"
URL = "http://127.0.0.1:4747/bucket"
LATER, EARLIER = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
BOUNDARY = "boundary"


def form(fields: dict[str, str], content: bytes = b"hello") -> dict[str, Any]:
    named = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    file = 'Content-Disposition: form-data; name="file"; filename="folder/f.txt"\r\n\r\n'
    body = f"{named}--{BOUNDARY}\r\n{file}".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return environ_of(
        "POST", URL, [("content-type", f"multipart/form-data; boundary={BOUNDARY}")], body
    )


def signed(
    conditions: list[Any], expiration: str = LATER, service: str = "s3", **fields: str
) -> dict[str, str]:
    """The fields of a form whose policy has these conditions, signed by version 4."""
    text = json.dumps({"expiration": expiration, "conditions": conditions})
    policy = base64.b64encode(text.encode()).decode()
    key = signing_key(SECRET, DAY, "us-east-1", service)
    return {
        "key": "folder/name", "policy": policy, "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"LKIA/{DAY}/us-east-1/{service}/aws4_request",
        "x-amz-signature": hmac.digest(key, policy.encode(), "sha256").hex(), **fields,
    }  # fmt: skip


ANY: list[Any] = [["starts-with", "$key", ""], ["starts-with", "$x-amz-", ""],
                  ["starts-with", "$x-amz-algorithm", ""],
                  ["starts-with", "$x-amz-credential", ""]]  # fmt: skip


def check(fields: dict[str, str], content: bytes = b"hello") -> None:
    _, _, verify = verify_post(form(fields, content))
    verify(SECRET)


def refusal(fields: dict[str, str], content: bytes = b"hello") -> str:
    with pytest.raises(AwsError) as refused:
        check(fields, content)
    return f"{refused.value.code}: {refused.value}"


@pytest.mark.parametrize(
    "conditions",
    [
        [], [{"bucket": "bucket"}], [{"key": "folder/name"}], [["eq", "$key", "folder/name"]],
        [["starts-with", "$key", "folder/"]], [["EQ", "$Key", "folder/name"]],
        [["content-length-range", 5, 5]],
    ],
)  # fmt: skip
def test_form_within_its_policy_is_verified(conditions: list[Any]) -> None:
    check(signed([*ANY, *conditions]))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([{"bucket": "other"}], "Policy Condition failed"),
        ([{"key": "folder"}], "Policy Condition failed"),
        ([["eq", "$key", "folder/"]], "Policy Condition failed"),
        ([["starts-with", "$key", "name"]], "Policy Condition failed"),
        ([["content-length-range", 6, 9]], "EntityTooSmall"),
        ([["content-length-range", 1, 4]], "EntityTooLarge"),
        ([["ends-with", "$key", "name"]], "InvalidPolicyDocument"),
        ([["eq", "$key"]], "InvalidPolicyDocument"),
        ([{"key": "folder/name", "bucket": "bucket"}], "InvalidPolicyDocument"),
    ],
)
def test_form_against_a_condition_is_refused(conditions: list[Any], expected: str) -> None:
    assert expected in refusal(signed([*ANY, *conditions]))


def test_policy_that_has_expired_is_refused() -> None:
    assert "Policy expired" in refusal(signed(ANY, EARLIER))


def test_field_that_no_condition_names_is_refused() -> None:
    assert "Extra input fields: acl" in refusal(signed(ANY, acl="private"))


def test_field_to_be_ignored_needs_no_condition() -> None:
    check(signed(ANY, **{"x-ignore-comment": "1"}))


def test_name_of_the_file_is_put_into_the_key() -> None:
    fields = signed([*ANY, {"key": "folder/f.txt"}]) | {"key": "folder/${filename}"}

    check(fields)


@pytest.mark.parametrize("policy", ["bm8ganNvbg==", "e30=", "W10=", "*"])
def test_policy_that_cannot_be_read_is_invalid(policy: str) -> None:
    key = signing_key(SECRET, DAY, "us-east-1", "s3")
    signature = hmac.digest(key, policy.encode(), "sha256").hex()

    assert "InvalidPolicyDocument" in refusal(
        signed(ANY) | {"policy": policy, "x-amz-signature": signature}
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"x-amz-algorithm": "AWS4-ECDSA-P256-SHA256"}, Denial.ALGORITHM),
        ({"x-amz-credential": "LKIA/20260101"}, Denial.INCOMPLETE),
        ({"x-amz-signature": "0" * 64}, Denial.MISMATCH),
        ({"x-amz-algorithm": ""}, Denial.MISMATCH),
    ],
)
def test_form_with_a_malformed_signature_is_denied(
    fields: dict[str, str], expected: Denial
) -> None:
    with pytest.raises(Denied) as denied:
        check(signed(ANY) | fields)

    assert denied.value.denial is expected


def test_policy_signed_for_another_service_is_denied() -> None:
    with pytest.raises(Denied) as denied:
        check(signed(ANY, service="sts"))

    assert denied.value.denial is Denial.MISMATCH


def test_form_without_a_policy_is_nobodys() -> None:
    assert verify_post(form({"key": "folder/name"}))[0] is None
