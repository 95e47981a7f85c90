"""One endpoint of every kind in one local cloud, for clients that know only its address."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sageloop.local_cloud.client import LocalCloud

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2"
CODE = """
import os
from pathlib import Path

def model_fn(model_dir):
    return os.environ.get("NAME") or (Path(model_dir) / "name.txt").read_text()

def transform_fn(model, data, content_type, accept):
    # What comes from the container before has a charset in its type, and so comes as bytes.
    text = data if isinstance(data, str) else data.decode()
    if "wrong" in text:
        raise ValueError(f"{model} cannot read this")
    return f"{model}({text})", "text/csv"
"""
# Of each kind: what a request names besides the endpoint, and what the model makes of "x".
KINDS: dict[str, tuple[dict[str, str], str]] = {
    "real-time": ({}, "winter(x)"),
    "variants": ({"TargetVariant": "Summer"}, "summer(x)"),
    "serverless": ({}, "serverless(x)"),
    "multi-model": ({"TargetModel": "seven.tar.gz"}, "seven(x)"),
    "components": ({"InferenceComponentName": "part"}, "part(x)"),
    "pipeline": ({}, "second(first(x))"),
    "direct": ({"TargetContainerHostname": "second"}, "second(x)"),
}
ENDPOINTS = {"variants": "real-time"} | {kind: kind for kind in KINDS if kind != "variants"}


def trust_of(service: str) -> str:
    """A trust policy that lets a service assume the role."""
    principal = {"Service": service}
    allowed = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def archive(name: str) -> bytes:
    """A model with inference code that answers with the model's name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for path, text in {"name.txt": name, "code/inference.py": CODE}.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


class Kinds:
    """A local cloud and the endpoints in it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.sagemaker = cloud.client("sagemaker")
        self.s3 = cloud.client("s3")
        self.s3.create_bucket(Bucket="data")
        for key in ("model.tar.gz", "many/seven.tar.gz"):
            self.s3.put_object(Bucket="data", Key=key, Body=archive("seven"))
        iam = cloud.client("iam")
        trust = trust_of("sagemaker.amazonaws.com")
        self.role = iam.create_role(RoleName="serves", AssumeRolePolicyDocument=trust)["Role"][
            "Arn"
        ]
        for policy in ("AmazonSageMakerFullAccess", "AmazonS3FullAccess"):
            iam.attach_role_policy(RoleName="serves", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")

    def container(self, name: str) -> dict[str, Any]:
        environment = {"SAGEMAKER_PROGRAM": "inference.py", "NAME": name}
        return {
            "Image": IMAGE, "ModelDataUrl": "s3://data/model.tar.gz", "ContainerHostname": name,
            "Environment": environment,
        }  # fmt: skip

    def model(self, name: str, *containers: dict[str, Any], **more: Any) -> str:
        made = containers or (self.container(name),)
        told = {"PrimaryContainer": made[0]} if len(made) == 1 else {"Containers": list(made)}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, **told, **more)
        return name

    def variant(self, model: str | None, **more: Any) -> dict[str, Any]:
        named = {} if model is None else {"ModelName": model}
        size = {} if "ServerlessConfig" in more else {
            "InitialInstanceCount": 1, "InstanceType": "ml.m5.xlarge"
        }  # fmt: skip
        return {"VariantName": "AllTraffic", **named, **size, **more}

    def endpoint(self, name: str, *variants: dict[str, Any], **more: Any) -> None:
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=list(variants), **more
        )
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def build(self) -> None:
        """Make all of them at once, and wait."""
        self.endpoint(
            "real-time",
            self.variant(self.model("winter"), VariantName="Winter", InitialVariantWeight=1.0),
            self.variant(self.model("summer"), VariantName="Summer", InitialVariantWeight=0.0),
        )
        memory = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
        self.endpoint("serverless", self.variant(self.model("serverless"), ServerlessConfig=memory))
        output = {"S3OutputPath": "s3://data/out", "S3FailurePath": "s3://data/failed"}
        self.endpoint(
            "asynchronous", self.variant(self.model("queued")),
            AsyncInferenceConfig={"OutputConfig": output},
        )  # fmt: skip
        many = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://data/many/"}
        self.endpoint("multi-model", self.variant(self.model("many", many)))
        chain = [self.container("first"), self.container("second")]
        self.endpoint("pipeline", self.variant(self.model("chain", *chain)))
        direct = self.model("direct", *chain, InferenceExecutionConfig={"Mode": "Direct"})
        self.endpoint("direct", self.variant(direct))
        self.endpoint("components", self.variant(None), ExecutionRoleArn=self.role)
        self.cloud.settle()
        self.component()
        self.cloud.settle()
        for found in self.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]:
            assert found["EndpointStatus"] == "InService", found

    def component(self) -> None:
        needs = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 512}
        self.sagemaker.create_inference_component(
            InferenceComponentName="part", EndpointName="components", VariantName="AllTraffic",
            Specification={"ModelName": self.model("part"), "ComputeResourceRequirements": needs},
            RuntimeConfig={"CopyCount": 1},
        )  # fmt: skip


@contextmanager
def every_kind() -> Iterator[Kinds]:
    """A cloud in which each kind of endpoint is in service."""
    with LocalCloud.start() as cloud:
        kinds = Kinds(cloud)
        kinds.build()
        yield kinds
