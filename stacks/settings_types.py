"""Types of the values in a settings file, with the text of what each allows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidatorFunctionWrapHandler
from pydantic import WrapValidator as Wrap
from pydantic_core import PydanticCustomError

from constructs_lib._private.emails import email_fault, repeated
from constructs_lib._private.keys import key_fault, prefix_fault
from constructs_lib._private.zones import zone_fault
from constructs_lib.operations.endpoint_schedule import CRON
from constructs_lib.serving.inference_http_api import CLAIM, ISSUER

NOT_ALLOWED = "not_allowed"
"""Type of an error whose message is what is allowed; the value comes before it."""

MOST = 2_147_483_647
"""Largest value of an Integer of AWS's APIs."""

_ARN = r"arn:[a-z-]+"


STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
"""Unknown keys and values of another type are refused."""


def allowed(text: str) -> PydanticCustomError:
    """An error with the text of what is allowed."""
    return PydanticCustomError(NOT_ALLOWED, "{allowed}", {"allowed": text})


def checked(fault: Callable[[str], str | None]) -> AfterValidator:
    """A check by a function that returns what a text must be, or ``None``."""

    def check(value: str) -> str:
        text = fault(value)
        if text is not None:
            raise allowed(text)
        return value

    return AfterValidator(check)


def shaped(pattern: str, text: str) -> tuple[AfterValidator, Any]:
    """A check by a pattern, with ``text`` as what is allowed, for ``Annotated``."""
    shape = re.compile(pattern)
    check = checked(lambda value: None if shape.fullmatch(value) else f"must be {text}")
    return check, Field(json_schema_extra={"pattern": f"^{pattern}$"})


def _each_once(addresses: list[str]) -> list[str]:
    again = repeated(addresses)
    if again is not None:
        raise allowed(f"must have each address once, but has {again!r} twice")
    return addresses


def _scalar(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    del handler  # a union reports an error for each of its types
    if isinstance(value, float) and not math.isfinite(value):
        raise allowed("must be a finite number")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise allowed("must be a text, a whole number or a number")
    if isinstance(value, int) and abs(value) > MOST:
        raise allowed(f"must be a whole number from -{MOST} to {MOST}")
    return value


Name = Annotated[str, *shaped(
    r"[a-z](-*[a-z0-9])*", "lower-case letters, digits and single hyphens, first a letter"
)]  # fmt: skip
Instance = Annotated[str, Field(max_length=60), *shaped(
    r"ml\.[a-z0-9-]+\.[a-z0-9-]+", "an ML instance type such as 'ml.m5.large'"
)]  # fmt: skip
Prefix = Annotated[str, checked(prefix_fault)]
Key = Annotated[str, checked(key_fault)]
Version = Annotated[str, Field(max_length=30), *shaped(
    r"\d+(\.\d+)*(-\d+)?", "a version of the image such as '3.0-5'"
)]  # fmt: skip
Cron = Annotated[str, Field(max_length=256), *shaped(
    CRON, "cron(minutes hours day-of-month month day-of-week year), one of both days '?'"
)]  # fmt: skip
Zone = Annotated[str, checked(zone_fault)]
UserPool = Annotated[str, Field(max_length=200), *shaped(
    rf"{_ARN}:cognito-idp:[a-z0-9-]+:\d{{12}}:userpool/[\w-]+", "the ARN of a Cognito user pool"
)]  # fmt: skip
WebAcl = Annotated[str, Field(max_length=2048), *shaped(
    rf"{_ARN}:wafv2:[a-z0-9-]+:\d{{12}}:regional/webacl/[\w-]+/[\w-]+",
    "the ARN of a regional web ACL",
)]  # fmt: skip
Boundary = Annotated[str, Field(max_length=2048), *shaped(
    rf"{_ARN}:iam::(\d{{12}}|aws):policy/[\w+=,.@/-]+", "the ARN of a managed policy"
)]  # fmt: skip
Issuer = Annotated[str, Field(max_length=2048), *shaped(
    ISSUER, "an https:// address without query and fragment"
)]  # fmt: skip
Claim = Annotated[str, Field(max_length=2048), *shaped(CLAIM, "a text without spaces, not empty")]
ContentType = Annotated[str, Field(max_length=127), *shaped(
    r"[a-z]+/[a-z0-9.+-]+", "a content type such as 'text/csv'"
)]  # fmt: skip
Emails = Annotated[
    list[Annotated[str, checked(email_fault)]], Field(max_length=100), AfterValidator(_each_once)
]
Scalar = Annotated[str | int | float, Wrap(_scalar)]
Count = Annotated[int, Field(ge=1, le=MOST)]
# No request to an endpoint lasts longer: an asynchronous one has an hour.
# https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
Percent = Annotated[float, Field(ge=0, le=100)]
