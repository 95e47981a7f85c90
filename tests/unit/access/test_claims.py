"""What requests claim, without a server: credential scopes and the parts of presigned URLs."""

from __future__ import annotations

import pytest

from sageloop.local_cloud.access.claims import claim_of_query, scope_of
from sageloop.local_cloud.access.refusals import Denial, Denied

SCOPE = "LKIA/20260101/us-east-1/s3/aws4_request"
QUERY = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": SCOPE,
    "X-Amz-Date": "20260101T000000Z", "X-Amz-Expires": "60", "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "0" * 64,
}  # fmt: skip


@pytest.mark.parametrize(
    "credential",
    [
        "LKIA/20260101/us-east-1/s3/aws4", "LKIA/20260101/us-east-1/s3", "", "////",
        "LKIA//us-east-1/s3/aws4_request", "LKIA/20260101//s3/aws4_request",
        "LKIA/20260101/us-east-1//aws4_request", "/20260101/us-east-1/s3/aws4_request",
    ],
)  # fmt: skip
def test_malformed_credential_has_no_scope(credential: str) -> None:
    assert scope_of(credential) is None


def test_scope_keeps_its_parts() -> None:
    scope = scope_of(SCOPE)

    assert scope is not None
    assert scope[:4] == ("LKIA", "20260101", "us-east-1", "s3")


@pytest.mark.parametrize("missing", QUERY)
def test_presigned_url_of_s3_needs_every_part(missing: str) -> None:
    with pytest.raises(Denied) as denied:
        claim_of_query({name: value for name, value in QUERY.items() if name != missing})

    assert denied.value.denial is Denial.QUERY_PARAMETERS
    assert missing in denied.value.message


def test_presigned_url_of_another_service_holds_for_a_quarter_of_an_hour() -> None:
    query = QUERY | {"X-Amz-Credential": SCOPE.replace("/s3/", "/sts/")}
    del query["X-Amz-Expires"]

    assert claim_of_query(query).seconds == 900
