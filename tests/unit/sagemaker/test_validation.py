from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.validation import check

ROLE = "arn:aws:iam::123456789012:role/r"


def error_message(operation: str, params: dict[str, Any]) -> str:
    with pytest.raises(AwsError) as caught:
        check(operation, params)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_valid_request_is_accepted() -> None:
    check("DescribeTrainingJob", {"TrainingJobName": "job-1"})


def test_pattern_must_match_the_whole_value() -> None:
    assert error_message("DescribeTrainingJob", {"TrainingJobName": "job_1"}) == (
        "1 validation error detected: Value 'job_1' at 'trainingJobName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: "
        "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )


def test_missing_member_is_reported_as_null() -> None:
    assert error_message("DescribeTrainingJob", {}) == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy "
        "constraint: Member must not be null"
    )


def test_unknown_member_is_refused() -> None:
    assert "at 'colour' failed" in error_message(
        "DescribeTrainingJob", {"TrainingJobName": "j", "Colour": "blue"}
    )


def test_all_violations_are_reported_with_their_paths() -> None:
    message = error_message(
        "CreateModelPackage",
        {
            "ModelPackageGroupName": "g",
            "ModelApprovalStatus": "Perhaps",
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://b/k"}, {"Image": ""}]},
            "CustomerMetadataProperties": {"k" * 129: "v"},
        },
    )

    assert message.startswith("3 validation errors detected: ")
    assert "'modelApprovalStatus'" in message
    assert "enum value set: [Approved, Rejected, PendingManualApproval]" in message
    assert "Map keys must satisfy constraint: [Member must have length less" in message
    assert "'inferenceSpecification.containers.2.member.image'" in message


def test_number_out_of_range_or_of_wrong_type_is_refused() -> None:
    assert "Member must have value less than or equal to 100" in error_message(
        "ListModels", {"MaxResults": 101}
    )
    assert "type integer" in error_message("ListModels", {"MaxResults": "5"})


def test_list_length_is_limited() -> None:
    tags = [{"Key": str(n), "Value": ""} for n in range(51)]

    assert "'tags' failed to satisfy constraint: Member must have length less" in error_message(
        "AddTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m", "Tags": tags}
    )


def test_tags_accept_letters_of_any_script() -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/m"
    check("AddTags", {"ResourceArn": arn, "Tags": [{"Key": "équipe", "Value": "données 1"}]})


@settings(max_examples=30, deadline=None)
@given(st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,20}", fullmatch=True))
def test_names_matching_the_pattern_are_accepted(name: str) -> None:
    check("DescribeTrainingJob", {"TrainingJobName": name[:63].rstrip("-")})
