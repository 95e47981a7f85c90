"""Reads of resources that may not exist."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.existing import describe_existing


def answering(code: str | None) -> Any:
    """A call that echoes its request, or fails with a code."""

    def call(**request: Any) -> dict[str, Any]:
        if code is None:
            return request
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Describe")

    return call


def test_response_of_an_existing_resource_is_returned() -> None:
    assert describe_existing(answering(None), Name="a") == {"Name": "a"}


@pytest.mark.parametrize(
    "code",
    [
        "404", "NoSuchKey", "NotFound", "ParameterNotFound", "ResourceNotFound",
        "ResourceNotFoundException", "ValidationException",
    ],
)  # fmt: skip
def test_missing_resource_has_no_description(code: str) -> None:
    assert describe_existing(answering(code), Name="a") is None


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "403"])
def test_other_errors_are_raised(code: str) -> None:
    with pytest.raises(ClientError, match=code):
        describe_existing(answering(code), Name="a")
