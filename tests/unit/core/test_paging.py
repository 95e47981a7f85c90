"""Pagination in the services of the local cloud."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.cloudwatch import paging as cloudwatch
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.events.bus import page as events_page
from sageloop.local_cloud.functions import paging as functions
from sageloop.local_cloud.sagemaker import listing
from sageloop.local_cloud.scaling import paging as scaling


class Call:
    def __init__(self, **params: Any) -> None:
        self.params = params


def pages(items: list[int], size: int) -> list[list[int]]:
    shown, token = paginate(items, None, size, lambda _: AwsError("Never", ""))
    listed = [shown]
    while token is not None:
        shown, token = paginate(items, token, size, lambda _: AwsError("Never", ""))
        listed.append(shown)
    return listed


@pytest.mark.parametrize(
    ("number", "sizes"), [(0, [0]), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
def test_pages_contain_all_items_in_order(number: int, sizes: list[int]) -> None:
    listed = pages(list(range(number)), 3)

    assert [len(page) for page in listed] == sizes
    assert [one for page in listed for one in page] == list(range(number))


@pytest.mark.parametrize("token", ["x", "-1", "1.0", "²", "٣"])
@pytest.mark.parametrize(
    ("listed", "code"),
    [
        (lambda t: cloudwatch.page("A", [1], Call(NextToken=t), size="Max"), "InvalidNextToken"),
        (lambda t: functions.page("A", [], Call(Marker=t)), "InvalidParameterValueException"),
        (lambda t: scaling.page("A", [], Call(NextToken=t)), "InvalidNextTokenException"),
        (lambda t: events_page([], t, None), "ValidationException"),
        (
            lambda t: listing.list_response([], {"NextToken": t}, result="A", name="N", members=()),
            "ValidationException",
        ),
    ],
    ids=["cloudwatch", "lambda", "scaling", "events", "sagemaker"],
)
def test_invalid_token_is_refused_by_the_service(token: str, listed: Any, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        listed(token)

    assert refused.value.code == code
