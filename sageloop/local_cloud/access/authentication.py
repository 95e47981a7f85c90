"""Authenticates requests by their signature; some operations need none, as on AWS."""

from __future__ import annotations

import hmac
import io
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

from sageloop.local_cloud.access import signature_v2
from sageloop.local_cloud.access.bodies import payload_hash, take_body
from sageloop.local_cloud.access.caller import Caller, anonymous
from sageloop.local_cloud.access.claims import (
    Claim,
    check_time,
    claim_of_headers,
    claim_of_query,
    scope_of,
)
from sageloop.local_cloud.access.keys import AccessKey, KeyRing
from sageloop.local_cloud.access.post_policy import is_post_of_object, verify_post
from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.requests import query_pairs, variable_of
from sageloop.local_cloud.access.signature import verify
from sageloop.local_cloud.core.errors import AwsError

log = logging.getLogger(__name__)

_FORM = "application/x-www-form-urlencoded"
UNSIGNED_ACTIONS = frozenset(("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"))
COGNITO = {
    "AWSCognitoIdentityService": "cognito-identity",
    "AWSCognitoIdentityProviderService": "cognito-idp",
}
_OF_A_SIGNATURE = frozenset(
    ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
     "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
     signature_v2.KEY, signature_v2.SIGNATURE, signature_v2.EXPIRES, signature_v2.TOKEN)
)  # fmt: skip
_HEADERS_OF_A_URL = ("x-amz-", "content-type", "content-md5")
# "Amazon S3 presigned URLs don't support using the following data-integrity checksum algorithms"
# (user guide, "Download and upload objects with presigned URLs"): signed, and then ignored. The SDK
# for JavaScript puts the checksum of no bytes there, for it does not know what will be uploaded.
_IGNORED_IN_A_URL = ("x-amz-checksum-", "x-amz-sdk-checksum-algorithm")


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, and the region and service (by its signing name) of a request."""

    caller: Caller
    region: str
    service: str


class Authentication:
    """Verifies requests from the network against the keys of one cloud."""

    def __init__(self, keys: KeyRing, account_id: str, region: str) -> None:
        self._keys = keys
        self._anonymous = anonymous(account_id)
        self._region = region
        self._hinted: set[str] = set()

    def of_headers(self, environ: Mapping[str, Any], body: bytes) -> Identity:
        """The identity of a request that is signed in its headers, for services other than S3.

        Raises :class:`Denied`.
        """
        claim = claim_of_headers(environ)
        scope = claim.signer.scope
        key = self._key(scope.access_key_id, claim.token)
        check_time(claim)
        verify(claim, key.secret_key, environ, sha256(body).hexdigest())
        return Identity(key.caller, scope.region, scope.service)

    def of(self, environ: dict[str, Any]) -> Identity:
        """The identity of any request to an AWS API.

        The body is read, checked and stored in the environment without transfer encoding, and a
        signature in the query is moved to the headers, so the following steps receive one form of
        request. Raises :class:`Denied`, or ``AwsError`` for a body that does not match the
        request.
        """
        query = dict(query_pairs(environ)) if environ.get("QUERY_STRING") else {}
        signed = "HTTP_AUTHORIZATION" in environ
        presigned = "X-Amz-Signature" in query or "X-Amz-Algorithm" in query
        old = signature_v2.KEY in query
        if signed + presigned + old > 1:
            raise Denied(Denial.QUERY_PARAMETERS, "Only one auth mechanism allowed; only the "
                         "X-Amz-Algorithm query parameter, Signature query string parameter or the "
                         "Authorization header should be specified")  # fmt: skip
        if old:
            return self._of_old_url(environ, query)
        if not signed and not presigned:
            return self._unsigned(environ, query)
        claim = claim_of_headers(environ) if signed else claim_of_query(query)
        key = self._key(claim.scope.access_key_id, claim.token)
        check_time(claim)
        if claim.scope.service == "s3":
            _verify_s3(claim, key, environ, query)
        else:
            take_body(environ, "", None, "")
            body = environ["wsgi.input"].getvalue()
            verify(claim, key.secret_key, environ, sha256(body).hexdigest())
        if presigned:
            _move_to_headers(environ, claim.scope.access_key_id, claim.scope.text)
        return Identity(key.caller, claim.scope.region, claim.scope.service)

    def _of_old_url(self, environ: dict[str, Any], query: dict[str, str]) -> Identity:
        token = query.get(signature_v2.TOKEN, environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
        key = self._key(query[signature_v2.KEY], token)
        signature_v2.verify_url(query, key.secret_key, environ)
        _move_query_headers(environ, query)
        take_body(environ, "", None, "")
        scope = f"20000101/{self._region}/s3/aws4_request"
        _move_to_headers(environ, query[signature_v2.KEY], scope)
        return Identity(key.caller, self._region, "s3")

    def _unsigned(self, environ: dict[str, Any], query: dict[str, str]) -> Identity:
        if is_post_of_object(environ):
            return self._of_post(environ)
        target = environ.get("HTTP_X_AMZ_TARGET")
        form = environ.get("CONTENT_TYPE", "").startswith(_FORM)
        action = query.get("Action")
        if form and action is None and target is None:
            take_body(environ, "", None, "")
            fields = parse_qsl(environ["wsgi.input"].getvalue().decode("latin-1"))
            action = dict(fields).get("Action")
        if action in UNSIGNED_ACTIONS:
            return Identity(self._anonymous, self._region, "sts")
        cognito = COGNITO.get((target or "").split(".")[0])
        if cognito is not None:
            take_body(environ, "", None, "")
            return Identity(self._anonymous, self._region, cognito)
        if target is not None or action is not None or form:
            raise Denied(Denial.MISSING)
        stated = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
        take_body(environ, stated, None, "")
        return Identity(self._anonymous, self._region, "s3")

    def _of_post(self, environ: dict[str, Any]) -> Identity:
        take_body(environ, "", None, "")
        key_id, token, check = verify_post(environ)
        if key_id is None:
            return Identity(self._anonymous, self._region, "s3")
        key = self._key(key_id, token)
        check(key.secret_key)
        authorize_for_moto(environ, key_id, f"20000101/{self._region}/s3/aws4_request")
        return Identity(key.caller, self._region, "s3")

    def _key(self, access_key_id: str, token: str) -> AccessKey:
        key = self._keys.find(access_key_id)
        if key is None:
            self._hint(access_key_id)
            raise Denied(Denial.UNKNOWN_KEY, access_key_id=access_key_id)
        if not key.any_token and not hmac.compare_digest(
            key.token.encode(), token.encode("utf-8", "replace")
        ):
            raise Denied(Denial.WRONG_TOKEN)
        if key.has_expired():
            raise Denied(Denial.EXPIRED_TOKEN)
        return key

    def _hint(self, access_key_id: str) -> None:
        if access_key_id in self._hinted or len(self._hinted) > 100:
            return
        self._hinted.add(access_key_id)
        log.warning(
            "a request was signed with the access key %r, which this cloud has not issued; its "
            "keys are in what `sageloop local env` prints, and in LocalCloud.environment()",
            access_key_id[:64],
        )


def service_claimed(environ: Mapping[str, Any]) -> str | None:
    """The signing name in a request's credential scope; ``None`` without one."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    credential = authorization.partition("Credential=")[2].split(",")[0].strip()
    if not credential and "X-Amz-Credential" in environ.get("QUERY_STRING", ""):
        credential = dict(query_pairs(environ)).get("X-Amz-Credential", "")
    scope = scope_of(credential)
    return None if scope is None else scope.service


def discard_body(environ: Mapping[str, Any]) -> None:
    """Read the rest of a refused request's body, so that the connection can be reused."""
    stream = environ["wsgi.input"]
    if isinstance(stream, io.BytesIO):
        return
    if environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING"):
        more = True
        while more:
            # The request is refused for another reason than its size.
            with suppress(AwsError):
                more = bool(stream.read(1 << 16))


def _verify_s3(
    claim: Claim, key: AccessKey, environ: dict[str, Any], query: Mapping[str, str]
) -> None:
    stated = payload_hash(environ, claim)
    verify(claim, key.secret_key, environ, stated)
    signed = set(claim.signer.variables)
    if any(name.startswith("HTTP_X_AMZ_") and name not in signed for name in environ):
        raise Denied(Denial.HEADERS_NOT_SIGNED)
    # WSGI replaces underscores by dashes; names of S3's metadata distinguish them.
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = {
        variable_of(name): name for name in claim.signer.signed_headers if "_" in name
    }
    if claim.seconds is not None:
        _move_query_headers(environ, query)
    take_body(environ, stated, claim, key.secret_key)


def _is_header(name: str) -> bool:
    return name not in _OF_A_SIGNATURE and name.lower().startswith(_HEADERS_OF_A_URL)


def _move_query_headers(environ: dict[str, Any], query: Mapping[str, str]) -> None:
    """Move the headers that a presigned URL carries in its query to the headers."""
    for name, value in query.items():
        if _is_header(name) and not name.lower().startswith(_IGNORED_IN_A_URL):
            environ.setdefault(variable_of(name.lower()), value)


def _move_to_headers(environ: dict[str, Any], access_key_id: str, scope: str) -> None:
    kept = urlencode([
        (k, v) for k, v in query_pairs(environ) if k not in _OF_A_SIGNATURE and not _is_header(k)
    ])  # fmt: skip
    path = str(environ.get("RAW_URI") or environ.get("REQUEST_URI", "")).partition("?")[0]
    environ["QUERY_STRING"] = kept
    environ["RAW_URI"] = environ["REQUEST_URI"] = f"{path}?{kept}" if kept else path
    authorize_for_moto(environ, access_key_id, scope)


def authorize_for_moto(environ: dict[str, Any], access_key_id: str, scope: str) -> None:
    """Set the header from which moto reads region and key of an authenticated request."""
    environ["HTTP_AUTHORIZATION"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders=host, Signature=0"
    )
