"""Finding a champion endpoint by its name, and reading what the state table says of it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

_FOLDER = "/sageloop/endpoints/"
_PARAMETER = _FOLDER + "{endpoint}/promotion"


class NoSuchEndpointError(LookupError):
    """No champion endpoint of this name is deployed where it was looked for."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What stands behind a champion endpoint.

    Attributes:
        endpoint: Name of the endpoint.
        function: ARN of the function that promotes.
        table: Name of the state table.
        group: Name of the model package group.

    """

    endpoint: str
    function: str
    table: str
    group: str


def find_promotion(ssm: Any, endpoint: str) -> Promotion:
    """What stands behind an endpoint, as its stack keeps it in a parameter.

    Raises:
        NoSuchEndpointError: Naming the endpoints there are, as far as they may be listed.

    """
    name = _PARAMETER.format(endpoint=endpoint)
    try:
        told = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ParameterNotFound", "ValidationException"}:
            raise
        known: list[str] = []
        with suppress(ClientError):  # a caller who may read one parameter need not list them
            known = known_endpoints(ssm)
        there = f"there are {', '.join(known)}" if known else "no champion endpoint is deployed"
        raise NoSuchEndpointError(
            f"no champion endpoint {endpoint!r} here (no parameter {name}); {there}"
        ) from None
    return Promotion(
        endpoint=endpoint,
        function=str(told["promote_function"]),
        table=str(told["state_table"]),
        group=str(told["model_package_group"]),
    )


def known_endpoints(ssm: Any) -> list[str]:
    """Names of the champion endpoints there are. Raises ``ClientError``."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=_FOLDER, Recursive=True)
    names = [item["Name"] for page in pages for item in page["Parameters"]]
    return sorted({name.removeprefix(_FOLDER).partition("/")[0] for name in names})


def read_row(dynamodb: Any, table: str, row_id: str) -> dict[str, Any]:
    """A row of the state table as plain values, empty where there is none."""
    item = dynamodb.get_item(TableName=table, Key={"id": {"S": row_id}}, ConsistentRead=True)
    read = TypeDeserializer().deserialize
    return {key: read(value) for key, value in item.get("Item", {}).items()}


def champion_row(dynamodb: Any, promotion: Promotion) -> dict[str, Any]:
    """The champion's record of an endpoint."""
    return read_row(dynamodb, promotion.table, f"champion#{promotion.endpoint}")


def version_of(package_arn: object) -> int:
    """The number at the end of a model package's ARN; 0 where there is none."""
    last = str(package_arn).rsplit("/", 1)[-1]
    return int(last) if last.isdigit() else 0
