"""Reasons to refuse a request, and each service's error code and message for them."""

from __future__ import annotations

import time as wall
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Literal

from sageloop.local_cloud.core.errors import AwsError

# Error formats: by protocol; S3 and EC2 have their own.
Family = Literal["s3", "ec2", "query", "json", "rest-json"]

_SKEW_MINUTES = 15
_LISTED_PROTOCOLS: dict[str, Family] = {
    "query": "query", "rest-xml": "query", "ec2": "ec2", "rest-json": "rest-json",
}  # fmt: skip


class Denial(Enum):
    """Reason for which a request is refused."""

    MISSING = auto()
    UNKNOWN_KEY = auto()
    WRONG_TOKEN = auto()
    EXPIRED_TOKEN = auto()
    MISMATCH = auto()
    SKEWED = auto()
    URL_EXPIRED = auto()
    NOT_YET = auto()
    INCOMPLETE = auto()
    QUERY_PARAMETERS = auto()
    SCOPE = auto()
    HOST_NOT_SIGNED = auto()
    HEADERS_NOT_SIGNED = auto()
    ALGORITHM = auto()


class Denied(Exception):
    """A request is refused; ``message`` replaces the default one.

    ``stamp`` is the request's own date; ``late`` is true if it is in the past.
    """

    def __init__(
        self, denial: Denial, message: str = "", *, stamp: str = "", late: bool = False,
        access_key_id: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message or denial.name)
        self.denial = denial
        self.message = message
        self.stamp = stamp
        self.late = late
        self.access_key_id = access_key_id

    def error(self, family: Family) -> AwsError:
        """The error in the format of a family of services."""
        if family == "s3":
            return self._of_s3()
        code, status = _CODES[self.denial][family]
        usual = self._moment() if self.denial in _OF_TIME else _MESSAGES.get(self.denial, "")
        if family == "ec2" and code == "AuthFailure":
            usual = "AWS was not able to validate the provided access credentials"
        return AwsError(code, self.message or usual, status)

    def _of_s3(self) -> AwsError:
        code, status, usual = _S3[self.denial]
        fields = {"AWSAccessKeyId": self.access_key_id} if self.access_key_id else {}
        return AwsError(code, self.message or usual, status, fields=fields)

    def _moment(self) -> str:
        now = wall.time()
        limit = now - 60 * _SKEW_MINUTES if self.late else now + 60 * _SKEW_MINUTES
        shown, edge = (_stamp(moment) for moment in (now, limit))
        if self.late:
            return (
                f"Signature expired: {self.stamp} is now earlier than {edge} ({shown} - "
                f"{_SKEW_MINUTES} min.)"
            )
        return (
            f"Signature not yet current: {self.stamp} is still later than {edge} ({shown} + "
            f"{_SKEW_MINUTES} min.)"
        )


def family_of(service: str, protocol: str) -> Family:
    """The error format of a service, by its botocore name and protocol."""
    return "s3" if service == "s3" else _LISTED_PROTOCOLS.get(protocol, "json")


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")


_OF_TIME = (Denial.SKEWED, Denial.URL_EXPIRED, Denial.NOT_YET)
_INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105
_MESSAGES = {
    Denial.MISSING: "Request is missing Authentication Token",
    Denial.UNKNOWN_KEY: _INVALID_TOKEN,
    Denial.WRONG_TOKEN: _INVALID_TOKEN,
    Denial.EXPIRED_TOKEN: "The security token included in the request is expired",
    Denial.MISMATCH: (
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details."
    ),
    Denial.HOST_NOT_SIGNED: (
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    ),
}


def _codes(
    query: str, json: str, ec2: str, *, query_status: int = 403, ec2_status: int = 401
) -> dict[Family, tuple[str, int]]:
    return {
        "query": (query, query_status), "json": (json, 400), "rest-json": (json, 403),
        "ec2": (ec2, ec2_status),
    }  # fmt: skip


_MISMATCH = _codes("SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure")
_UNKNOWN = _codes("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure")
_TIME = _codes(
    "SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", ec2_status=400
)
_INCOMPLETE = _codes(
    "IncompleteSignature", "IncompleteSignatureException", "AuthFailure", query_status=400
)
_CODES: dict[Denial, dict[Family, tuple[str, int]]] = {
    Denial.MISSING: _codes(
        "MissingAuthenticationToken", "MissingAuthenticationTokenException", "AuthFailure"
    ),
    Denial.UNKNOWN_KEY: _UNKNOWN,
    Denial.WRONG_TOKEN: _UNKNOWN,
    Denial.EXPIRED_TOKEN: _codes(
        "ExpiredToken", "ExpiredTokenException", "RequestExpired", ec2_status=400
    ),
    Denial.MISMATCH: _MISMATCH,
    Denial.SKEWED: _TIME,
    Denial.URL_EXPIRED: _TIME,
    Denial.NOT_YET: _TIME,
    Denial.INCOMPLETE: _INCOMPLETE,
    Denial.QUERY_PARAMETERS: _INCOMPLETE,
    Denial.SCOPE: _MISMATCH,
    Denial.HOST_NOT_SIGNED: _MISMATCH,
    Denial.HEADERS_NOT_SIGNED: _MISMATCH,
    Denial.ALGORITHM: _INCOMPLETE,
}
_MALFORMED = "The authorization header is malformed"
_S3: dict[Denial, tuple[str, int, str]] = {
    Denial.MISSING: ("AccessDenied", 403, "Access Denied"),
    Denial.UNKNOWN_KEY: (
        "InvalidAccessKeyId", 403,
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    Denial.WRONG_TOKEN: (
        "InvalidToken", 400, "The provided token is malformed or otherwise invalid.",
    ),
    Denial.EXPIRED_TOKEN: ("ExpiredToken", 400, "The provided token has expired."),
    Denial.MISMATCH: (
        "SignatureDoesNotMatch", 403,
        "The request signature we calculated does not match the signature you provided. Check "
        "your key and signing method.",
    ),
    Denial.SKEWED: (
        "RequestTimeTooSkewed", 403,
        "The difference between the request time and the current time is too large.",
    ),
    Denial.URL_EXPIRED: ("AccessDenied", 403, "Request has expired"),
    Denial.NOT_YET: ("AccessDenied", 403, "Request is not valid yet"),
    Denial.INCOMPLETE: ("AuthorizationHeaderMalformed", 400, _MALFORMED),
    Denial.QUERY_PARAMETERS: ("AuthorizationQueryParametersError", 400, _MALFORMED),
    Denial.SCOPE: ("AuthorizationHeaderMalformed", 400, _MALFORMED),
    Denial.HOST_NOT_SIGNED: ("AuthorizationHeaderMalformed", 400, _MALFORMED),
    Denial.HEADERS_NOT_SIGNED: (
        "AccessDenied", 403, "There were headers present in the request which were not signed",
    ),
    Denial.ALGORITHM: (
        "InvalidRequest", 400,
        "The authorization mechanism you have provided is not supported. Please use "
        "AWS4-HMAC-SHA256.",
    ),
}  # fmt: skip
