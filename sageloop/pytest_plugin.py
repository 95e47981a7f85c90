"""A pytest plugin: the ``local_cloud`` fixture.

Example::

    def test_bucket_is_versioned(local_cloud):
        outputs = local_cloud.deploy(my_cdk_app)
        status = local_cloud.client("s3").get_bucket_versioning(Bucket=outputs["S"]["Name"])
        assert status["Status"] == "Enabled"

The fixture's scope is the ini option ``local_cloud_scope`` (``module`` unless set).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sageloop.local_cloud.client import LocalCloud


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option for the fixture's scope."""
    parser.addini("local_cloud_scope", "scope of the local_cloud fixture", default="module")


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("local_cloud_scope")


class CloudUnderTest:
    """A running local cloud that can deploy; everything else is :class:`LocalCloud`'s."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.region = cloud.region

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cloud, name)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this cloud."""
        return self.cloud.client(service, **options)

    def deploy(
        self, app: Any, *, parameters: Mapping[str, str] | None = None
    ) -> dict[str, dict[str, str]]:
        """Deploy a CDK ``App`` (synthesised here); outputs by stack name."""
        from sageloop.local_cloud.assembly import deploy_app

        return deploy_app(self, app, parameters=parameters)

    def deploy_template(
        self, stack_name: str, template: str | Mapping[str, Any], **parameters: str
    ) -> dict[str, str]:
        """Deploy a CloudFormation template; its outputs."""
        from sageloop.local_cloud.assembly import deploy_template

        return deploy_template(self, stack_name, template, parameters=parameters)

    def destroy(self, stack_name: str) -> None:
        """Delete a stack and wait until it is gone."""
        from sageloop.local_cloud.assembly import destroy

        destroy(self, stack_name)


@pytest.fixture(scope=_scope)
def local_cloud() -> Iterator[CloudUnderTest]:
    """A local cloud of this test's own: no account, no Docker, nothing left behind."""
    from sageloop.local_cloud.client import LocalCloud

    with LocalCloud.start() as cloud:
        yield CloudUnderTest(cloud)
