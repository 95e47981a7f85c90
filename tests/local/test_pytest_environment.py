"""The fixture `local_cloud` isolates the test process from accounts, and keeps moto's mocks.

A run of pytest with a cloud takes 4 s of CPU: modules of users' tests with the same options are
run together, and each test here checks the outcomes of one of them.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
import users_modules as users
from fake_aws import FakeAws, fake_aws

# Each run starts pytest, and clouds, in separate processes.
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Run:
    """What became of users' tests, by the name of their module, and what reached the account."""

    code: int
    text: str
    outcomes: Mapping[str, list[str]]
    requests: list[str]


def users_tests(folder: Path, aws: FakeAws, *options: str, ini: str = "", **modules: str) -> Run:
    """Run modules of users' tests in a shell with account variables."""
    (folder / "code_under_test.py").write_text(users.CODE_UNDER_TEST)
    for name, text in modules.items():
        (folder / f"{name if name == 'conftest' else f'test_{name}'}.py").write_text(text)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = .\n{ini}")
    report = folder / "report.xml"
    environment = aws.environment()
    del environment["CDK_VALIDATION"]  # of this project's own tests
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
         *options, str(folder)],
        cwd=folder, text=True, capture_output=True, check=False, timeout=600, env=environment,
    )  # fmt: skip
    text = ended.stdout + ended.stderr
    outcomes = _outcomes(report) if report.exists() else {}
    return Run(ended.returncode, text, outcomes, list(aws.requests))


def _outcomes(report: Path) -> Mapping[str, list[str]]:
    outcomes: dict[str, list[str]] = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by pytest
        module = case.attrib["classname"].split(".")[0].removeprefix("test_")
        outcomes[module].append(next((each.tag for each in case if each.tag in _WRONG), "passed"))
    return outcomes


_WRONG = ("failure", "error", "skipped")


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FakeAws]:
    """A server that stands for AWS, to record calls of the code under test."""
    with fake_aws(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Users' tests without an option."""
    folder = tmp_path_factory.mktemp("plain")
    with fake_aws(folder) as aws:
        return users_tests(
            folder, aws, conftest=users.CONFTEST, code=users.CODE, restored=users.RESTORED,
            mocks=users.MOCKS, classes=users.CLASSES, keys=users.KEYS,
            validation=users.VALIDATION.format(value="false"),
        )  # fmt: skip


@pytest.fixture(scope="module")
def optional(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Users' tests with options of their own."""
    folder = tmp_path_factory.mktemp("optional")
    ini = (
        "local_cloud_region = eu-central-1\nlocal_cloud_rate = 100000\n"
        "local_cloud_allow =\n    AWS::ElastiCache::SubnetGroup\n"
        "local_cloud_cdk_validation = true\nsageloop_test_keys = true\n"
    )
    with fake_aws(folder) as aws:
        return users_tests(
            folder, aws, ini=ini, conftest=users.CONFTEST, options=users.OPTIONS, keys=users.KEYS,
            validation=users.VALIDATION.format(value=None),
        )  # fmt: skip


def test_code_under_test_reaches_the_cloud(plain: Run) -> None:
    assert plain.outcomes["code"] == ["passed"] * 5, plain.text


def test_environment_and_default_session_are_restored_after_the_test(plain: Run) -> None:
    passed = ["passed"] * 2

    assert plain.outcomes["restored"] == [*passed, "failure", *passed, "passed"], plain.text
    assert "on purpose" in plain.text


def test_calls_inside_mock_aws_are_answered_by_moto(plain: Run) -> None:
    assert plain.outcomes["mocks"] == ["passed"] * 6, plain.text


def test_unittest_classes_reach_the_cloud(plain: Run) -> None:
    assert plain.outcomes["classes"] == ["passed"] * 2, plain.text


def test_no_call_of_users_tests_reaches_the_account(plain: Run, optional: Run) -> None:
    assert len(plain.outcomes) == 6
    assert (plain.requests, optional.requests) == ([], [])


def test_published_test_keys_are_accepted_by_option_only(plain: Run, optional: Run) -> None:
    assert optional.outcomes["keys"] == ["passed"], optional.text
    assert plain.outcomes["keys"] == ["failure"], plain.text


def test_cdk_validates_templates_only_if_the_option_is_set(plain: Run, optional: Run) -> None:
    assert plain.outcomes["validation"] == ["passed"], plain.text
    assert optional.outcomes["validation"] == ["passed"], optional.text


def test_region_rate_and_allowed_types_are_configurable(optional: Run) -> None:
    assert optional.outcomes["options"] == ["passed"], optional.text


def test_without_the_fixture_code_under_test_reaches_its_account(
    tmp_path: Path, aws: FakeAws
) -> None:
    ended = users_tests(tmp_path, aws, outside="""
from code_under_test import early, names

def test_client_of_the_test():
    names()

def test_client_made_at_import():
    names(early)
""")  # fmt: skip

    # The account's own region, and that of the client.
    assert ["eu-west-1" in request for request in ended.requests] == [True, False], ended.text


def test_disabled_environment_option_keeps_the_account(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(tmp_path, aws, ini="local_cloud_environment = false\n", account="""
import os

def test_account(local_cloud):
    assert os.environ["AWS_PROFILE"] == "production"
    assert "AWS_ENDPOINT_URL" not in os.environ
""")  # fmt: skip

    assert ended.outcomes["account"] == ["passed"], ended.text


def test_workers_of_xdist_have_separate_clouds(tmp_path: Path, aws: FakeAws) -> None:
    options = ("-n", "2", "--dist", "each", "-k", "one and 0")
    ended = users_tests(tmp_path, aws, *options, workers="""
import boto3, pytest
from code_under_test import names


@pytest.mark.parametrize("number", [0, 1])
def test_one(local_cloud, number):
    boto3.client("s3").create_bucket(Bucket=f"bucket-{number}")
    assert names() == [f"bucket-{number}"]
""")  # fmt: skip

    assert ended.code == 0, ended.text
    assert "2 passed" in ended.text
    assert ended.requests == []


def test_rate_that_is_not_a_number_is_refused_in_one_line(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(
        tmp_path, aws, ini="local_cloud_rate = fast\n", rate="def test(local_cloud): pass\n"
    )

    assert "local_cloud_rate must be a number, got 'fast'" in ended.text
    assert ended.code != 0
