"""Verifies Signature Version 2 in the query, boto3's default for presigned URLs of S3."""

from __future__ import annotations

import base64
import hmac
import time as wall
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.requests import header_of, raw_path

_SUBRESOURCES = frozenset(
    ("accelerate", "acl", "cors", "defaultObjectAcl", "location", "logging", "partNumber",
     "policy", "requestPayment", "torrent", "versioning", "versionId", "versions", "website",
     "uploads", "uploadId", "response-content-type", "response-content-language",
     "response-expires", "response-cache-control", "response-content-disposition",
     "response-content-encoding", "delete", "lifecycle", "tagging", "restore", "storageClass",
     "notification", "replication", "analytics", "metrics", "inventory", "select",
     "select-type", "object-lock")
)  # fmt: skip
KEY, SIGNATURE, EXPIRES, TOKEN = "AWSAccessKeyId", "Signature", "Expires", "x-amz-security-token"


def verify_url(query: Mapping[str, str], secret: str, environ: Mapping[str, Any]) -> None:
    """Verify a presigned URL of version 2. Raises :class:`Denied`."""
    expires = query.get(EXPIRES, "")
    if not expires.isascii() or not expires.isdigit():
        raise Denied(Denial.MISSING)
    text = "\n".join((
        environ["REQUEST_METHOD"],
        _parameter(environ, query, "content-md5"),
        _parameter(environ, query, "content-type"),
        expires,
        _amz_headers(environ, query) + _resource(environ, query),
    ))  # fmt: skip
    if not matches(secret, text, query.get(SIGNATURE, "")):
        raise Denied(Denial.MISMATCH)
    if wall.time() > int(expires):
        raise Denied(Denial.URL_EXPIRED)


def matches(secret: str, text: str, signature: str) -> bool:
    """Whether a signature of version 2 is that of a text, compared in constant time."""
    made = base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1"))
    return hmac.compare_digest(made, signature.encode("utf-8", "replace"))


def _parameter(environ: Mapping[str, Any], query: Mapping[str, str], name: str) -> str:
    # The client that presigned the URL may have put a header into the query.
    return header_of(environ, name) or query.get(name, "")


def _amz_headers(environ: Mapping[str, Any], query: Mapping[str, str]) -> str:
    headers = {
        name[5:].lower().replace("_", "-"): " ".join(str(value).split())
        for name, value in environ.items()
        if name.startswith("HTTP_X_AMZ_")
    }
    headers |= {name: value for name, value in query.items() if name.startswith("x-amz-")}
    return "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))


def _resource(environ: Mapping[str, Any], query: Mapping[str, str]) -> str:
    path = quote(unquote(raw_path(environ)), safe="/~")
    kept = sorted((k, v) for k, v in query.items() if k in _SUBRESOURCES)
    if not kept:
        return path
    return path + "?" + "&".join(f"{k}={v}" if v else k for k, v in kept)
