"""A local cloud with a bucket, an endpoint and a function, for clients that are not boto3."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kinds_stage import Kinds

from sageloop.local_cloud.client import LocalCloud
from tests.local.roles import function_role

JAVASCRIPT = Path(__file__).with_name("javascript")
BUCKET, ENDPOINT, FUNCTION = "javascript", "served", "greeting"
CODE = """
def handler(event, context):
    print("called")
    return {"hello": event["name"]}
"""


@dataclass(frozen=True)
class Stage:
    """The cloud, and the only variables that its clients are given."""

    cloud: LocalCloud
    variables: dict[str, str]


@contextmanager
def stage() -> Iterator[Stage]:
    """A cloud in which the endpoint is in service and the function is deployed."""
    with LocalCloud.start() as cloud:
        kinds = Kinds(cloud)
        kinds.s3.create_bucket(Bucket=BUCKET)
        kinds.endpoint(ENDPOINT, kinds.variant(kinds.model("winter")))
        role = function_role(cloud.client("iam"), "functions")
        cloud.client("lambda").create_function(
            FunctionName=FUNCTION, Runtime="python3.13", Role=role, Handler="index.handler",
            Code={"ZipFile": _package()},
        )  # fmt: skip
        cloud.settle()
        # Nothing is inherited: no home folder, and so no files of accounts.
        yield Stage(cloud, cloud.access.environment(inherited={}))


def _package() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("index.py", CODE)
    return content.getvalue()
