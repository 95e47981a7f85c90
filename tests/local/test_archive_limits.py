"""Too large or unsafe packages and model archives are refused during extraction."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hosting_stage import IMAGE, served_image
from lambda_stage import package
from process_stage import create_role, refusal
from roles import USER, hosting_role

from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.server import LocalCloudServer

ROLE = "arn:aws:iam::123456789012:role/training-tests"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as made:
        create_role(made)
        yield made


def zipped(*members: tuple[str | zipfile.ZipInfo, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = (stat.S_IFLNK | 0o777) << 16
    return made


def lying(data: bytes, size: int) -> bytes:
    """The archive with another declared size of its last member."""
    at = data.rindex(b"PK\x01\x02") + 24
    return data[:at] + size.to_bytes(4, "little") + data[at + 4 :]


def encrypted(data: bytes) -> bytes:
    """The archive with its last member marked as encrypted."""
    local, central = data.rindex(b"PK\x03\x04") + 6, data.rindex(b"PK\x01\x02") + 8
    made = bytearray(data)
    made[local] |= 1
    made[central] |= 1
    return bytes(made)


MEGABYTE = b"\0" * 1_000_000


def publish(cloud: LocalCloud, data: bytes) -> tuple[str, str, int]:
    return refusal(
        cloud.client("lambda").publish_layer_version, LayerName="refused",
        Content={"ZipFile": data},
    )  # fmt: skip


@pytest.mark.feature("functions: packages that are too large or unsafe are refused")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped(*[(f"f{n}", MEGABYTE) for n in range(263)]), "Unzipped size must be smaller than"),
        (zipped(("../outside", "x")), "'../outside' is outside the archive"),
        (zipped(("/outside", "x")), "'/outside' is outside the archive"),
        (zipped(("a/../../outside", "x")), "is outside the archive"),
        (zipped((link("out"), "/etc/passwd")), "the link 'out' points outside the archive"),
        (zipped((link("out"), "../..")), "the link 'out' points outside the archive"),
        (zipped((link("a/b"), ".."), (link("a/b/c"), "../..")), "points outside the archive"),
        (lying(zipped(("f", MEGABYTE)), 10), "Could not unzip uploaded file"),
        (encrypted(zipped(("f", "x"))), "Could not unzip uploaded file"),
        (zipped(("a", "x"), ("a/b", "y")), "Could not unzip uploaded file"),
        (b"PK\x05\x06", "Could not unzip uploaded file"),
    ],
    ids=["large", "parent", "root", "inner parent", "link", "link up", "links", "lie", "secret",
         "file as folder", "torn"],
)  # fmt: skip
def test_unsafe_package_is_refused_during_extraction(
    cloud: LocalCloud, data: bytes, reason: str
) -> None:
    code, message, _ = publish(cloud, data)

    assert code == "InvalidParameterValueException"
    assert reason in message


def test_links_inside_a_package_are_kept(cloud: LocalCloud) -> None:
    source = "import os\ndef handler(event, _):\n    return [open('lib/data').read(), os.readlink('lib/data')]\n"  # fmt: skip # noqa: E501
    data = zipped(
        ("index.py", f"import os\nos.chdir(os.path.dirname(__file__))\n{source}"),
        ("real/data", "linked"), (link("lib/data"), "../real/data"),
    )  # fmt: skip
    client = cloud.client("lambda")
    client.create_function(
        FunctionName="links", Runtime="python3.11", Handler="index.handler", Role=ROLE,
        Code={"ZipFile": data}, Timeout=60,
    )  # fmt: skip

    answer = client.invoke(FunctionName="links")["Payload"].read()

    assert json.loads(answer) == ["linked", "../real/data"]


@pytest.mark.feature("functions: packages that are too large or unsafe are refused")
def test_code_and_layers_share_one_limit(cloud: LocalCloud) -> None:
    client = cloud.client("lambda")
    half = zipped(*[(f"f{n}", MEGABYTE) for n in range(140)])
    layers = [
        client.publish_layer_version(LayerName=name, Content={"ZipFile": half})["LayerVersionArn"]
        for name in ("one", "two")
    ]
    members = {
        "FunctionName": "large", "Runtime": "python3.11", "Handler": "index.handler", "Role": ROLE,
    }  # fmt: skip
    small = {"ZipFile": package({"index.py": "def handler(*_): return 1"})}
    large = {"ZipFile": half}

    too_many = refusal(client.create_function, Code=small, Layers=layers, **members)
    too_much = refusal(client.create_function, Code=large, Layers=layers[:1], **members)
    client.create_function(Code=small, Layers=layers[:1], **members)
    later = refusal(client.update_function_code, FunctionName="large", ZipFile=half)

    limit = "262144000 bytes"
    assert too_many[:2] == (
        "InvalidParameterValueException",
        f"Layers consume more than the available size of {limit}",
    )
    assert too_much[:2] == later[:2] == (
        "InvalidParameterValueException",
        f"Function code combined with layers exceeds the maximum allowed size of {limit}. The "
        "actual size is 280000000 bytes.",
    )  # fmt: skip


@pytest.fixture(scope="module")
def hosted() -> Iterator[SimpleNamespace]:
    """A cloud in this process, with S3 and SageMaker."""
    server = LocalCloudServer(CloudConfig())
    server.start()
    hosting_role(server.cloud.client("iam", principal=USER), "training-tests")
    yield SimpleNamespace(cloud=server.cloud)
    server.stop()


def tarred(*members: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return made.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 0
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, to, size
    return made


@pytest.mark.feature("bad input: unsafe model archives are refused")
@pytest.mark.parametrize(
    "archive",
    [
        tarred(member("../outside", size=1)),
        tarred(member("link", tarfile.SYMTYPE, "/etc/passwd")),
        tarred(member("link", tarfile.SYMTYPE, "../..")),
        tarred(member("device", tarfile.CHRTYPE)),
        tarred(member("pipe", tarfile.FIFOTYPE)),
    ],
    ids=["parent", "link", "link up", "device", "pipe"],
)
def test_unsafe_model_archive_fails_the_endpoint(
    hosted: SimpleNamespace, archive: bytes, request: pytest.FixtureRequest
) -> None:
    name = f"e{abs(hash(request.node.name))}"
    s3 = hosted.cloud.client("s3", principal=USER)
    sagemaker = hosted.cloud.client("sagemaker", principal=USER)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=archive)
    with served_image():
        reason = failure_of(hosted, sagemaker, name)

    assert reason.startswith("Failed to extract model data archive")


def failure_of(hosted: SimpleNamespace, sagemaker: Any, name: str) -> str:
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "v", "ModelName": name, "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    ended = hosted.cloud.service("sagemaker").hosting.wait_endpoint(name)
    return str(ended["FailureReason"])
