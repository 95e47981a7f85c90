"""The requests of all jobs of settings, examples and the library; scripts of notebooks.

What Prowler's checks of SageMaker evaluate in an account, and no rule pack in templates.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.security import gallery
from tests.security.checks import jobs, secrets
from tests.security.conftest import Templates, documents

# Built here, so that no file of the project has a text in the form of a key.
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----"


@pytest.fixture(scope="module")
def library() -> dict[str, Any]:
    return {gallery.NAME: gallery.make().template()}


def requests(templates: Templates) -> list[tuple[str, dict[str, Any]]]:
    """The kind and request of each job."""
    return [
        (kind, document["request"])
        for kind in jobs.KINDS
        for document in documents(templates, f"Custom::{kind}Job")
    ]


def test_requests_of_all_jobs_pass(templates: dict[str, dict[str, Any]]) -> None:
    assert [fault for kind, each in requests(templates) for fault in jobs.check(kind, each)] == []


def test_requests_of_each_kind_of_job_of_the_library_pass(library: dict[str, Any]) -> None:
    of_library = requests(library)

    assert {kind for kind, _ in of_library} == set(jobs.KINDS)
    assert [fault for kind, each in of_library for fault in jobs.check(kind, each)] == []


@pytest.mark.parametrize("kind", jobs.KINDS)
def test_job_without_a_key_of_its_volume_is_reported(library: dict[str, Any], kind: str) -> None:
    request = next(each for known, each in requests(library) if known == kind)
    jobs.compute_of(kind, request).pop("VolumeKmsKeyId")

    assert jobs.check(kind, request) == [
        f"{kind.lower()}: volume is not encrypted with a customer managed key"
    ]


@pytest.mark.parametrize(("kind", "member"), [
    ("Processing", "ProcessingOutputConfig"), ("Transform", "TransformOutput"),
])  # fmt: skip
def test_job_without_a_key_of_its_output_is_reported(
    library: dict[str, Any], kind: str, member: str
) -> None:
    request = next(each for known, each in requests(library) if known == kind)
    request[member].pop("KmsKeyId")

    assert jobs.check(kind, request) == [
        f"{kind.lower()}: output is not encrypted with a customer managed key"
    ]


def test_scripts_of_notebooks_have_no_secrets(templates: dict[str, dict[str, Any]]) -> None:
    assert [fault for each in templates.values() for fault in secrets.findings(each)] == []


@pytest.mark.parametrize("secret", [KEY_ID, PEM])
@pytest.mark.parametrize("encoded", [False, True])
def test_secret_in_a_script_is_reported(
    library: dict[str, Any], secret: str, encoded: bool
) -> None:
    text = f"#!/bin/bash\nexport KEY='{secret}'\n"
    content: Any = {"Fn::Base64": text}
    if encoded:
        content = base64.b64encode(text.encode()).decode()
    lifecycle = {
        "Type": "AWS::SageMaker::NotebookInstanceLifecycleConfig",
        "Properties": {"OnStart": [{"Content": content}]},
    }

    assert len(secrets.findings({"Resources": {"Script": lifecycle}})) == 1
