"""The stacks in the partitions of China and of AWS GovCloud (US).

The stacks name no region: partition, region and the suffix of host names are pseudo parameters,
whose values the tests set as CloudFormation does in a region of each partition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.security.checks.flatten import Template, as_list, flat

ACCOUNT = "123456789012"
PARTITIONS = {
    "aws": ("us-east-1", "amazonaws.com"),
    "aws-cn": ("cn-north-1", "amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "amazonaws.com"),
}
# kms:ViaService in China is not verified: AWS documents this form for all regions.
_VIA = "kms:ViaService"


def resolved(value: Any, partition: str) -> Any:
    """A flat value with the pseudo parameters of a partition."""
    region, suffix = PARTITIONS[partition]
    text = json.dumps(flat(value))
    for name, own in (
        ("Partition", partition), ("Region", region), ("URLSuffix", suffix), ("AccountId", ACCOUNT),
    ):  # fmt: skip
        text = text.replace(f"<AWS::{name}>", own)
    return json.loads(text)


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a value, with the key of the object that holds it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, key)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, name)


def wrong_names(template: Template, partition: str) -> set[str]:
    """ARNs of another partition, and regional host names with the suffix of another one."""
    region, suffix = PARTITIONS[partition]
    arn, host = (
        re.compile(r"\barn:(aws[a-z-]*):"),
        re.compile(rf"{region}\.(amazonaws\.com[.a-z]*)"),
    )
    return {
        text
        for key, text in texts(resolved(template["Resources"], partition))
        if any(names != partition for names in arn.findall(text))
        or (key != _VIA and any(names.rstrip(".") != suffix for names in host.findall(text)))
    }


def principals(template: Template, partition: str) -> set[str]:
    """The service principals of all policies and permissions."""
    names = set()

    def visit(value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                visit(each)
        elif isinstance(value, dict):
            principal = value.get("Principal")
            if isinstance(principal, dict):
                names.update(as_list(principal.get("Service")))
            elif isinstance(principal, str) and "amazonaws" in principal:
                names.add(principal)
            for each in value.values():
                visit(each)

    visit(resolved(template["Resources"], partition))
    return names


@pytest.mark.parametrize("partition", PARTITIONS)
def test_names_are_those_of_the_partition(templates: dict[str, Template], partition: str) -> None:
    assert {
        name: wrong
        for name, template in templates.items()
        if (wrong := wrong_names(template, partition))
    } == {}


@pytest.mark.parametrize("partition", PARTITIONS)
def test_service_principals_are_those_of_the_partition(
    templates: dict[str, Template], partition: str
) -> None:
    region, suffix = PARTITIONS[partition]
    names = {each for t in templates.values() for each in principals(t, partition)}

    assert f"logs.{region}.{suffix}" in names
    # Principals without a region end in amazonaws.com in every partition.
    assert {
        each for each in names if region not in each and not each.endswith(".amazonaws.com")
    } == set()


@pytest.mark.parametrize(
    ("value", "partition"),
    [
        ({"Arn": "arn:aws:s3:::bucket"}, "aws-cn"),
        ({"Arn": "arn:aws:s3:::bucket"}, "aws-us-gov"),
        ({"Host": {"Fn::Sub": "s3.${AWS::Region}.amazonaws.com"}}, "aws-cn"),
    ],
)
def test_name_of_another_partition_is_reported(value: dict[str, Any], partition: str) -> None:
    assert len(wrong_names({"Resources": {"Wrong": value}}, partition)) == 1
