"""Operations of a service, and which of them count as carried out."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.operations import Call, Operations, operation


class Fake(Operations):
    """One operation that is carried out, and one that only refuses."""

    model = "sts"

    @operation("GetCallerIdentity")
    def get(self, _call: Call) -> dict[str, Any]:
        return {"Account": "1"}

    @operation("GetSessionToken", executed=False)
    def refuse(self, _call: Call) -> dict[str, Any]:
        raise AwsError("NotImplemented", "in words of its own", 501)


def _call(name: str) -> Call:
    return Call(
        service="sts", operation=name, params={}, caller=cast("Any", None), region="us-east-1",
        account_id="1", request=cast("Any", None),
    )  # fmt: skip


def test_refused_operation_is_not_listed_as_carried_out() -> None:
    assert Fake().operations == ["GetCallerIdentity"]


def test_refused_operation_refuses_in_its_own_words() -> None:
    assert Fake().handle(_call("GetCallerIdentity")) == {"Account": "1"}
    with pytest.raises(AwsError, match="in words of its own"):
        Fake().handle(_call("GetSessionToken"))
