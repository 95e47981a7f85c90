"""Admission of requests."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.access.admission import NotAdmittedError, admit

PORT = 4747
LINK = {
    "REQUEST_METHOD": "GET", "HTTP_SEC_FETCH_SITE": "cross-site",
    "HTTP_SEC_FETCH_MODE": "navigate", "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_REFERER": "https://notebooks.example/", "QUERY_STRING": "X-Amz-Signature=0",
}  # fmt: skip


def request(**variables: str) -> dict[str, Any]:
    usual = {"HTTP_HOST": f"127.0.0.1:{PORT}", "REQUEST_METHOD": "POST", "QUERY_STRING": ""}
    return {k: v for k, v in (usual | variables).items() if v != "absent"}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}"],
)
def test_loopback_names_are_admitted(host: str) -> None:
    admit(request(HTTP_HOST=host), PORT)


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "localhost.evil.example", "127.0.0.1.evil.example",
     "127.0.0.1:80", "localhost:", "127.0.0.2", "10.0.0.1", "2130706433", "evil.example@127.0.0.1",
     "127.0.0.1, evil.example", "bucket.localhost", "", "absent"],
)  # fmt: skip
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(NotAdmittedError, match="the Host header must be"):
        admit(request(HTTP_HOST=host), PORT)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_own_origin_is_admitted(name: str) -> None:
    own = f"http://{name}:{PORT}"

    admit(request(HTTP_ORIGIN=own, HTTP_REFERER=f"{own}/b/page?x=1"), PORT)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost", "http://localhost:4748",
     "https://localhost:4747", "http://localhost:4747.evil.example", "file://"],
)  # fmt: skip
def test_other_origins_are_refused(origin: str) -> None:
    with pytest.raises(NotAdmittedError, match="foreign origin"):
        admit(request(HTTP_ORIGIN=origin), PORT)
    with pytest.raises(NotAdmittedError, match="foreign origin"):
        admit(request(**LINK, HTTP_ORIGIN=origin), PORT)


@pytest.mark.parametrize(
    "referer",
    ["http://evil.example/", "http://localhost:4748/", "https://127.0.0.1:4747/", "x", "",
     "http://127.0.0.1:4747@evil.example/", "http://[::1"],
)  # fmt: skip
def test_requests_of_other_pages_are_refused(referer: str) -> None:
    with pytest.raises(NotAdmittedError, match="foreign page"):
        admit(request(HTTP_REFERER=referer), PORT)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "new-word"])
def test_cross_site_requests_are_refused(site: str) -> None:
    with pytest.raises(NotAdmittedError, match="requests of web pages are refused"):
        admit(request(HTTP_SEC_FETCH_SITE=site), PORT)


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_navigation_by_the_user_is_admitted(site: str) -> None:
    admit(request(HTTP_SEC_FETCH_SITE=site), PORT)


@pytest.mark.parametrize("query", ["X-Amz-Signature=0", "AWSAccessKeyId=K&Signature=s&Expires=1"])
def test_link_to_presigned_url_is_admitted(query: str) -> None:
    admit(request(**LINK | {"QUERY_STRING": query}), PORT)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REQUEST_METHOD", "POST"), ("REQUEST_METHOD", "HEAD"), ("HTTP_SEC_FETCH_MODE", "cors"),
        ("HTTP_SEC_FETCH_MODE", "absent"), ("HTTP_SEC_FETCH_DEST", "iframe"),
        ("HTTP_SEC_FETCH_DEST", "absent"), ("QUERY_STRING", ""),
        ("QUERY_STRING", "x=Y-Amz-Signature"),
    ],
)  # fmt: skip
def test_other_requests_of_a_page_are_refused(variable: str, value: str) -> None:
    with pytest.raises(NotAdmittedError):
        admit(request(**LINK | {variable: value}), PORT)
