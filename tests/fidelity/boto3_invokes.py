"""Run by a Python that knows the cloud by its variables alone: boto3 asks what it is told to."""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3


def main(requests: list[dict[str, Any]]) -> None:
    runtime = boto3.client("sagemaker-runtime")
    told = [asked(runtime, request) for request in requests]
    queued = runtime.invoke_endpoint_async(
        EndpointName="asynchronous", Body="x", ContentType="text/csv"
    )
    sys.stdout.write(json.dumps({"told": told, "queued": queued["OutputLocation"]}))


def asked(runtime: Any, request: dict[str, Any]) -> dict[str, Any]:
    whole = runtime.invoke_endpoint(**request)
    return {
        "whole": whole["Body"].read().decode(),
        "variant": whole["InvokedProductionVariant"],
        "stream": streamed(runtime, request) if streams(request) else None,
    }


def streams(request: dict[str, Any]) -> bool:
    # The API that streams knows no target model, and serverless endpoints do not stream.
    return "TargetModel" not in request and request["EndpointName"] != "serverless"


def streamed(runtime: Any, request: dict[str, Any]) -> str:
    answer = runtime.invoke_endpoint_with_response_stream(**request)
    return b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode()


if __name__ == "__main__":
    main(json.load(sys.stdin))
