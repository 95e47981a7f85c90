"""Presigned URLs of version 2, without a server: what their signature is for."""

from __future__ import annotations

import base64
import hmac
import time as wall
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from wsgi import environ_of

from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.signature_v2 import verify_url

SECRET = "secret"
URL = "http://127.0.0.1:4747/bucket/key"
MINUTE = 60


def check(
    *, text: str, expires: str | None = None, query: str = "", method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
) -> None:  # fmt: skip
    """Verify a URL whose signature is that of a text in which ``{}`` stands for the expiry."""
    expires = str(int(wall.time()) + MINUTE) if expires is None else expires
    made = hmac.digest(SECRET.encode(), text.replace("{}", expires).encode(), "sha1")
    environ: dict[str, Any] = environ_of(method, f"{URL}?{query}", headers)
    pairs = dict(parse_qsl(urlsplit(f"{URL}?{query}").query, keep_blank_values=True))
    signature = base64.b64encode(made).decode()
    verify_url(pairs | {"Expires": expires, "Signature": signature}, SECRET, environ)


def denial(**values: Any) -> Denial:
    with pytest.raises(Denied) as denied:
        check(**values)
    return denied.value.denial


PLAIN = "GET\n\n\n{}\n/bucket/key"


def test_signed_url_is_verified() -> None:
    check(text=PLAIN)


@pytest.mark.parametrize("expires", ["", "soon", "-1", "1.5", "\u0665"])
def test_url_without_an_expiry_is_denied(expires: str) -> None:
    assert denial(text=PLAIN, expires=expires) is Denial.MISSING


def test_expired_url_is_denied() -> None:
    assert denial(text=PLAIN, expires=str(int(wall.time()) - 1)) is Denial.URL_EXPIRED


def test_wrong_signature_is_a_mismatch_also_when_expired() -> None:
    assert denial(text="PUT\n\n\n{}\n/bucket/key", expires="1") is Denial.MISMATCH


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (("content-type", "text/csv"), "GET\n\ntext/csv\n{}\n/bucket/key"),
        (("content-md5", "abc="), "GET\nabc=\n\n{}\n/bucket/key"),
        (("x-amz-acl", "private"), "GET\n\n\n{}\nx-amz-acl:private\n/bucket/key"),
    ],
)
def test_signature_is_for_headers_too(header: tuple[str, str], text: str) -> None:
    check(text=text, headers=(header,))
    assert denial(text=PLAIN, headers=(header,)) is Denial.MISMATCH


@pytest.mark.parametrize("query", ["acl", "versionId=3", "uploadId=u&partNumber=1"])
def test_signature_is_for_subresources_too(query: str) -> None:
    inside = "&".join(sorted(query.split("&")))

    check(text=f"{PLAIN}?{inside}", query=query)
    assert denial(text=PLAIN, query=query) is Denial.MISMATCH


def test_signature_is_not_for_other_parameters() -> None:
    check(text=PLAIN, query="prefix=a")
