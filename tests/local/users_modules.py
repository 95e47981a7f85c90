"""Modules of users' tests, and the code that they test: see ``test_pytest_environment.py``."""

from __future__ import annotations

CODE_UNDER_TEST = """
import boto3

early = boto3.client("s3", region_name="us-east-1")


def names(client=None):
    found = (client or boto3.client("s3")).list_buckets()
    return [bucket["Name"] for bucket in found["Buckets"]]
"""
# The clouds of a run's modules are forked, as those of this project's own tests are.
CONFTEST = """
import pytest

@pytest.fixture(scope="session", autouse=True)
def template():
    from sageloop.local_cloud.client import LocalCloud
    from sageloop.local_cloud.template import CloudTemplate

    with CloudTemplate() as LocalCloud.template:
        yield
    LocalCloud.template = None
"""

CODE = """
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
"""

RESTORED = """
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
"""

MOCKS = """
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
"""

CLASSES = """
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
"""

KEYS = """
import boto3

def test_keys(local_cloud, monkeypatch):
    for key, secret in [("testing", "testing"), ("test", "test"), (
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    )]:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        session = boto3.session.Session()
        assert session.client("s3").list_buckets()["Buckets"] == []
"""

OPTIONS = """
import boto3

TEMPLATE = {"Resources": {"Cache": {"Type": "AWS::ElastiCache::SubnetGroup", "Properties": {
    "Description": "none", "SubnetIds": ["subnet-1"]}}}}

def test_options(local_cloud):
    assert boto3.client("s3").meta.region_name == local_cloud.region == "eu-central-1"
    local_cloud.deploy_template("allowed", TEMPLATE)
    first = local_cloud.time()
    assert local_cloud.time() - first > 1
"""

VALIDATION = """
import os

def test_environment():
    assert os.environ.get("CDK_VALIDATION") == {value!r}
"""
