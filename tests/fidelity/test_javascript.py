"""AWS's SDKs for JavaScript as clients that know a local cloud by its variables alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from clients_stage import BUCKET, ENDPOINT, FUNCTION, JAVASCRIPT, Stage, stage

USER = {"account": "123456789012", "arn": "arn:aws:iam::123456789012:user/local-admin"}
ODD_KEYS = [
    "plain.txt", "with space", "plus+plus", "ünï/çødé-鍵.csv", "percent%2Fliteral%41", "a//b",
    "./dot/../dots", "/leading", "trailing/", "quote'\"(1)!*&=?#;,:@$~",
]  # fmt: skip
REFUSALS = {
    "mismatch": {
        "sts": "SignatureDoesNotMatch", "s3": "SignatureDoesNotMatch",
        "sagemaker": "InvalidSignatureException", "lambda": "InvalidSignatureException",
    },
    "unknown": {
        "sts": "InvalidClientTokenId", "s3": "InvalidAccessKeyId",
        "sagemaker": "UnrecognizedClientException", "lambda": "UnrecognizedClientException",
    },
}  # fmt: skip
WRONG_KEYS = {
    "mismatch": {"AWS_SECRET_ACCESS_KEY": "wrong"},
    "unknown": {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
}
MEGABYTE = 1 << 20
V3 = "fidelity: the SDK for JavaScript v3 works with nothing but environment variables"
V2 = "fidelity: the SDK for JavaScript v2 works when the program hands it the endpoint"


@pytest.fixture(scope="module")
def made(require_installed: None) -> Iterator[Stage]:
    with stage() as built:
        yield built


@pytest.fixture(scope="module")
def require_installed(require: Any) -> None:
    require(JAVASCRIPT / "node_modules" / ".ready")


def call(
    made: Stage, program: str, case: str, given: Mapping[str, Any] | None = None, **changed: str
) -> Any:
    """Run a case of a program in the cloud's variables, with some changed, and read its result."""
    done = subprocess.run(
        ["node", JAVASCRIPT / f"{program}.mjs", case, json.dumps(given or {})],
        env=made.variables | changed, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.feature(V3)
def test_v3_identifies_the_caller(made: Stage) -> None:
    assert call(made, "client_v3", "identity") == USER


@pytest.mark.feature(V3)
def test_v3_stores_and_lists_odd_keys(made: Stage) -> None:
    bucket = "odd-keys-v3"
    made.cloud.client("s3").create_bucket(Bucket=bucket)

    found = call(made, "client_v3", "keys", {"bucket": bucket, "keys": ODD_KEYS})

    assert found["contents"] == {k: [f"body {i}", str(i)] for i, k in enumerate(ODD_KEYS)}
    assert found["listed"] == sorted(ODD_KEYS, key=str.encode)


def test_v3_copies_and_deletes_odd_keys(made: Stage) -> None:
    keys = {"from": "ü +/a%2Fb", "to": "c//d +"}

    found = call(made, "client_v3", "copied", {"bucket": BUCKET, **keys})

    assert found == {"body": "copied", "deleted": sorted(keys.values())}


@pytest.mark.feature(V3)
def test_v3_streams_a_body_with_its_checksum_in_a_trailer(made: Stage) -> None:
    given = {"bucket": BUCKET, "key": "streamed", "length": 333_333}

    found = call(made, "client_v3", "streamed", given)

    assert found["seen"] == {
        "payload": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "trailer": "x-amz-checksum-crc32",
        "crc32": None,
    }  # fmt: skip
    assert found["same"]
    assert found["stored"] == found["sent"] is not None
    assert found["encoding"] is None


def test_v3_sends_the_crc32_of_a_body_in_memory(made: Stage) -> None:
    found = call(made, "client_v3", "buffered", {"bucket": BUCKET, "key": "b", "body": "hello"})

    assert found["seen"]["crc32"] == found["sent"] == "NhCmhg=="


@pytest.mark.feature(V3)
def test_v3_uploads_a_stream_in_parts(made: Stage) -> None:
    length = 12 * MEGABYTE + 1
    given = {"bucket": BUCKET, "key": "parts +ü", "length": length}

    found = call(made, "client_v3", "parts", given)

    assert found["same"]
    assert found["length"] == length
    assert found["etag"].strip('"').endswith("-3")


@pytest.mark.feature(V3)
def test_v3_presigns_what_fetch_may_do(made: Stage) -> None:
    given = {"bucket": BUCKET, "key": "presigned/ü +.txt", "body": "by fetch"}

    found = call(made, "client_v3", "presigned", given)

    assert (found["put"], found["refusal"]) == (200, "")
    assert (found["get"], found["body"]) == (200, "by fetch")
    # Of a body that it does not know yet the SDK signs a checksum all the same; S3 ignores it.
    assert "x-amz-checksum-crc32" in found["query"]
    assert found["other"] == [403, "SignatureDoesNotMatch"]


def test_v3_knows_the_errors_of_absent_objects(made: Stage) -> None:
    found = call(made, "client_v3", "absent", {"bucket": BUCKET})

    assert found == ["NoSuchKey", "NotFound", "NoSuchBucket"]


@pytest.mark.feature(V3)
def test_v3_invokes_and_streams_an_endpoint(made: Stage) -> None:
    assert call(made, "client_v3", "endpoint", {"name": ENDPOINT}) == {
        "status": "InService", "created": True, "whole": "winter(x)", "variant": "AllTraffic",
        "stream": "winter(x)",
    }  # fmt: skip


def test_v3_knows_the_errors_of_unknown_endpoints(made: Stage) -> None:
    found = call(made, "client_v3", "unknown_endpoint")

    assert found == [["ValidationException", 400], ["ValidationError", 400]]


@pytest.mark.feature(V3)
def test_v3_invokes_a_function(made: Stage) -> None:
    given = {"name": FUNCTION, "payload": {"name": "ü"}}

    found = call(made, "client_v3", "function", given)

    assert (found["status"], found["payload"], found["error"]) == (200, {"hello": "ü"}, None)
    assert "called\n" in found["log"]


@pytest.mark.feature("fidelity: the SDKs for JavaScript read refusals as AWS's")
@pytest.mark.parametrize("program", ["client_v3", "client_v2"])
@pytest.mark.parametrize("why", REFUSALS)
def test_requests_with_wrong_keys_are_refused(made: Stage, program: str, why: str) -> None:
    assert call(made, program, "refused", {"bucket": BUCKET}, **WRONG_KEYS[why]) == REFUSALS[why]


def test_v2_ignores_the_variable_of_the_endpoint(made: Stage) -> None:
    # This is why a program for v2 has to hand the endpoint over: docs/limits.md says so.
    assert call(made, "client_v2", "without_endpoint") == "sts.amazonaws.com"


@pytest.mark.feature(V2)
def test_v2_identifies_the_caller(made: Stage) -> None:
    assert call(made, "client_v2", "identity") == USER


@pytest.mark.feature(V2)
def test_v2_stores_and_lists_odd_keys(made: Stage) -> None:
    bucket = "odd-keys-v2"
    made.cloud.client("s3").create_bucket(Bucket=bucket)

    found = call(made, "client_v2", "keys", {"bucket": bucket, "keys": ODD_KEYS})

    assert found["contents"] == {k: [f"body {i}", str(i)] for i, k in enumerate(ODD_KEYS)}
    assert found["listed"] == sorted(ODD_KEYS, key=str.encode)


@pytest.mark.feature(V2)
def test_v2_uploads_in_parts(made: Stage) -> None:
    length = 12 * MEGABYTE + 1

    found = call(
        made, "client_v2", "parts", {"bucket": BUCKET, "key": "parts-v2", "length": length}
    )

    assert (found["same"], found["length"]) == (True, length)
    assert found["etag"].strip('"').endswith("-3")


@pytest.mark.feature(V2)
@pytest.mark.parametrize(("version", "parameter"), [("v4", "X-Amz-Signature"), ("v2", "Signature")])
def test_v2_presigns_what_fetch_may_do(made: Stage, version: str, parameter: str) -> None:
    given = {"bucket": BUCKET, "key": "presigned/ü +.txt", "body": version, "version": version}

    found = call(made, "client_v2", "presigned", given)

    assert (found["put"], found["refusal"]) == (200, "")
    assert (found["get"], found["body"]) == (200, version)
    assert parameter in found["query"]


@pytest.mark.feature(V2)
def test_v2_invokes_an_endpoint_and_a_function(made: Stage) -> None:
    served = call(made, "client_v2", "endpoint", {"name": ENDPOINT})
    answered = call(made, "client_v2", "function", {"name": FUNCTION, "payload": {"name": "you"}})

    assert served == {"status": "InService", "whole": "winter(x)"}
    assert answered == {"status": 200, "payload": {"hello": "you"}}
