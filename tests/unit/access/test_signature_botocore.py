"""Requests signed by botocore verify, and changed requests do not."""

from __future__ import annotations

import string
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.auth import (
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from wsgi import environ_of_request

from sageloop.local_cloud.access import signature_v2
from sageloop.local_cloud.access.bodies import payload_hash
from sageloop.local_cloud.access.claims import Claim, claim_of_headers, claim_of_query
from sageloop.local_cloud.access.refusals import Denied
from sageloop.local_cloud.access.requests import query_pairs
from sageloop.local_cloud.access.signature import verify

KEY, SECRET = "LKIAAAAABBBBCCCCDDDD", "a/secret+with=signs"
HOST = "http://127.0.0.1:4747"
SERVICES = ("sts", "iam", "dynamodb", "lambda", "sagemaker", "monitoring", "ec2", "sqs", "s3")
PIECE = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " -._~:+%&=$,é中"), max_size=9
)
SEGMENT = PIECE.filter(lambda text: text not in (".", ".."))
# A header's value may contain runs of spaces, but does not begin or end with one on the wire.
VALUE = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " ,;=/"), min_size=1, max_size=20
)


@st.composite
def requests(draw: st.DrawFn, *, service: str | None = None) -> tuple[str, AWSRequest]:
    """An unsigned client request, and its service."""
    called = draw(st.sampled_from(SERVICES)) if service is None else service
    segments = draw(st.lists(SEGMENT.filter(bool), max_size=4))
    path = "/" + "/".join(quote(segment, safe="~") for segment in segments)
    params = draw(st.dictionaries(PIECE.filter(bool), PIECE, max_size=3))
    query = "?" + urlencode(params, quote_via=quote) if params else ""
    names = st.sampled_from(("Content-Type", "X-Amz-Meta-A", "X-Amz-Target", "Range", "X-Other"))
    headers = draw(st.dictionaries(names, VALUE.map(str.strip).filter(bool), max_size=3))
    body = draw(st.binary(max_size=40))
    method = draw(st.sampled_from(("GET", "PUT", "POST", "DELETE")))
    return called, AWSRequest(method, HOST + path + query, headers=headers, data=body)


def sign(service: str, request: AWSRequest, token: str | None = None) -> dict[str, Any]:
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(KEY, SECRET, token), service, "eu-west-1").add_auth(request)
    return environ_of_request(request)


def check(service: str, environ: dict[str, Any], claim: Claim, secret: str = SECRET) -> None:
    body = environ["wsgi.input"].getvalue()
    stated = payload_hash(environ, claim) if service == "s3" else sha256(body).hexdigest()
    verify(claim, secret, environ, stated)


@given(requests())
@settings(max_examples=80, deadline=None)
def test_request_signed_by_botocore_verifies(made: tuple[str, AWSRequest]) -> None:
    service, request = made
    environ = sign(service, request)

    claim = claim_of_headers(environ)
    assert (claim.scope.access_key_id, claim.scope.service) == (KEY, service)
    check(service, environ, claim)


@given(requests(), st.data())
@settings(max_examples=80, deadline=None)
def test_changed_character_is_refused(made: tuple[str, AWSRequest], data: st.DataObject) -> None:
    service, request = made
    environ = sign(service, request)
    signed = ["REQUEST_METHOD", "REQUEST_URI", "HTTP_HOST", "HTTP_X_AMZ_DATE"]
    signed += [n for n in environ if n.startswith(("HTTP_X_AMZ_META", "CONTENT_TYPE"))]
    name = data.draw(st.sampled_from([n for n in signed if environ[n]]))
    place = data.draw(st.integers(0, len(environ[name]) - 1))
    letter = "0" if environ[name][place] != "0" else "1"
    environ[name] = environ[name][:place] + letter + environ[name][place + 1 :]
    environ["QUERY_STRING"] = environ["REQUEST_URI"].partition("?")[2]

    with pytest.raises(Denied):
        check(service, environ, claim_of_headers(environ))


@given(requests(), st.data())
@settings(max_examples=40, deadline=None)
def test_changed_character_of_the_signature_is_refused(
    made: tuple[str, AWSRequest], data: st.DataObject
) -> None:
    service, request = made
    environ = sign(service, request)
    claim = claim_of_headers(environ)
    place = data.draw(st.integers(0, 63))
    letter = "0" if claim.signature[place] != "0" else "1"
    other = claim.signature[:place] + letter + claim.signature[place + 1 :]

    with pytest.raises(Denied):
        check(service, environ, claim._replace(signature=other))


@given(requests())
@settings(max_examples=20, deadline=None)
def test_another_secret_does_not_verify(made: tuple[str, AWSRequest]) -> None:
    service, request = made
    environ = sign(service, request)

    with pytest.raises(Denied):
        check(service, environ, claim_of_headers(environ), SECRET[:-1])


@given(requests())
@settings(max_examples=60, deadline=None)
def test_url_presigned_by_botocore_verifies(made: tuple[str, AWSRequest]) -> None:
    service, request = made
    signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    # Type and target of a query service are in headers that the user of the URL sends.
    request = AWSRequest(request.method, request.url, headers={}, data=b"")
    signer(Credentials(KEY, SECRET, "t/o+k="), service, "eu-west-1", expires=60).add_auth(request)
    environ = environ_of_request(request)

    claim = claim_of_query(dict(query_pairs(environ)))
    assert (claim.seconds, claim.token) == (60, "t/o+k=")
    check(service, environ, claim)


@given(requests(service="s3"), st.sampled_from(["acl", "versionId", "response-content-type", ""]))
@settings(max_examples=60, deadline=None)
def test_url_presigned_by_botocore_with_version_2_verifies(
    made: tuple[str, AWSRequest], resource: str
) -> None:
    _, request = made
    path = request.url.partition("?")[0]
    url = f"{path}?{resource}=a%2Fb" if resource else path
    request = AWSRequest(request.method, url, headers={"Content-Type": "text/csv"}, data=b"")
    HmacV1QueryAuth(Credentials(KEY, SECRET, "t/o+k="), expires=60).add_auth(request)
    bare = AWSRequest(request.method, request.url, headers={}, data=b"")
    environ = environ_of_request(bare)
    query = dict(query_pairs(environ))

    signature_v2.verify_url(query, SECRET, environ)
    with pytest.raises(Denied):
        signature_v2.verify_url(query, SECRET, environ | {"CONTENT_TYPE": "text/html"})
    with pytest.raises(Denied):
        signature_v2.verify_url(query, SECRET[:-1], environ)
