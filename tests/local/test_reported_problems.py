"""Problems that users of other tools report, where nothing else shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.assembly import deploy_template
from sageloop.local_cloud.client import LocalCloud


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as made:
        yield made


@pytest.mark.parametrize(
    "name", ["Domain", "UserProfile", "Space", "App", "FeatureGroup", "Pipeline"]
)
def test_type_without_construct_is_refused_by_name(cloud: LocalCloud, name: str) -> None:
    kind = f"AWS::SageMaker::{name}"
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "One": {"Type": kind}}}

    with pytest.raises(ClientError, match=kind):
        deploy_template(cloud, name.lower(), template)

    assert cloud.calls(action="sqs:CreateQueue") == []
