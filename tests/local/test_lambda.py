"""Functions: creation, invocation, errors and logs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lambda_stage import (  # noqa: F401 - fixtures are found by name
    ECHO,
    RAISE,
    Create,
    client,
    cloud,
    code_of,
    create,
    invoke,
    log_of,
    package,
    shared_cloud,
)
from roles import USER

from sageloop.local_cloud.core.cloud import Cloud


def test_create_returns_the_configuration(client: Any, create: Create) -> None:
    name = create(ECHO, Environment={"Variables": {"COLOUR": "blue"}}, MemorySize=256)
    actual = client.get_function(FunctionName=name)["Configuration"]
    assert actual["State"] == "Active"
    assert actual["LastUpdateStatus"] == "Successful"
    assert actual["FunctionArn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert actual["Version"] == "$LATEST"
    assert actual["Environment"] == {"Variables": {"COLOUR": "blue"}}
    assert actual["LoggingConfig"]["LogGroup"] == f"/aws/lambda/{name}"
    assert (actual["MemorySize"], actual["Timeout"], actual["PackageType"]) == (256, 10, "Zip")


def test_create_with_existing_name_conflicts(client: Any, create: Create) -> None:
    name = create(ECHO)
    with pytest.raises(ClientError) as error:
        create(ECHO, FunctionName=name)
    assert code_of(error) == "ResourceConflictException"


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"Runtime": "nodejs22.x"}, "nodejs22.x"),
        ({"PackageType": "Image"}, "Image"),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "SnapStart"),
        ({"CodeSigningConfigArn": "arn:aws:lambda:us-east-1:123456789012:code-signing-config:"
          "csc-01234567890123456"}, "CodeSigningConfigArn"),
    ],
)  # fmt: skip
def test_create_refuses_unsupported_members_by_name(
    create: Create, members: dict[str, Any], named: str
) -> None:
    with pytest.raises(ClientError, match=named) as error:
        create(ECHO, **members)
    assert code_of(error) == "NotImplemented"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Role": "arn:aws:iam::123456789012:role/missing"}, "cannot be assumed by Lambda"),
        ({"Timeout": 901}, "less than or equal to 900"),
        ({"MemorySize": 20_000}, "less than or equal to 10240"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "reserved keys"),
        ({"Environment": {"Variables": {"BIG": "x" * 4100}}}, "4KB limit"),
        ({"Code": {"ZipFile": b"no zip"}}, "Could not unzip"),
        ({"Code": {"S3Bucket": "nowhere", "S3Key": "k"}}, "NoSuchBucket"),
        ({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:no:1"]}, "does not exist"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:lambda:us-east-1:123456789012:function:x"}},
         "dead letter"),
    ],
)  # fmt: skip
def test_create_refuses_invalid_values(
    create: Create, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        create(ECHO, **members)


def test_code_is_read_from_s3(cloud: Cloud, client: Any, create: Create) -> None:
    s3 = cloud.client("s3", principal=USER)
    s3.create_bucket(Bucket="assets")
    s3.put_object(Bucket="assets", Key="code.zip", Body=package({"index.py": ECHO}))
    name = create("", Code={"S3Bucket": "assets", "S3Key": "code.zip"})
    assert invoke(client, name, {"n": 1})[0] == {"n": 1}


def test_event_and_context_match_lambda(client: Any, create: Create) -> None:
    name = create(
        "import os, sys\n"
        "def handler(event, context):\n"
        "    left = context.get_remaining_time_in_millis()\n"
        "    return [event, context.function_name, context.memory_limit_in_mb,\n"
        "            context.invoked_function_arn, context.function_version, 0 < left <= 10000,\n"
        "            context.log_group_name, len(context.aws_request_id), os.environ['COLOUR'],\n"
        "            os.environ['LAMBDA_TASK_ROOT'] == os.getcwd() == sys.path[0],\n"
        "            os.environ['AWS_EXECUTION_ENV'], context.client_context.custom]\n",
        Environment={"Variables": {"COLOUR": "blue"}},
    )
    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    actual, answer = invoke(client, name, {"a": [1]}, ClientContext=context)
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert actual == [
        {"a": [1]}, name, "128", arn, "$LATEST", True, f"/aws/lambda/{name}", 36, "blue", True,
        "AWS_Lambda_python3.14", {"k": "v"},
    ]  # fmt: skip
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer


def test_function_calls_the_cloud_as_its_role(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(
        "import boto3\n"
        "def handler(event, context):\n"
        "    return boto3.client('sts').get_caller_identity()['Account']\n"
    )
    assert invoke(client, name)[0] == "123456789012"
    call = cloud.recorder.calls(action="sts:GetCallerIdentity")[-1]
    assert call.principal == f"arn:aws:sts::123456789012:assumed-role/runner/{name}"


def test_function_does_not_inherit_variables(
    client: Any, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    name = create(
        "import os\ndef handler(event, context):\n    return dict(os.environ)\n",
        Environment={"Variables": {"AWS_ENDPOINT_URL": "https://lambda.us-east-1.amazonaws.com"}},
    )
    env = invoke(client, name)[0]
    assert "AWS_PROFILE" not in env
    assert env["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_only_the_standard_library_and_boto3_can_be_imported(client: Any, create: Create) -> None:
    name = create("import numpy\ndef handler(event, context):\n    return 1\n")
    actual, answer = invoke(client, name)
    assert answer["FunctionError"] == "Unhandled"
    assert actual["errorType"] == "Runtime.ImportModuleError"
    assert actual["errorMessage"] == "Unable to import module 'index': No module named 'numpy'"


def test_warm_worker_is_reused(client: Any, create: Create) -> None:
    name = create(
        "import os\nn = 0\n"
        "def handler(event, context):\n    global n\n    n += 1\n    return [n, os.getpid()]\n"
    )
    first, second = invoke(client, name)[0], invoke(client, name)[0]
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == second[1]


def test_update_of_code_runs_the_new_code(client: Any, create: Create) -> None:
    name = create(ECHO)
    invoke(client, name)
    before = client.get_function_configuration(FunctionName=name)
    code = package({"index.py": "def handler(event, context):\n    return 'new'\n"})
    after = client.update_function_code(FunctionName=name, ZipFile=code)
    assert after["CodeSha256"] != before["CodeSha256"]
    assert after["RevisionId"] != before["RevisionId"]
    assert invoke(client, name)[0] == "new"


def test_update_of_configuration_keeps_the_rest(client: Any, create: Create) -> None:
    name = create(
        "import os\ndef handler(event, context):\n    return os.environ.get('AB')\n",
        Environment={"Variables": {"AB": "1"}},
        Description="one",
    )
    invoke(client, name)
    actual = client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"AB": "2"}}
    )
    assert actual["Description"] == "one"
    assert invoke(client, name)[0] == "2"


def test_update_with_a_stale_revision_is_refused(client: Any, create: Create) -> None:
    name = create(ECHO)
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName=name, Timeout=5, RevisionId="old")
    assert code_of(error) == "PreconditionFailedException"


def test_exception_becomes_a_function_error(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(RAISE)
    actual, answer = invoke(client, name, LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert (actual["errorType"], actual["errorMessage"]) == ("ValueError", "no luck")
    assert "line 2, in handler" in actual["stackTrace"][0]
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "[ERROR] ValueError: no luck" in tail


@pytest.mark.parametrize(
    ("handler", "source", "kind"),
    [
        ("index.missing", ECHO, "Runtime.HandlerNotFound"),
        ("nowhere.handler", ECHO, "Runtime.ImportModuleError"),
        ("index", ECHO, "Runtime.MalformedHandlerName"),
        ("index.handler", "def handler(:\n", "Runtime.UserCodeSyntaxError"),
        ("index.handler", "raise KeyError('K')\n", "KeyError"),
        ("index.handler", "def handler(e, c):\n    return {1, 2}\n", "Runtime.MarshalError"),
        ("index.handler", "import sys\ndef handler(e, c):\n    sys.exit(3)\n", "Runtime.ExitError"),
        ("index.handler", "import os\ndef handler(e, c):\n    os._exit(0)\n", "Runtime.ExitError"),
    ],
)
def test_failing_function_returns_its_error(
    client: Any, create: Create, handler: str, source: str, kind: str
) -> None:
    actual, answer = invoke(client, create(source, Handler=handler))
    assert answer["FunctionError"] == "Unhandled"
    assert actual["errorType"] == kind


def test_time_out_kills_the_worker(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(
        "import time\ndef handler(event, context):\n"
        "    if event:\n        print('begun', end='')\n        time.sleep(60)\n    return 'ok'\n",
        Timeout=1,
    )
    actual, answer = invoke(client, name, {"sleep": True}, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert actual["errorMessage"].endswith("Task timed out after 1.00 seconds")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "begun" in tail
    assert "Status: timeout" in tail
    assert invoke(client, name)[0] == "ok"


def test_log_is_written_to_its_group(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(
        "import logging, os, subprocess\n"
        "def handler(event, context):\n"
        "    print('hello')\n    logging.warning('two\\nlines')\n"
        "    subprocess.run(['echo', 'from a child'])\n"
    )
    invoke(client, name)
    lines = log_of(cloud, f"/aws/lambda/{name}")
    assert lines[0].startswith("INIT_START Runtime Version: python:3.14 (run by CPython 3.")
    assert lines[1].startswith("START RequestId: ")
    assert lines[2] == "hello\n"
    assert lines[3].startswith("[WARNING]\t")
    assert lines[3].endswith("\ttwo\rlines\n")
    assert lines[4] == "from a child\n"
    assert lines[5].startswith("END RequestId: ")
    assert lines[6].startswith("REPORT RequestId: ")
    assert "Init Duration: " in lines[6]


def test_log_in_virtual_time_is_stored(cloud: Cloud, client: Any, create: Create) -> None:
    name = create("def handler(event, context):\n    print('later')\n")
    cloud.clock.advance(40 * 86_400)
    invoke(client, name)
    assert "later\n" in log_of(cloud, f"/aws/lambda/{name}")


def test_json_log_contains_json_objects(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(
        "import logging\ndef handler(event, context):\n    logging.info('hi %s', 'you')\n",
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/mine/json"},
    )
    invoke(client, name)
    lines = [json.loads(line) for line in log_of(cloud, "/mine/json")]
    assert [x.get("type", x.get("message")) for x in lines] == [
        "platform.initStart", "platform.start", "hi you", "platform.report",
    ]  # fmt: skip
