"""The fixture `local_cloud` isolates the test process from accounts, and keeps moto's mocks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_aws import FakeAws, fake_aws

# Each test starts pytest, and a cloud, in separate processes.
pytestmark = pytest.mark.slow

_CODE_UNDER_TEST = """
import boto3

early = boto3.client("s3", region_name="us-east-1")


def names(client=None):
    found = (client or boto3.client("s3")).list_buckets()
    return [bucket["Name"] for bucket in found["Buckets"]]
"""


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FakeAws]:
    """A server that stands for AWS, to record calls of the code under test."""
    with fake_aws(tmp_path) as made:
        yield made


def users_tests(
    folder: Path, aws: FakeAws, text: str, *options: str, ini: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a user's tests in a shell with account variables."""
    (folder / "code_under_test.py").write_text(_CODE_UNDER_TEST)
    (folder / "test_users.py").write_text(text)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = .\n{ini}")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder, text=True, capture_output=True, check=False, timeout=600,
        env=aws.environment(),
    )  # fmt: skip


def test_code_under_test_reaches_the_cloud_and_no_account(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(tmp_path, aws, """
import os, subprocess, sys
import boto3, pytest
from code_under_test import early, names

boto3.client("s3")  # the default session has found the user's account
CHILD = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"


@pytest.fixture(scope="module")
def bucket(local_cloud):
    boto3.client("s3").create_bucket(Bucket="mine")
    yield "mine"
    boto3.client("s3").delete_bucket(Bucket="mine")


def test_new_client(local_cloud, bucket):
    assert names() == [bucket]


def test_client_made_at_import(local_cloud, bucket):
    assert names(early) == [bucket]
    early.put_object(Bucket=bucket, Key="a b/c", Body=b"body")
    assert boto3.client("s3").get_object(Bucket=bucket, Key="a b/c")["Body"].read() == b"body"
    early.delete_object(Bucket=bucket, Key="a b/c")
    assert early.generate_presigned_url("list_buckets").startswith(local_cloud.endpoint_url)


def test_client_of_a_named_account(local_cloud, bucket):
    session = boto3.session.Session(aws_access_key_id="AKIAREAL", aws_secret_access_key="real")
    with pytest.raises(session.client("s3").exceptions.ClientError):
        session.client("s3").list_buckets()


def test_child(local_cloud, bucket):
    done = subprocess.run([sys.executable, "-c", CHILD], text=True, capture_output=True)
    assert done.stdout.strip() == "['mine']", done.stderr


def test_last_test_of_the_module_requests_no_cloud():
    assert os.environ["AWS_PROFILE"] == "production"
""")  # fmt: skip

    assert ended.returncode == 0, ended.stdout
    assert "5 passed" in ended.stdout
    assert aws.requests == []


@pytest.mark.parametrize("client", ["names()", "names(early)"])
def test_without_the_fixture_code_under_test_reaches_its_account(
    tmp_path: Path, aws: FakeAws, client: str
) -> None:
    users_tests(tmp_path, aws, f"""
from code_under_test import early, names

def test_without_the_fixture():
    {client}
""")  # fmt: skip

    assert aws.requests != []


def test_disabled_environment_option_keeps_the_account(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(tmp_path, aws, """
import os

def test_account(local_cloud):
    assert os.environ["AWS_PROFILE"] == "production"
    assert "AWS_ENDPOINT_URL" not in os.environ
""", ini="local_cloud_environment = false\n")  # fmt: skip

    assert ended.returncode == 0, ended.stdout


def test_environment_and_default_session_are_restored_after_the_test(
    tmp_path: Path, aws: FakeAws
) -> None:
    ended = users_tests(tmp_path, aws, """
import os
import boto3, pytest

boto3.setup_default_session(profile_name="production")
SESSION = boto3.DEFAULT_SESSION
BEFORE = dict(os.environ)
BEFORE.pop("PYTEST_CURRENT_TEST", None)


def outside():
    now = dict(os.environ)
    now.pop("PYTEST_CURRENT_TEST", None)
    return now == BEFORE and boto3.DEFAULT_SESSION is SESSION


def test_before():
    assert outside()


def test_inside(local_cloud):
    assert not outside()
    assert boto3.client("s3").meta.endpoint_url == local_cloud.endpoint_url
    os.environ["AWS_PROFILE"] = os.environ["AWS_REGION"] = "changed"
    del os.environ["AWS_ENDPOINT_URL"]


def test_failing(local_cloud):
    assert os.environ["AWS_ENDPOINT_URL"] == local_cloud.endpoint_url
    pytest.fail("on purpose")


def test_between():
    assert outside()


def test_dynamic(request):
    cloud = request.getfixturevalue("local_cloud")
    cloud.client("s3").list_buckets()
    assert os.environ["AWS_ENDPOINT_URL"] == cloud.endpoint_url


def test_after():
    assert outside()
""")  # fmt: skip

    assert "1 failed, 5 passed" in ended.stdout, ended.stdout
    assert "on purpose" in ended.stdout
    assert aws.requests == []


def test_calls_inside_mock_aws_are_answered_by_moto(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(tmp_path, aws, """
import boto3, pytest
from moto import mock_aws
from code_under_test import early, names


@pytest.fixture(scope="module", autouse=True)
def in_the_cloud(local_cloud):
    local_cloud.client("s3").create_bucket(Bucket="cloud")


@mock_aws
def test_decorated(local_cloud):
    boto3.client("s3").create_bucket(Bucket="moto")
    assert names() == names(early) == ["moto"]
    assert [b["Name"] for b in local_cloud.client("s3").list_buckets()["Buckets"]] == ["cloud"]


def test_context(local_cloud):
    before = boto3.client("s3")
    assert names(before) == ["cloud"]
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="moto")
        assert names() == names(before) == names(early) == ["moto"]
        boto3.client("s3").put_object(Bucket="moto", Key="key", Body=b"x")
        assert boto3.resource("s3").Object("moto", "key").get()["Body"].read() == b"x"
    assert names() == names(before) == names(early) == ["cloud"]


@pytest.fixture
def mocked():
    with mock_aws():
        yield


def test_mock_first_then_cloud(mocked, local_cloud):
    assert names() == []


def test_cloud_first_then_mock(local_cloud, mocked):
    assert names() == []


@mock_aws
class TestClass:
    def test_method(self, local_cloud):
        assert names() == []


def test_afterwards(local_cloud):
    assert names() == ["cloud"]
""")  # fmt: skip

    assert ended.returncode == 0, ended.stdout
    assert "6 passed" in ended.stdout
    assert aws.requests == []


def test_unittest_classes_reach_the_cloud(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(tmp_path, aws, """
import unittest
import boto3, pytest
from code_under_test import names


@pytest.mark.usefixtures("local_cloud")
class Marked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        boto3.client("s3").create_bucket(Bucket="class")

    @classmethod
    def tearDownClass(cls):
        boto3.client("s3").delete_bucket(Bucket="class")

    def setUp(self):
        assert names() == ["class"]

    def test_method(self):
        assert names() == ["class"]


class Autouse(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _cloud(self, local_cloud):
        self.cloud = local_cloud

    def test_method(self):
        assert names() == []
        self.assertIsNotNone(self.cloud.endpoint_url)
""")  # fmt: skip

    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout
    assert aws.requests == []


def test_workers_of_xdist_have_separate_clouds(tmp_path: Path, aws: FakeAws) -> None:
    text = """
import boto3, pytest
from code_under_test import names


@pytest.mark.parametrize("number", [0, 1])
def test_one(local_cloud, number):
    boto3.client("s3").create_bucket(Bucket=f"bucket-{number}")
    assert names() == [f"bucket-{number}"]
"""
    ended = users_tests(tmp_path, aws, text, "-n", "2", "--dist", "each", "-k", "one and 0")

    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout
    assert aws.requests == []


@pytest.mark.parametrize(("option", "outcome"), [("true", "1 passed"), ("false", "1 failed")])
def test_published_test_keys_are_accepted_by_option_only(
    tmp_path: Path, aws: FakeAws, option: str, outcome: str
) -> None:
    ended = users_tests(tmp_path, aws, """
import boto3

def test_keys(local_cloud, monkeypatch):
    for key, secret in [("testing", "testing"), ("test", "test"), (
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    )]:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        session = boto3.session.Session()
        assert session.client("s3").list_buckets()["Buckets"] == []
""", ini=f"sageloop_test_keys = {option}\n")  # fmt: skip

    assert outcome in ended.stdout, ended.stdout
    assert aws.requests == []


def test_region_rate_and_allowed_types_are_configurable(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(tmp_path, aws, """
import boto3

TEMPLATE = {"Resources": {"Cache": {"Type": "AWS::ElastiCache::SubnetGroup", "Properties": {
    "Description": "none", "SubnetIds": ["subnet-1"]}}}}

def test_options(local_cloud):
    assert boto3.client("s3").meta.region_name == local_cloud.region == "eu-central-1"
    local_cloud.deploy_template("allowed", TEMPLATE)
    first = local_cloud.time()
    assert local_cloud.time() - first > 1
""", ini=(
        "local_cloud_region = eu-central-1\nlocal_cloud_rate = 100000\n"
        "local_cloud_allow =\n    AWS::ElastiCache::SubnetGroup\n"
    ))  # fmt: skip

    assert ended.returncode == 0, ended.stdout


def test_rate_that_is_not_a_number_is_refused_in_one_line(tmp_path: Path, aws: FakeAws) -> None:
    ended = users_tests(
        tmp_path, aws, "def test(local_cloud): pass\n", ini="local_cloud_rate = fast\n"
    )

    assert "local_cloud_rate must be a number, got 'fast'" in ended.stdout + ended.stderr
    assert ended.returncode != 0


@pytest.mark.parametrize(
    ("option", "value"), [("", "'false'"), ("local_cloud_cdk_validation = true\n", "None")]
)
def test_cdk_validates_templates_only_if_the_option_is_set(
    tmp_path: Path, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    monkeypatch.delenv("CDK_VALIDATION")  # of this project's own tests
    ended = users_tests(tmp_path, aws, f"""
import os

def test_environment():
    assert os.environ.get("CDK_VALIDATION") == {value}
""", ini=option)  # fmt: skip

    assert "1 passed" in ended.stdout, ended.stdout
