"""Functions through boto3: they really run, in processes of their own."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cheroot.wsgi import Server

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.functions.service import LambdaService

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
RULE = "arn:aws:events:us-east-1:123456789012:rule/nightly"

Create = Callable[..., str]


def package(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def shared_cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add([LambdaService(cloud), CloudWatchService(cloud)])
    server = Server(("127.0.0.1", 0), cloud.front, numthreads=16)
    server.prepare()
    cloud.port = server.bind_addr[1]
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    cloud.start()
    iam = cloud.client("iam", principal="tester")
    iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(TRUST))
    yield cloud
    cloud.stop()
    server.stop()
    thread.join(5)


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Iterator[Cloud]:
    yield shared_cloud
    shared_cloud.faults.clear()


@pytest.fixture
def client(cloud: Cloud) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def create(client: Any, request: pytest.FixtureRequest) -> Iterator[Create]:
    made: list[str] = []

    def make(source: str, **members: Any) -> str:
        name = re.sub(r"\W+", "-", f"f{len(made)}-{request.node.name}")[:60].rstrip("-")
        asked: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": "python3.14",
            "Handler": "index.handler",
            "Role": "arn:aws:iam::123456789012:role/runner",
            "Code": {"ZipFile": package({"index.py": source})},
            "Timeout": 10,
        }
        client.create_function(**{**asked, **members})
        made.append(name)
        return name

    yield make
    for name in made:
        try:
            client.delete_function(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            continue


def invoke(client: Any, name: str, event: Any = None, **members: Any) -> tuple[Any, dict[str, Any]]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **members)
    text = answer["Payload"].read()
    return (json.loads(text) if text else None), answer


def log_of(cloud: Cloud, group: str) -> list[str]:
    assert cloud.settle() == []
    events = cloud.client("logs", principal="tester").filter_log_events(logGroupName=group)
    return [e["message"] for e in events["events"]]


ECHO = "def handler(event, context):\n    return event\n"
RAISE = "def handler(event, context):\n    raise ValueError('no luck')\n"


def test_create_returns_the_configuration(client: Any, create: Create) -> None:
    name = create(ECHO, Environment={"Variables": {"COLOUR": "blue"}}, MemorySize=256)
    found = client.get_function(FunctionName=name)["Configuration"]
    assert found["State"] == "Active"
    assert found["LastUpdateStatus"] == "Successful"
    assert found["FunctionArn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert found["Version"] == "$LATEST"
    assert found["Environment"] == {"Variables": {"COLOUR": "blue"}}
    assert found["LoggingConfig"]["LogGroup"] == f"/aws/lambda/{name}"
    assert (found["MemorySize"], found["Timeout"], found["PackageType"]) == (256, 10, "Zip")


def test_create_of_a_taken_name_conflicts(client: Any, create: Create) -> None:
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
def test_create_refuses_by_name(create: Create, members: dict[str, Any], named: str) -> None:
    with pytest.raises(ClientError, match=named) as error:
        create(ECHO, **members)
    assert code_of(error) == "NotImplemented"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Role": "arn:aws:iam::123456789012:role/nobody"}, "cannot be assumed by Lambda"),
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
def test_create_refuses_wrong_values(create: Create, members: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        create(ECHO, **members)


def test_code_comes_from_s3(cloud: Cloud, client: Any, create: Create) -> None:
    s3 = cloud.client("s3", principal="tester")
    s3.create_bucket(Bucket="assets")
    s3.put_object(Bucket="assets", Key="code.zip", Body=package({"index.py": ECHO}))
    name = create("", Code={"S3Bucket": "assets", "S3Key": "code.zip"})
    assert invoke(client, name, {"n": 1})[0] == {"n": 1}


def test_event_and_context_are_lambdas(client: Any, create: Create) -> None:
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
    found, answer = invoke(client, name, {"a": [1]}, ClientContext=context)
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert found == [
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


def test_inherited_variables_never_reach_a_function(
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


def test_only_the_standard_library_and_boto3_are_there(client: Any, create: Create) -> None:
    name = create("import numpy\ndef handler(event, context):\n    return 1\n")
    found, answer = invoke(client, name)
    assert answer["FunctionError"] == "Unhandled"
    assert found["errorType"] == "Runtime.ImportModuleError"
    assert found["errorMessage"] == "Unable to import module 'index': No module named 'numpy'"


def test_warm_worker_is_used_again(client: Any, create: Create) -> None:
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
    found = client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"AB": "2"}}
    )
    assert found["Description"] == "one"
    assert invoke(client, name)[0] == "2"


def test_update_with_a_stale_revision_is_refused(client: Any, create: Create) -> None:
    name = create(ECHO)
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName=name, Timeout=5, RevisionId="old")
    assert code_of(error) == "PreconditionFailedException"


def test_exception_becomes_a_function_error(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(RAISE)
    found, answer = invoke(client, name, LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert (found["errorType"], found["errorMessage"]) == ("ValueError", "no luck")
    assert "line 2, in handler" in found["stackTrace"][0]
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
def test_broken_function_has_its_error(
    client: Any, create: Create, handler: str, source: str, kind: str
) -> None:
    found, answer = invoke(client, create(source, Handler=handler))
    assert answer["FunctionError"] == "Unhandled"
    assert found["errorType"] == kind


def test_time_out_kills_the_worker(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(
        "import time\ndef handler(event, context):\n"
        "    if event:\n        print('begun', end='')\n        time.sleep(60)\n    return 'ok'\n",
        Timeout=1,
    )
    found, answer = invoke(client, name, {"sleep": True}, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert found["errorMessage"].endswith("Task timed out after 1.00 seconds")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "begun" in tail
    assert "Status: timeout" in tail
    assert invoke(client, name)[0] == "ok"


def test_log_goes_to_its_group(cloud: Cloud, client: Any, create: Create) -> None:
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


def test_log_in_virtual_time_is_kept(cloud: Cloud, client: Any, create: Create) -> None:
    name = create("def handler(event, context):\n    print('later')\n")
    cloud.clock.advance(40 * 86_400)
    invoke(client, name)
    assert "later\n" in log_of(cloud, f"/aws/lambda/{name}")


def test_json_log_is_json(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(
        "import logging\ndef handler(event, context):\n    logging.info('hi %s', 'you')\n",
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/mine/json"},
    )
    invoke(client, name)
    lines = [json.loads(line) for line in log_of(cloud, "/mine/json")]
    assert [x.get("type", x.get("message")) for x in lines] == [
        "platform.initStart", "platform.start", "hi you", "platform.report",
    ]  # fmt: skip


def test_layers_are_importable_in_order(client: Any, create: Create) -> None:
    arns = []
    for value in ("one", "two"):
        made = client.publish_layer_version(
            LayerName="shared",
            Content={"ZipFile": package({"python/shared.py": f"VALUE = '{value}'\n"})},
            CompatibleRuntimes=["python3.14"],
        )
        arns.append(made["LayerVersionArn"])
    source = "import shared\ndef handler(event, context):\n    return shared.VALUE\n"
    assert invoke(client, create(source, Layers=arns))[0] == "two"
    assert invoke(client, create(source, Layers=arns[::-1]))[0] == "one"
    listed = client.list_layer_versions(LayerName="shared")["LayerVersions"]
    assert [x["Version"] for x in listed] == [2, 1]
    assert client.get_layer_version_by_arn(Arn=arns[0])["Content"]["CodeSize"] > 0


def test_functions_own_sdk_wins(client: Any, create: Create) -> None:
    files = {
        "index.py": "import boto3\ndef handler(e, c):\n    return boto3.__version__\n",
        "boto3/__init__.py": "__version__ = 'mine'\n",
    }
    name = create("", Code={"ZipFile": package(files)})
    assert invoke(client, name)[0] == "mine"


def test_versions_and_aliases_freeze_code(client: Any, create: Create) -> None:
    name = create("def handler(event, context):\n    return context.invoked_function_arn\n")
    first = client.publish_version(FunctionName=name)
    assert first["Version"] == "1"
    assert client.publish_version(FunctionName=name)["Version"] == "1"
    client.update_function_code(FunctionName=name, ZipFile=package({"index.py": ECHO}))
    alias = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert invoke(client, alias["AliasArn"])[0] == alias["AliasArn"]
    assert invoke(client, name, "new")[0] == "new"
    assert invoke(client, name, Qualifier="live")[1]["ExecutedVersion"] == "1"
    second = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=second)
    assert invoke(client, name, "x", Qualifier="live")[0] == "x"
    with pytest.raises(ClientError) as error:
        client.delete_function(FunctionName=name, Qualifier="2")
    assert code_of(error) == "ResourceConflictException"
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1", "2"]


def test_dry_run_runs_nothing(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(RAISE)
    assert invoke(client, name, InvocationType="DryRun")[1]["StatusCode"] == 204


def test_bad_requests_have_lambdas_errors(client: Any, create: Create) -> None:
    with pytest.raises(ClientError, match="Function not found: arn:aws:lambda") as error:
        client.invoke(FunctionName="nobody")
    assert code_of(error) == "ResourceNotFoundException"
    name = create(ECHO)
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName=name, Payload=b"{")
    assert code_of(error) == "InvalidRequestContentException"
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName=name, Payload=b'"' + b"x" * 6_291_456 + b'"')
    assert code_of(error) == "RequestTooLargeException"
    with pytest.raises(ClientError, match="CreateEventSourceMapping"):
        client.create_event_source_mapping(FunctionName=name, EventSourceArn="arn:aws:sqs:::q")


def test_reserved_concurrency_of_zero_throttles(client: Any, create: Create) -> None:
    name = create(ECHO)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded") as error:
        client.invoke(FunctionName=name)
    assert code_of(error) == "TooManyRequestsException"
    client.delete_function_concurrency(FunctionName=name)
    assert invoke(client, name, 1)[0] == 1


def test_concurrent_invocations_have_processes_of_their_own(client: Any, create: Create) -> None:
    name = create(
        "import os, time\n"
        "def handler(event, context):\n    time.sleep(0.4)\n    return os.getpid()\n"
    )
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(invoke(client, name)[0])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 3


def test_delete_ends_the_workers(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(ECHO)
    invoke(client, name)
    assert f"lambda:{name}" in cloud.processes.running().values()
    client.delete_function(FunctionName=name)
    assert cloud.processes.running() == {}
    with pytest.raises(ClientError) as error:
        client.get_function(FunctionName=name)
    assert code_of(error) == "ResourceNotFoundException"


def test_code_can_be_downloaded(client: Any, create: Create) -> None:
    location = client.get_function(FunctionName=create(ECHO))["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:  # noqa: S310 - of the local cloud
        assert zipfile.ZipFile(io.BytesIO(answer.read())).read("index.py").decode() == ECHO


def test_functions_are_listed_by_pages(client: Any, create: Create) -> None:
    names = {create(ECHO) for _ in range(3)}
    pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    assert {f["FunctionName"] for page in pages for f in page["Functions"]} == names


def test_ordered_death_is_an_exit_error(cloud: Cloud, client: Any, create: Create) -> None:
    name = create("import time\ndef handler(event, context):\n    time.sleep(event)\n")
    cloud.faults.order(kind="process", match=f"lambda:{name}")
    found, _ = invoke(client, name, 5)
    assert found["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "FunctionError" not in invoke(client, name, 0)[1]


def test_metrics_are_published(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(RAISE)
    invoke(client, name)
    now = cloud.clock.time()
    found = cloud.client("cloudwatch", principal="tester").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Errors", Statistics=["Sum"], Period=60,
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=now - 120, EndTime=now + 120,
    )  # fmt: skip
    assert sum(p["Sum"] for p in found["Datapoints"]) == 1


def test_tags_and_account_settings(client: Any, create: Create) -> None:
    name = create(ECHO, Tags={"a": "1"})
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert client.get_account_settings()["AccountUsage"]["FunctionCount"] >= 1
