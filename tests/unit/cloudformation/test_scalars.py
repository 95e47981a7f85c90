from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from sageloop.local_cloud.cloudformation.intrinsics import NO_VALUE
from sageloop.local_cloud.cloudformation.providers.tagging import as_map
from sageloop.local_cloud.cloudformation.scalars import (
    WrittenFloat,
    WrittenInt,
    document_text,
    text_of,
)
from sageloop.local_cloud.core.errors import AwsError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (1.5, "1.5"),
        (WrittenFloat(1.1, "1.10"), "1.10"),
        (WrittenInt(12, "+12"), "+12"),
        ("True", "True"),
        ("", ""),
    ],
)
def test_scalar_is_written_as_in_the_template(value: Any, text: str) -> None:
    assert text_of(value) == document_text(value) == text


@pytest.mark.parametrize("value", [None, {}, [], ["a"], NO_VALUE])
def test_what_is_no_scalar_is_refused(value: Any) -> None:
    with pytest.raises(AwsError, match="a string was expected") as error:
        text_of(value)

    assert "object at" not in error.value.message


def test_written_numbers_are_numbers_and_can_be_copied() -> None:
    numbers = [WrittenFloat(1.1, "1.10"), WrittenInt(12, "+12")]

    assert [text_of(copied) for copied in copy.deepcopy(numbers)] == ["1.10", "+12"]
    assert json.dumps(numbers) == "[1.1, 12]"
    assert numbers[1] + 1 == 13


@pytest.mark.parametrize("tags", [{"a": True, "b": 1}, [{"Key": "a", "Value": True}]])
def test_tags_have_text_for_booleans(tags: Any) -> None:
    assert as_map(tags)["a"] == "true"
