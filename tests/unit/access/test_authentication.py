"""Authentication of requests without a server: keys, times, and forms of signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from wsgi import environ_of, environ_of_request

from sageloop.local_cloud.access.authentication import Authentication, service_claimed
from sageloop.local_cloud.access.caller import CallerKind, role_session
from sageloop.local_cloud.access.keys import KeyRing
from sageloop.local_cloud.access.refusals import Denial, Denied

ACCOUNT, REGION, HOST = "123456789012", "eu-west-1", "http://127.0.0.1:4747"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing(ACCOUNT, "aws", test_keys={"testing": "secret"})


@pytest.fixture
def gate(keys: KeyRing) -> Authentication:
    return Authentication(keys, ACCOUNT, REGION)


def user(keys: KeyRing) -> Credentials:
    return Credentials(keys.user.access_key, keys.user.secret_key)


def request(method: str = "POST", path: str = "/", body: bytes = b"", **headers: str) -> AWSRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return AWSRequest(method, HOST + path, headers=named, data=body)


def signed(
    credentials: Credentials, made: AWSRequest, service: str = "sts", ago: float = 0
) -> dict[str, Any]:
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, REGION)
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    made.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(made)
    text = signer.string_to_sign(made, signer.canonical_request(made))
    signer._inject_signature_to_request(made, signer.signature(text, made))
    return environ_of_request(made)


def presigned(
    credentials: Credentials, made: AWSRequest, service: str = "s3", expires: int = 60
) -> dict[str, Any]:
    signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    signer(credentials, service, REGION, expires=expires).add_auth(made)
    return environ_of_request(made)


def denial(gate: Authentication, environ: dict[str, Any]) -> Denial:
    with pytest.raises(Denied) as denied:
        gate.of(environ)
    return denied.value.denial


@pytest.mark.parametrize("service", ["sts", "s3", "sagemaker"])
@pytest.mark.parametrize("ago", [0, 840, -840])
def test_user_is_authenticated_within_fifteen_minutes(
    gate: Authentication, keys: KeyRing, service: str, ago: float
) -> None:
    identity = gate.of(signed(user(keys), request(body=b"x"), service, ago))

    assert (identity.caller.kind, identity.service) == (CallerKind.ACCOUNT_USER, service)
    assert identity.region == REGION
    assert identity.caller.access_key_id == keys.user.access_key


@pytest.mark.parametrize("service", ["sts", "s3"])
@pytest.mark.parametrize("ago", [960, -960])
def test_other_times_are_refused(
    gate: Authentication, keys: KeyRing, service: str, ago: float
) -> None:
    assert denial(gate, signed(user(keys), request(), service, ago)) is Denial.SKEWED


@pytest.mark.parametrize("ago", [960, -960])
def test_other_times_are_refused_on_the_fast_path(
    gate: Authentication, keys: KeyRing, ago: float
) -> None:
    with pytest.raises(Denied) as denied:
        gate.of_headers(signed(user(keys), request(), "sagemaker", ago), b"")

    assert denied.value.denial is Denial.SKEWED


def test_role_requires_its_own_token(gate: Authentication, keys: KeyRing) -> None:
    role = "arn:aws:iam::123456789012:role/team/reader"
    made = keys.for_role(role, "s")
    other = keys.for_role(role, "t")

    def caller(token: str | None) -> dict[str, Any]:
        return signed(Credentials(made.access_key, made.secret_key, token), request())

    identity = gate.of(caller(made.token)).caller
    assert (identity.role_arn, identity.session_name) == (role, "s")
    assert identity.arn == "arn:aws:sts::123456789012:assumed-role/reader/s"
    for token in (None, other.token, made.token[:-1]):
        assert denial(gate, caller(token)) is Denial.WRONG_TOKEN


def test_user_with_token_is_refused(gate: Authentication, keys: KeyRing) -> None:
    with_token = Credentials(keys.user.access_key, keys.user.secret_key, "token")

    assert denial(gate, signed(with_token, request())) is Denial.WRONG_TOKEN


@pytest.mark.parametrize("token", [None, "whatever"])
def test_test_keys_authenticate_the_user_with_any_token(
    gate: Authentication, token: str | None
) -> None:
    identity = gate.of(signed(Credentials("testing", "secret", token), request()))

    assert identity.caller.kind is CallerKind.ACCOUNT_USER
    wrong = signed(Credentials("testing", "other", token), request())
    assert denial(gate, wrong) is Denial.MISMATCH


def test_expired_keys_are_refused(gate: Authentication, keys: KeyRing) -> None:
    caller = role_session("arn:aws:iam::123456789012:role/r", "s")
    lasting, over = keys.issue(caller, seconds=60), keys.issue(caller, seconds=0)

    def sent(made: Any) -> dict[str, Any]:
        return signed(Credentials(made.access_key, made.secret_key, made.token), request())

    assert gate.of(sent(lasting)).caller.session_name == "s"
    assert denial(gate, sent(over)) is Denial.EXPIRED_TOKEN


def test_unknown_key_is_logged_once(gate: Authentication, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        environ = signed(Credentials("AKIAIOSFODNN7EXAMPLE", "x"), request())
        assert denial(gate, environ) is Denial.UNKNOWN_KEY

    assert caplog.text.count("AKIAIOSFODNN7EXAMPLE") == 1
    assert "sageloop local env" in caplog.text


@pytest.mark.parametrize("service", ["s3", "sts"])
def test_presigned_request_is_valid_for_its_duration(
    gate: Authentication, keys: KeyRing, service: str
) -> None:
    environ = presigned(user(keys), request("GET", "/b/k?x=1"), service)

    assert gate.of(environ).service == service
    # The following steps receive a request with a signature in its headers, without query.
    assert (environ["QUERY_STRING"], environ["RAW_URI"]) == ("x=1", "/b/k?x=1")
    assert keys.user.access_key in environ["HTTP_AUTHORIZATION"]
    over = presigned(user(keys), request("GET", "/b/k"), service, expires=0)
    over["REQUEST_URI"] = over["REQUEST_URI"].replace("Expires=0", "Expires=-1")
    over["QUERY_STRING"] = over["QUERY_STRING"].replace("Expires=0", "Expires=-1")
    assert denial(gate, over) is Denial.QUERY_PARAMETERS


def test_expired_url_with_valid_signature_is_refused(gate: Authentication, keys: KeyRing) -> None:
    class Earlier(S3SigV4QueryAuth):
        def _modify_request_before_signing(self, made: AWSRequest) -> None:
            moment = datetime.now(UTC) - timedelta(seconds=120)
            made.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
            super()._modify_request_before_signing(made)

    def sent(expires: int) -> dict[str, Any]:
        made = request("GET", "/b/k")
        Earlier(user(keys), "s3", REGION, expires=expires).add_auth(made)
        return environ_of_request(made)

    assert gate.of(sent(180)).service == "s3"
    assert denial(gate, sent(60)) is Denial.URL_EXPIRED


def test_url_dated_in_the_future_is_refused(gate: Authentication, keys: KeyRing) -> None:
    class Later(S3SigV4QueryAuth):
        def _modify_request_before_signing(self, made: AWSRequest) -> None:
            moment = datetime.now(UTC) + timedelta(seconds=1200)
            made.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
            super()._modify_request_before_signing(made)

    made = request("GET", "/b/k")
    Later(user(keys), "s3", REGION, expires=60).add_auth(made)

    assert denial(gate, environ_of_request(made)) is Denial.NOT_YET


@pytest.mark.parametrize("expires", ["604801", "-1", "x", ""])
def test_invalid_durations_of_urls_are_refused(
    gate: Authentication, keys: KeyRing, expires: str
) -> None:
    environ = presigned(user(keys), request("GET", "/b/k"))
    for name in ("REQUEST_URI", "QUERY_STRING"):
        environ[name] = environ[name].replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")

    assert denial(gate, environ) is Denial.QUERY_PARAMETERS


@pytest.mark.parametrize(
    "name", ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders"]
)
@pytest.mark.parametrize("value", ["", "AWS4-ECDSA-P256-SHA256"])
def test_urls_without_a_required_part_are_refused(
    gate: Authentication, keys: KeyRing, name: str, value: str
) -> None:
    environ = presigned(user(keys), request("GET", "/b/k"))
    parts = [p for p in environ["QUERY_STRING"].split("&") if not p.startswith(f"{name}=")]
    environ["QUERY_STRING"] = "&".join([*parts, f"{name}={value}"])
    environ["REQUEST_URI"] = f"/b/k?{environ['QUERY_STRING']}"

    assert denial(gate, environ) in (Denial.QUERY_PARAMETERS, Denial.HOST_NOT_SIGNED)


def test_two_signatures_are_refused(gate: Authentication, keys: KeyRing) -> None:
    environ = presigned(user(keys), request("GET", "/b/k"))
    environ["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=x"

    assert denial(gate, environ) is Denial.QUERY_PARAMETERS


def test_unsigned_amz_header_is_refused_by_s3(gate: Authentication, keys: KeyRing) -> None:
    environ = signed(user(keys), request("PUT", "/b/k", b"x"), "s3")

    assert denial(gate, environ | {"HTTP_X_AMZ_ACL": "public-read"}) is Denial.HEADERS_NOT_SIGNED


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("AWS LKIA:signature", Denial.ALGORITHM),
        ("AWS4-ECDSA-P256-SHA256 Credential=a, SignedHeaders=host, Signature=0", Denial.ALGORITHM),
        ("Bearer token", Denial.ALGORITHM),
        ("", Denial.ALGORITHM),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, Signature=0", Denial.INCOMPLETE),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=0", Denial.INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/sts, SignedHeaders=host, Signature=0",
         Denial.INCOMPLETE),
        ("AWS4-HMAC-SHA256 Credential=a/20200101/r/sts/aws4_request, SignedHeaders=host, "
         "Signature=0", Denial.SCOPE),
        ("AWS4-HMAC-SHA256 Credential=a/{day}/r/sts/aws4_request, SignedHeaders=x-amz-date, "
         "Signature=0", Denial.HOST_NOT_SIGNED),
    ],
)  # fmt: skip
def test_malformed_authorizations_are_refused(
    gate: Authentication, authorization: str, expected: Denial
) -> None:
    now = datetime.now(UTC)
    headers = [
        ("Authorization", authorization.replace("{day}", now.strftime("%Y%m%d"))),
        ("X-Amz-Date", now.strftime("%Y%m%dT%H%M%SZ")),
    ]

    assert denial(gate, environ_of("POST", f"{HOST}/", headers)) is expected


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_request_without_date_is_refused(
    gate: Authentication, keys: KeyRing, date: str | None
) -> None:
    environ = signed(user(keys), request())
    del environ["HTTP_X_AMZ_DATE"]
    if date is not None:
        environ["HTTP_DATE"] = date

    assert denial(gate, environ) is Denial.INCOMPLETE


def unsigned(body: bytes = b"", method: str = "POST", path: str = "/", **headers: str) -> Any:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return environ_of(method, HOST + path, named, body)


@pytest.mark.parametrize(
    "environ",
    [
        unsigned(b"Action=ListUsers&Version=2010-05-08", Content_Type=FORM),
        unsigned(b"", Content_Type=FORM),
        unsigned(b"{}", X_Amz_Target="DynamoDB_20120810.ListTables"),
        unsigned(method="GET", path="/?" + urlencode({"Action": "GetCallerIdentity"})),
        unsigned(b"Action=AssumeRoleWithWebIdentity", X_Amz_Target="AWSEvents.PutEvents"),
    ],
)
def test_unsigned_call_is_refused(gate: Authentication, environ: dict[str, Any]) -> None:
    assert denial(gate, environ) is Denial.MISSING


@pytest.mark.parametrize(
    ("environ", "service"),
    [
        (unsigned(b"Action=AssumeRoleWithWebIdentity", Content_Type=FORM), "sts"),
        (unsigned(method="GET", path="/?Action=AssumeRoleWithSAML"), "sts"),
        (unsigned(b"{}", X_Amz_Target="AWSCognitoIdentityService.GetId"), "cognito-identity"),
        (unsigned(method="GET", path="/bucket/key"), "s3"),
    ],
)
def test_unsigned_call_that_aws_allows_is_anonymous(
    gate: Authentication, environ: dict[str, Any], service: str
) -> None:
    identity = gate.of(environ)

    assert (identity.caller.kind, identity.caller.name) == (CallerKind.ANONYMOUS, "anonymous")
    assert identity.service == service


def test_credential_in_the_query_is_not_a_signature(gate: Authentication) -> None:
    credential = "LKIA/20260101/us-east-1/cloudformation/aws4_request"
    path = "/?" + urlencode({"X-Amz-Credential": credential})
    environ = unsigned(b"Action=CreateStack", path=path, Content_Type="text/plain")

    assert gate.of(environ).service == "s3"  # anonymous, and S3 executes it for public buckets only
    assert service_claimed(environ) == "cloudformation"


FAMILIES = {
    "s3": ("InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"),
    "query": ("InvalidClientTokenId", "SignatureDoesNotMatch", "SignatureDoesNotMatch"),
    "json": (
        "UnrecognizedClientException", "InvalidSignatureException", "InvalidSignatureException",
    ),
    "rest-json": (
        "UnrecognizedClientException", "InvalidSignatureException", "InvalidSignatureException",
    ),
    "ec2": ("AuthFailure", "AuthFailure", "RequestExpired"),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_of_services_has_its_own_errors(family: Any) -> None:
    denials = (Denial.UNKNOWN_KEY, Denial.MISMATCH, Denial.SKEWED)

    assert tuple(Denied(d).error(family).code for d in denials) == FAMILIES[family]


@pytest.mark.parametrize("kind", list(Denial))
@pytest.mark.parametrize("family", FAMILIES)
def test_each_refusal_has_a_message_and_a_client_error_status(kind: Denial, family: Any) -> None:
    error = Denied(kind, "" if family == "s3" else "message").error(family)

    assert error.message
    assert 400 <= error.status < 500
