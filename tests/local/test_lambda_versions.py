"""Functions: layers, versions, concurrency, listing and metrics."""

from __future__ import annotations

import io
import threading
import urllib.request
import zipfile
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
    package,
    shared_cloud,
)
from roles import USER
from werkzeug.test import EnvironBuilder

from sageloop.local_cloud.access.signing import signed_headers
from sageloop.local_cloud.core.cloud import Cloud


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


def test_sdk_of_the_package_replaces_the_runtimes(client: Any, create: Create) -> None:
    files = {
        "index.py": "import boto3\ndef handler(e, c):\n    return boto3.__version__\n",
        "boto3/__init__.py": "__version__ = 'mine'\n",
    }
    name = create("", Code={"ZipFile": package(files)})
    assert invoke(client, name)[0] == "mine"


def test_versions_and_aliases_keep_their_code(client: Any, create: Create) -> None:
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


def test_dry_run_does_not_invoke(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(RAISE)
    assert invoke(client, name, InvocationType="DryRun")[1]["StatusCode"] == 204


def test_invalid_requests_have_lambdas_errors(client: Any, create: Create) -> None:
    with pytest.raises(ClientError, match="Function not found: arn:aws:lambda") as error:
        client.invoke(FunctionName="missing")
    assert code_of(error) == "ResourceNotFoundException"
    name = create(ECHO)
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName=name, Payload=b"{")
    assert code_of(error) == "InvalidRequestContentException"
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName=name, Payload=b'"' + b"x" * 6_291_456 + b'"')
    assert code_of(error) == "RequestEntityTooLargeException"


def test_reserved_concurrency_of_zero_throttles(client: Any, create: Create) -> None:
    name = create(ECHO)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded") as error:
        client.invoke(FunctionName=name)
    assert code_of(error) == "TooManyRequestsException"
    client.delete_function_concurrency(FunctionName=name)
    assert invoke(client, name, 1)[0] == 1


def test_concurrent_invocations_have_separate_processes(client: Any, create: Create) -> None:
    name = create(
        "import os, time\n"
        "def handler(event, context):\n    time.sleep(0.4)\n    return os.getpid()\n"
    )
    actual: list[int] = []
    threads = [
        threading.Thread(target=lambda: actual.append(invoke(client, name)[0])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(actual)) == 3


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


def test_functions_are_listed_in_pages(client: Any, create: Create) -> None:
    names = {create(ECHO) for _ in range(3)}
    name_lists = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    assert {f["FunctionName"] for listed in name_lists for f in listed["Functions"]} == names


def test_process_killed_by_a_fault_is_an_exit_error(
    cloud: Cloud, client: Any, create: Create
) -> None:
    name = create("import time\ndef handler(event, context):\n    time.sleep(event)\n")
    cloud.faults.inject(kind="process", match=f"lambda:{name}")
    actual, _ = invoke(client, name, 5)
    assert actual["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "FunctionError" not in invoke(client, name, 0)[1]


def test_metrics_are_published(cloud: Cloud, client: Any, create: Create) -> None:
    name = create(RAISE)
    invoke(client, name)
    now = cloud.clock.time()
    actual = cloud.client("cloudwatch", principal=USER).get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Errors", Statistics=["Sum"], Period=60,
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=now - 120, EndTime=now + 120,
    )  # fmt: skip
    assert sum(p["Sum"] for p in actual["Datapoints"]) == 1


def test_tags_and_account_settings(client: Any, create: Create) -> None:
    name = create(ECHO, Tags={"a": "1"})
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert client.get_account_settings()["AccountUsage"]["FunctionCount"] >= 1


def test_responses_without_a_body_have_no_bytes_on_the_connection(
    cloud: Cloud, client: Any, create: Create
) -> None:
    name = create(ECHO)
    sent: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        sent.append(status)
        sent.extend(header for header, _ in headers if header.lower() == "content-length")

    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    path = f"/2017-10-31/functions/{name}/concurrency"
    signed = signed_headers(
        cloud.access, service="lambda", method="DELETE", url=cloud.endpoint_url + path
    )
    environ = EnvironBuilder(
        method="DELETE", path=path, base_url=cloud.endpoint_url, headers=signed
    ).get_environ()
    body = b"".join(cloud.front(environ, start_response))
    assert (sent, body) == (["204 No Content"], b"")
