"""Event patterns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.events.patterns import checked, matches, parsed

EVENT: dict[str, Any] = {
    "source": "aws.s3",
    "count": 5,
    "flag": True,
    "nothing": None,
    "tags": ["amber", "blue"],
    "ip": "10.0.0.7",
    "dotted.name": "d",
    "dotted": {"other": 1},
    "large": 6e9,
    "detail": {"name": "Model-A.tar.gz", "list": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]},
}


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.s3"]},
        {"source": ["x", "aws.s3"]},
        {"source": [{"prefix": "aws."}]},
        {"source": [{"prefix": {"equals-ignore-case": "AWS."}}]},
        {"source": [{"suffix": "s3"}]},
        {"source": [{"suffix": {"equals-ignore-case": "S3"}}]},
        {"source": [{"equals-ignore-case": "AWS.S3"}]},
        {"detail": {"name": [{"wildcard": "Model-*.tar.*"}]}},
        {"source": [{"anything-but": "aws.ec2"}]},
        {"source": [{"anything-but": ["aws.ec2", "aws.iam"]}]},
        {"source": [{"anything-but": {"prefix": "my."}}]},
        {"source": [{"anything-but": {"suffix": ["ec2", "iam"]}}]},
        {"source": [{"anything-but": {"equals-ignore-case": "AWS.EC2"}}]},
        {"source": [{"anything-but": {"wildcard": "*ec2*"}}]},
        {"count": [{"anything-but": 4}]},
        {"count": [5]},
        {"count": [5.0]},
        {"count": [5.0000001]},
        {"detail.name": ["Model-A.tar.gz"]},
        {"detail.list.k": ["b"]},
        {"dotted": {"name": ["d"]}, "dotted.other": [1]},
        {"large": [6e9]},
        {"source": [{"anything-but": {"wildcard": ""}}]},
        {"count": [{"numeric": ["=", 5]}]},
        {"count": [{"numeric": [">", 4, "<=", 5]}]},
        {"flag": [True]},
        {"nothing": [None]},
        {"tags": ["blue"]},
        {"tags": [{"exists": True}]},
        {"missing": [{"exists": False}]},
        {"missing": {"deep": [{"exists": False}]}},
        {"ip": [{"cidr": "10.0.0.0/24"}]},
        {"detail": {"list": {"k": ["b"], "v": [2]}}},
        {"$or": [{"source": ["x"]}, {"count": [{"numeric": [">", 1]}]}]},
        {"source": ["aws.s3"], "detail": {"$or": [{"x": ["y"]}, {"name": [{"prefix": "M"}]}]}},
    ],
)
def test_pattern_matches(pattern: dict[str, Any]) -> None:
    assert matches(checked(pattern), EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.ec2"]},
        {"source": ["aws.s3"], "count": [6]},
        {"source": [{"anything-but": "aws.s3"}]},
        {"source": [{"anything-but": {"prefix": "aws"}}]},
        {"missing": [{"anything-but": "x"}]},
        {"missing": ["x"]},
        {"missing": [None]},
        {"detail": [{"exists": True}]},
        {"source": [{"exists": False}]},
        {"count": ["5"]},
        {"count": [5.00001]},
        {"count": [{"anything-but": 5.0}]},
        {"detail.name": ["other"]},
        {"dotted": {"name": ["d"], "other": [2]}},
        {"large": [6000000000]},
        {"large": [{"numeric": [">", 0]}]},
        {"count": [{"numeric": [">", 5]}]},
        {"flag": [1]},
        {"ip": [{"cidr": "10.0.1.0/24"}]},
        {"source": [{"cidr": "10.0.1.0/24"}]},
        {"detail": {"list": {"k": ["a"], "v": [2]}}},
        {"source": [{"wildcard": "aws*ec2"}]},
        {"$or": [{"source": ["x"]}, {"count": [1]}]},
        {"detail": {"name": {"deeper": ["x"]}}},
    ],
)
def test_pattern_does_not_match(pattern: dict[str, Any]) -> None:
    assert not matches(checked(pattern), EVENT)


def test_number_equals_other_notations_of_it() -> None:
    """AWS's documentation denies it; TestEventPattern, as recorded on AWS, does it.

    https://github.com/localstack/localstack/blob/d87aa8a3051112f6b5d8b1f94f1492e0844195f2/tests/aws/services/events/event_pattern_templates/number_comparison_float.json5
    """
    assert matches(parsed('{"number": [300]}'), {"number": 300.0})
    assert matches(parsed('{"number": [3.0e2]}'), {"number": 300})


def test_escaped_asterisk_is_literal() -> None:
    pattern = parsed('{"a": [{"wildcard": "x\\\\**"}]}')

    assert matches(pattern, {"a": "x*y"})
    assert not matches(pattern, {"a": "xay"})


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"source": "aws.s3"},
        {"source": []},
        {"source": {}},
        {"source": [["a"]]},
        {"source": [{"prefix": "a", "suffix": "b"}]},
        {"source": [{"begins": "a"}]},
        {"source": [{"prefix": 1}]},
        {"source": [{"exists": "yes"}]},
        {"source": [{"wildcard": "a**b"}]},
        {"source": [{"wildcard": "a\\b"}]},
        {"source": [{"numeric": [">"]}]},
        {"source": [{"numeric": ["!", 1]}]},
        {"source": [{"numeric": [">", "1"]}]},
        {"source": [{"numeric": [">", 5, "<", 1]}]},
        {"source": [{"numeric": ["<", 5, ">", 1]}]},
        {"source": [{"cidr": "10.0.0.300/24"}]},
        {"source": [{"numeric": ["<", 5.1e9]}]},
        {"source": [{"anything-but": [-6000000000]}]},
        {"source": [{"anything-but": {"prefix": ""}}]},
        {"source": [{"anything-but": {"suffix": ["a", ""]}}]},
        {"source": [{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}]},
        {"source": [{"anything-but": []}]},
        {"source": [{"anything-but": ["a", 1]}]},
        {"source": [{"anything-but": {"numeric": [">", 1]}}]},
        {"$or": [{"source": ["a"]}]},
        {"$or": {"source": ["a"]}},
        [],
    ],
)
def test_invalid_pattern_is_refused(pattern: Any) -> None:
    with pytest.raises(AwsError) as refused:
        parsed(json.dumps(pattern))

    assert refused.value.code == "InvalidEventPatternException"


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(AwsError, match="not JSON"):
        parsed("{")
