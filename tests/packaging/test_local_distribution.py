"""The distribution of the local cloud, installed without the CDK and without constructs."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.packaging.test_wheel import LOCAL, PIN, ROOT

pytestmark = pytest.mark.slow

_TEST = """
import importlib.util

TEMPLATE = {
    "Resources": {
        "Work": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 90}},
        "Data": {"Type": "AWS::S3::Bucket", "Properties": {}},
    },
    "Outputs": {"Queue": {"Value": {"Ref": "Work"}}, "Bucket": {"Value": {"Ref": "Data"}}},
}


def test_template_is_deployed(local_cloud):
    outputs = local_cloud.deploy_template("plain", TEMPLATE)

    request = {"QueueUrl": outputs["Queue"], "AttributeNames": ["VisibilityTimeout"]}
    attributes = local_cloud.client("sqs").get_queue_attributes(**request)["Attributes"]
    assert attributes == {"VisibilityTimeout": "90"}
    local_cloud.client("s3").head_bucket(Bucket=outputs["Bucket"])


def test_neither_cdk_nor_constructs_are_there():
    absent = ("aws_cdk", "constructs", "constructs_lib", "typer")
    assert [name for name in absent if importlib.util.find_spec(name)] == []
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    ended = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder),
         str(ROOT / "distributions" / "sageloop-local")],
        text=True, check=False, capture_output=True, cwd=folder,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_contains_only_the_local_cloud(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        name
        for path in (ROOT / "sageloop").rglob("*.py")
        if (name := str(path.relative_to(ROOT))).startswith(LOCAL)
    }

    assert expected - content == set()
    assert [name for name in content if not name.startswith(LOCAL)] == []


# It creates an environment from the package index; `make test` shows what the wheel holds, and by
# the import contracts that the local cloud needs nothing else.
@pytest.mark.long
def test_template_is_deployed_with_the_local_cloud_only(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    pins = PIN.findall((ROOT / "requirements" / "dev.txt").read_text())
    (tmp_path / "constraints.txt").write_text("\n".join(pins) + "\n")
    (tmp_path / "test_plain.py").write_text(_TEST)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON", "PYTEST"))}

    def run(*words: str) -> None:
        ended = subprocess.run(
            [python, "-m", *words], cwd=tmp_path, env=clean, text=True, check=False,
            capture_output=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr

    run("pip", "install", "--quiet", "-c", "constraints.txt", str(wheel), "pytest")
    run("pytest", "-q", "test_plain.py")
