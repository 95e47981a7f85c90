"""Signature claims of requests: key, time, scope and signed headers, not yet verified."""

from __future__ import annotations

import re
import time as wall
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.requests import header_of, variable_of

ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(ALGORITHM + r" *Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *")
_SCOPE_PARTS = 5
LONGEST_PRESIGNED = 604_800
SKEW = 900


class Scope(NamedTuple):
    """The credential scope: key, day, region and service; ``text`` is all of it but the key."""

    access_key_id: str
    day: str
    region: str
    service: str
    text: str


class Signer(NamedTuple):
    """An ``Authorization`` header without its signature, which a client reuses all day.

    ``variables`` are the WSGI variables of the signed headers; ``header_list`` is their names as
    the canonical request has them.
    """

    scope: Scope
    signed_headers: tuple[str, ...]
    variables: tuple[str, ...]
    header_list: str


class Claim(NamedTuple):
    """A signature of version 4 that is not verified yet.

    ``seconds`` is the validity of a presigned request; ``None`` if the signature is in the
    headers. ``when`` is in epoch seconds, ``stamp`` the same time as it was sent.
    """

    signer: Signer
    stamp: str
    when: float
    signature: str
    token: str
    seconds: int | None = None

    @property
    def scope(self) -> Scope:
        """The scope of the signature."""
        return self.signer.scope


@lru_cache(maxsize=1024)
def scope_of(credential: str) -> Scope | None:
    """The scope of a ``Credential``; ``None`` if it is malformed."""
    parts = credential.rsplit("/", _SCOPE_PARTS - 1)
    if len(parts) != _SCOPE_PARTS or parts[-1] != "aws4_request" or not all(parts):
        return None
    key_id, day, region, service, _ = parts
    return Scope(key_id, day, region, service.lower(), "/".join(parts[1:]))


def claim_of_headers(environ: Mapping[str, Any]) -> Claim:
    """The claim of an ``Authorization`` header. Raises :class:`Denied`."""
    header, _, signature = environ["HTTP_AUTHORIZATION"].rpartition("Signature=")
    signer = _signer(header)
    if signer is None:
        raise _malformed(environ["HTTP_AUTHORIZATION"])
    stamp = environ.get("HTTP_X_AMZ_DATE", "")
    when = instant_of(stamp) if stamp else instant_of_date(header_of(environ, "date"))
    if when is None:
        raise Denied(Denial.INCOMPLETE, "Authorization header requires existence of either a "
                     "'X-Amz-Date' or a 'Date' header.")  # fmt: skip
    stamp = stamp or datetime.fromtimestamp(when, UTC).strftime("%Y%m%dT%H%M%SZ")
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
    return _checked(Claim(signer, stamp, when, signature, token))


def claim_of_query(query: Mapping[str, str]) -> Claim:
    """The claim of a presigned request. Raises :class:`Denied`."""
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        raise Denied(Denial.QUERY_PARAMETERS, f"X-Amz-Algorithm only supports \"{ALGORITHM}\"; the "
                     "local cloud verifies no asymmetric signatures")  # fmt: skip
    missing = [
        n for n in ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
        if not query.get(n)
    ]  # fmt: skip
    scope = scope_of(query.get("X-Amz-Credential", ""))
    when = instant_of(query.get("X-Amz-Date", ""))
    if missing or scope is None or when is None:
        named = missing or (["X-Amz-Credential"] if scope is None else ["X-Amz-Date"])
        raise Denied(Denial.QUERY_PARAMETERS, "Query-string authentication version 4 requires the "
                     f"X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date and "
                     f"X-Amz-SignedHeaders parameters; missing or malformed: {', '.join(named)}"
                     )  # fmt: skip
    return _checked(Claim(
        _signer_of(scope, query["X-Amz-SignedHeaders"]), query["X-Amz-Date"], when,
        query["X-Amz-Signature"], query.get("X-Amz-Security-Token", ""),
        _expiry(query.get("X-Amz-Expires"), scope.service),
    ))  # fmt: skip


def check_time(claim: Claim) -> None:
    """Refuse a signature that is expired or dated in the future. Raises :class:`Denied`."""
    now = wall.time()
    if claim.seconds is None:
        if abs(now - claim.when) > SKEW:
            raise Denied(Denial.SKEWED, stamp=claim.stamp, late=now > claim.when)
        return
    if claim.when - now > SKEW:
        raise Denied(Denial.NOT_YET, stamp=claim.stamp)
    if now > claim.when + claim.seconds:
        raise Denied(Denial.URL_EXPIRED, stamp=claim.stamp, late=True)


@lru_cache(maxsize=1024)
def instant_of(stamp: str) -> float | None:
    """Epoch seconds of ``20260101T000000Z``; ``None`` for another format."""
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def instant_of_date(date: str) -> float | None:
    """Epoch seconds of a ``Date`` header; ``None`` for another format."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return instant_of(date)


@lru_cache(maxsize=1024)
def _signer(header: str) -> Signer | None:
    match = _AUTHORIZATION.fullmatch(header)
    if match is None:
        return None
    scope = scope_of(match[1])
    return None if scope is None else _signer_of(scope, match[2])


def _signer_of(scope: Scope, signed_headers: str) -> Signer:
    names = tuple(signed_headers.split(";"))
    return Signer(scope, names, tuple(variable_of(name) for name in names), signed_headers)


def _checked(claim: Claim) -> Claim:
    if "host" not in claim.signer.signed_headers:
        raise Denied(Denial.HOST_NOT_SIGNED)
    if not claim.stamp.startswith(claim.signer.scope.day):
        raise Denied(
            Denial.SCOPE, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
            f"of date from HTTP: '{claim.scope.day}' != '{claim.stamp[:8]}', from '{claim.stamp}'.",
        )  # fmt: skip
    return claim


def _expiry(expires: str | None, service: str) -> int:
    if expires is None:
        if service == "s3":
            raise Denied(Denial.QUERY_PARAMETERS, "X-Amz-Expires is required")
        return SKEW
    if not expires.isascii() or not expires.lstrip("-").isdigit():
        raise Denied(Denial.QUERY_PARAMETERS, "X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise Denied(Denial.QUERY_PARAMETERS, "X-Amz-Expires must be non-negative")
    if int(expires) > LONGEST_PRESIGNED:
        raise Denied(Denial.QUERY_PARAMETERS, "X-Amz-Expires must be less than a week (in seconds) "
                     f"that is, {LONGEST_PRESIGNED}")  # fmt: skip
    return int(expires)


def _malformed(authorization: str) -> Denied:
    algorithm = authorization.split(" ", 1)[0]
    if algorithm != ALGORITHM:
        # Version 2 (`AWS key:signature`), SigV4a and tokens of other schemes.
        return Denied(Denial.ALGORITHM, "The authorization mechanism you have provided is not "
                      f"supported. Please use {ALGORITHM}.")  # fmt: skip
    required = ("Credential", "Signature", "SignedHeaders")
    missing = [n for n in required if f"{n}=" not in authorization]
    message = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
    credential = authorization.partition("Credential=")[2].split(",")[0]
    return Denied(
        Denial.INCOMPLETE, message or "Credential must have exactly 5 slash-delimited elements, "
        f"e.g. keyid/date/region/service/term, got '{credential}'",
    )  # fmt: skip
