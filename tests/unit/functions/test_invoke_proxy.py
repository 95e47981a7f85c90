"""The proxy that invokes an endpoint for callers of an HTTP API."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from sageloop_runtime.config import InvokeProxyConfig
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.serving.invoke_proxy import (
    InvokeProxy,
    http_error_of,
    read_request,
    to_response,
)

ENVIRONMENT = {"ENDPOINT_NAME": "demo", "CONTENT_TYPES": '["text/csv", "application/json"]'}
TYPES = ("text/csv", "application/json")
SECRET = "arn:aws:sts::123456789012:assumed-role/front"


def request(body: str | None = "1,2", *, base: bool = False, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "version": "2.0", "requestContext": {"requestId": "r1"}, "isBase64Encoded": base,
        "headers": {"content-type": "text/csv", **named},
        **({} if body is None else {"body": body}),
    }  # fmt: skip


def failure(code: str, status: int, message: str = SECRET, **more: Any) -> ClientError:
    response = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(
        {**response, "ResponseMetadata": {"HTTPStatusCode": status}}, "InvokeEndpoint"
    )


class Runtime:
    """Returns or raises its outcomes in order, and records requests."""

    def __init__(self, *outcomes: bytes | Exception, content_type: str = "text/csv") -> None:
        self.outcomes, self.content_type = list(outcomes), content_type
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return {"Body": io.BytesIO(outcome), "ContentType": self.content_type}


def invoke(runtime: Runtime, event: dict[str, Any]) -> tuple[int, str]:
    answer = InvokeProxy(InvokeProxyConfig.read(ENVIRONMENT), runtime=runtime).handle(event)
    return answer["statusCode"], answer["body"]


def test_endpoint_receives_only_forwarded_headers_and_body() -> None:
    runtime = Runtime(b"3.0")
    event = request(
        accept="text/csv", x_amzn_sagemaker_inference_id="i1", authorization="Bearer t",
        x_amzn_sagemaker_target_model="other.tar.gz", x_amzn_sagemaker_target_variant="Two",
    )  # fmt: skip

    assert invoke(runtime, event) == (200, "3.0")
    assert runtime.requests == [{
        "EndpointName": "demo", "Body": b"1,2", "ContentType": "text/csv", "Accept": "text/csv",
        "InferenceId": "i1", "TargetModel": "other.tar.gz",
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (request("é"), "é".encode()),
        (request(None), b""),
        (request(base64.b64encode(b"\x93NUMPY\xff").decode(), base=True), b"\x93NUMPY\xff"),
    ],
)
def test_body_is_forwarded_unchanged(event: dict[str, Any], body: bytes) -> None:
    assert read_request(event, TYPES)["Body"] == body


def test_content_type_is_accepted_with_parameters_and_in_any_case() -> None:
    event = request(content_type="Text/CSV; charset=utf-8")

    assert read_request(event, TYPES)["ContentType"] == "Text/CSV; charset=utf-8"


@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        (request(content_type="text/html"), 415, "one of application/json, text/csv, got text/ht"),
        ({"body": "1"}, 415, "Content-Type must be one of application/json, text/csv, got none"),
        (request("%", base=True), 400, "valid base64"),
        (request(x_amzn_sagemaker_inference_id="i" * 65), 400, "must have at most 64 characters"),
        (request(accept="é"), 400, "accept must have at most 1024 characters, all of ASCII"),
    ],
)
def test_invalid_request_is_refused_without_an_invocation(
    event: dict[str, Any], status: int, message: str
) -> None:
    runtime = Runtime()

    actual, body = invoke(runtime, event)

    assert (actual, runtime.requests) == (status, [])
    assert message in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (failure("ModelError", 424, OriginalStatusCode=500), 502,
         "the model responded with status 500"),
        (failure("ModelError", 424, OriginalStatusCode=0), 502, "the model did not respond in "
         "time, or its response is too large"),
        (failure("ThrottlingException", 400), 429, "too many requests for the endpoint: try again "
         "later"),
        (failure("ModelNotReadyException", 429), 429, "too many requests for the endpoint: try "
         "again later"),
        (failure("ValidationError", 400), 400, "the endpoint does not accept this request"),
        (failure("ValidationError", 400, "Endpoint demo of account 1 not found."), 503,
         "the endpoint is not in service"),
        (failure("AccessDeniedException", 403), 503, "the endpoint is not in service"),
        (failure("InternalFailure", 500), 503, "the endpoint is not in service"),
        (failure("ServiceUnavailable", 503), 503, "the endpoint is not in service"),
        (ReadTimeoutError(endpoint_url=SECRET), 503, "the endpoint did not respond"),
    ],
)  # fmt: skip
def test_each_error_has_its_status_without_details_of_the_account(
    error: Exception, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(Runtime(error), request()) == (status, json.dumps({"message": message}))

    logged = json.loads(capsys.readouterr().out)
    assert (logged["status"], logged["request"], logged["endpoint"]) == (status, "r1", "demo")
    assert str(error)[:50] in logged["reason"]


def test_closed_connection_is_opened_again() -> None:
    runtime = Runtime(ConnectionClosedError(endpoint_url="e"), b"3.0")

    assert invoke(runtime, request()) == (200, "3.0")


def test_connection_closed_twice_is_an_error() -> None:
    runtime = Runtime(*[ConnectionClosedError(endpoint_url="e")] * 2)

    assert invoke(runtime, request())[0] == 503


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("é".encode(), "text/csv; charset=utf-8", "é"),
        (b"{}", "application/json", "{}"),
        (b"{}", "application/geo+json", "{}"),
        (b"{}\n", "application/jsonlines", "{}\n"),
        (b"\xff", "text/csv", None),
        (b"PNG", "image/png", None),
        (b"\x93NUMPY", "application/x-npy", None),
    ],
)
def test_text_is_returned_as_text_and_other_types_in_base64(
    body: bytes, content_type: str, text: str | None
) -> None:
    answer = to_response(body, content_type)

    assert answer["headers"] == {"content-type": content_type}
    assert answer["isBase64Encoded"] == (text is None)
    assert answer["body"] == (base64.b64encode(body).decode() if text is None else text)


def test_response_without_a_type_is_binary() -> None:
    assert to_response(b"3", "")["headers"] == {"content-type": "application/octet-stream"}


@pytest.mark.parametrize(
    ("size", "content_type", "fits"),
    [
        (5_000_000, "text/csv", True),
        (6_291_456, "text/csv", False),
        (4_500_000, "image/png", True),
        (5_000_000, "image/png", False),
    ],
)
def test_response_larger_than_allowed_is_an_error(size: int, content_type: str, fits: bool) -> None:
    status, body = invoke(Runtime(b"7" * size, content_type=content_type), request())

    assert status == (200 if fits else 502)
    assert fits or "larger than 6 MB" in json.loads(body)["message"]


@pytest.mark.parametrize("name", list(ENVIRONMENT))
def test_missing_setting_is_named(name: str) -> None:
    with pytest.raises(BadInputError, match=name):
        InvokeProxyConfig.read({key: value for key, value in ENVIRONMENT.items() if key != name})


def test_other_errors_are_raised() -> None:
    with pytest.raises(KeyError):
        invoke(Runtime(KeyError("bug")), request())


def test_error_without_status_is_a_bad_request() -> None:
    error = ClientError({"Error": {"Code": "ValidationError", "Message": ""}}, "InvokeEndpoint")

    assert http_error_of(error).status == 400
