"""The environment variables of the project's commands: none of the user's account remains."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sageloop.environment import NotLoopbackError, local_environment, require_loopback

HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SESSION_TOKEN": "t",
    "AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com",
    "AWS_ROLE_ARN": "arn",
    "CDK_OUTDIR": "x",
    "HTTPS_PROXY": "http://proxy:3128",
    "BOTO_CONFIG": "x",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/home/u",
    "PATH": "/usr/bin",
}


def test_inherited_account_variables_are_removed() -> None:
    made = local_environment("http://127.0.0.1:4747", region="eu-west-1", inherited=HOSTILE)

    kept = {"HOME", "PATH", "AWS_ACCESS_KEY_ID"}
    for gone in HOSTILE.keys() - kept:
        assert gone not in made
    assert made["AWS_ACCESS_KEY_ID"] != "AKIAREAL"
    assert made["HOME"] == "/home/u"


def test_files_metadata_and_telemetry_are_off() -> None:
    made = local_environment("http://127.0.0.1:4747", region="eu-west-1", inherited={})

    assert made["AWS_CONFIG_FILE"] == made["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    assert made["AWS_EC2_METADATA_DISABLED"] == "true"
    assert made["CDK_DISABLE_CLI_TELEMETRY"] == "true"
    assert made["NO_PROXY"] == "*"
    defaults = yaml.safe_load(Path(made["SAGEMAKER_ADMIN_CONFIG_OVERRIDE"]).read_text())
    assert defaults["SageMaker"]["PythonSDK"]["Modules"]["TelemetryOptOut"] is True


@pytest.mark.parametrize(
    ("inherited", "expected"), [({}, "false"), ({"CDK_VALIDATION": "true"}, "true")]
)
def test_cdk_validates_templates_only_if_the_variable_is_set(
    inherited: dict[str, str], expected: str
) -> None:
    made = local_environment("http://127.0.0.1:1", region="eu-west-1", inherited=inherited)

    assert made["CDK_VALIDATION"] == expected


@pytest.mark.parametrize(
    "url",
    ["https://sagemaker.eu-west-1.amazonaws.com", "http://10.0.0.7:4747", "http://localhost.evil",
     "http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:port"],
)  # fmt: skip
def test_endpoint_of_another_machine_is_refused_for_commands(url: str) -> None:
    with pytest.raises(NotLoopbackError, match="must be on this machine"):
        require_loopback(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_loopback_is_admitted(url: str) -> None:
    assert require_loopback(url) == url
