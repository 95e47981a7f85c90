"""Start-up, memory, call rates and warm functions of the local cloud with their baselines."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, calls_a_second, milliseconds, rates_in_turn
from benchmarks.roles import function_role
from benchmarks.servers import Running, local_cloud, moto_server, started

_HANDLER = """
import json

def handler(event, context):
    return {"sum": sum(event["numbers"])}
"""
_EVENT = {"numbers": list(range(100))}


def measure() -> list[Figure]:
    """All figures of the local cloud; both servers run, and are called alternately."""
    with started(moto_server) as moto, started(local_cloud) as cloud:
        figures = _start(cloud, moto.seconds_to_answer)
        theirs, ours = _moto_calls(moto), _moto_calls(cloud)
        for name, call in ours.items():
            rate, yardstick = rates_in_turn(call, theirs[name])
            figures.append(_no_slower(name, rate, yardstick))
        figures += [_own(name, calls_a_second(call)) for name, call in _own_calls(cloud).items()]
        figures.append(_warm_function(cloud))
    return figures


def _start(cloud: Running, moto_seconds: float) -> list[Figure]:
    memory, ready = cloud.megabytes(), cloud.seconds_to_answer
    return [
        Figure(name="ready to respond", value=ready, unit="s", bound="<= 2 s", holds=ready <= 2,
               yardstick=moto_seconds, yardstick_name="moto's server"),
        Figure(name="memory when ready", value=memory, unit="MB", bound="<= 250 MB",
               holds=memory <= 250),
    ]  # fmt: skip


def _no_slower(name: str, value: float, yardstick: float) -> Figure:
    return Figure(name=name, value=value, unit="calls/s", bound=">= moto's server",
                  holds=value >= yardstick, yardstick=yardstick,
                  yardstick_name="moto's server")  # fmt: skip


def _own(name: str, value: float) -> Figure:
    return Figure(name=name, value=value, unit="calls/s", bound=">= 400 calls/s",
                  holds=value >= 400)  # fmt: skip


def _moto_calls(server: Running) -> dict[str, Callable[[], Any]]:
    sts, s3, dynamodb = (server.client(n) for n in ("sts", "s3", "dynamodb"))
    s3.create_bucket(Bucket="bench")
    dynamodb.create_table(
        TableName="bench", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    body = b"x" * 1024
    s3.put_object(Bucket="bench", Key="k", Body=body)
    item = {"id": {"S": "a"}, "value": {"N": "1"}}

    def get() -> bytes:
        answer = s3.get_object(Bucket="bench", Key="k")
        return bytes(answer["Body"].read())

    return {
        "sts:GetCallerIdentity": sts.get_caller_identity,
        "s3:PutObject 1 KB": lambda: s3.put_object(Bucket="bench", Key="k", Body=body),
        "s3:GetObject 1 KB": get,
        "dynamodb:PutItem": lambda: dynamodb.put_item(TableName="bench", Item=item),
    }


def _own_calls(server: Running) -> dict[str, Callable[[], Any]]:
    sagemaker, cloudwatch = server.client("sagemaker"), server.client("cloudwatch")
    events, functions = server.client("events"), server.client("lambda")
    datum = [{"MetricName": "m", "Value": 1.0}]
    return {
        "sagemaker:ListTrainingJobs": sagemaker.list_training_jobs,
        "cloudwatch:PutMetricData": lambda: cloudwatch.put_metric_data(
            Namespace="bench", MetricData=datum
        ),
        "cloudwatch:DescribeAlarms": cloudwatch.describe_alarms,
        "events:ListRules": events.list_rules,
        "lambda:ListFunctions": functions.list_functions,
    }


def _warm_function(server: Running) -> Figure:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", _HANDLER)
    role = function_role(server.client("iam"), "bench")
    functions = server.client("lambda")
    functions.create_function(
        FunctionName="bench", Runtime="python3.13", Handler="index.handler",
        Role=role, Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    payload = json.dumps(_EVENT).encode()
    scope: dict[str, Any] = {}
    exec(compile(_HANDLER, "index.py", "exec"), scope)  # noqa: S102 - the baseline
    plain = milliseconds(lambda: scope["handler"](json.loads(payload), None))

    def invoke() -> bytes:
        answer = functions.invoke(FunctionName="bench", Payload=payload)
        return bytes(answer["Payload"].read())

    warm = milliseconds(invoke)
    return Figure(name="warm function, over its handler in process", value=warm - plain, unit="ms",
                  bound="<= 60 ms", holds=warm - plain <= 60, yardstick=plain,
                  yardstick_name="the handler in process")  # fmt: skip
