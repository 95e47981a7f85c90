"""Verifies Signature Version 4 of headers, presigned URLs and chunks of a body."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sageloop.local_cloud.access.claims import ALGORITHM, Claim
from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.requests import (
    canonical_headers,
    canonical_paths,
    canonical_query,
    query_pairs,
    raw_path,
)

EMPTY_HASH = sha256(b"").hexdigest()
_TERMINATOR = b"aws4_request"
_SIGNATURE = "X-Amz-Signature"


@lru_cache(maxsize=2048)
def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key that signs a day's requests to one service in one region."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, _TERMINATOR, "sha256")


def key_of(claim: Claim, secret: str) -> bytes:
    """The signing key of a claim."""
    scope = claim.signer.scope
    return signing_key(secret, scope.day, scope.region, scope.service)


def verify(claim: Claim, secret: str, environ: Mapping[str, Any], payload_hash: str) -> None:
    """Verify a claim against its request.

    Raises :class:`Denied` if the signature does not match the secret.
    """
    key = key_of(claim, secret)
    signer = claim.signer
    query = ""
    if environ.get("QUERY_STRING"):
        pairs = query_pairs(environ)
        if claim.seconds is not None:
            pairs = [pair for pair in pairs if pair[0] != _SIGNATURE]
        query = canonical_query(pairs)
    headers = canonical_headers(environ, signer.signed_headers, signer.variables)
    rest = f"{query}\n{headers}\n{signer.header_list}\n{payload_hash}"
    method = environ["REQUEST_METHOD"]
    for path in canonical_paths(raw_path(environ), s3=signer.scope.service == "s3"):
        # Headers arrive as latin-1; the bytes are those that the client signed.
        request = f"{method}\n{path}\n{rest}".encode("latin-1", "replace")
        if matches(key, text_to_sign(claim, sha256(request).hexdigest()), claim.signature):
            return
    raise Denied(Denial.MISMATCH)


def text_to_sign(claim: Claim, request_hash: str) -> str:
    """The string to sign of a whole request."""
    return f"{ALGORITHM}\n{claim.stamp}\n{claim.signer.scope.text}\n{request_hash}"


def matches(key: bytes, text: str, signature: str) -> bool:
    """Whether a signature is that of a text, compared in constant time."""
    made = hmac.digest(key, text.encode(), "sha256").hex()
    return hmac.compare_digest(made.encode(), signature.encode())


def verify_chunk(claim: Claim, key: bytes, previous: str, chunk: bytes, signature: str) -> None:
    """Verify one signed chunk of a body. Raises :class:`Denied`."""
    text = (
        f"{ALGORITHM}-PAYLOAD\n{claim.stamp}\n{claim.scope.text}\n{previous}\n{EMPTY_HASH}\n"
        f"{sha256(chunk).hexdigest()}"
    )
    if not matches(key, text, signature):
        raise Denied(Denial.MISMATCH)


def verify_trailer(claim: Claim, key: bytes, previous: str, trailer: str, signature: str) -> None:
    """Verify the signed trailing headers of a body. Raises :class:`Denied`."""
    text = (
        f"AWS4-HMAC-SHA256-TRAILER\n{claim.stamp}\n{claim.scope.text}\n{previous}\n"
        f"{sha256(trailer.encode()).hexdigest()}"
    )
    if not matches(key, text, signature):
        raise Denied(Denial.MISMATCH)
