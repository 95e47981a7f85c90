"""Finds a champion endpoint by its name and reads its rows of the state table."""

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
    """No champion endpoint with this name is deployed in the account and region."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """The resources of a champion endpoint.

    Attributes:
        endpoint: Name of the endpoint.
        function: ARN of the promote function.
        table: Name of the state table.
        group: Name of the model package group.

    """

    endpoint: str
    function: str
    table: str
    group: str


def find_promotion(ssm: Any, endpoint: str) -> Promotion:
    """The resources of an endpoint, from the parameter of its stack.

    Raises:
        NoSuchEndpointError: With the names of the deployed endpoints, if they may be listed.

    """
    name = _PARAMETER.format(endpoint=endpoint)
    try:
        record = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ParameterNotFound", "ValidationException"}:
            raise
        known: list[str] = []
        with suppress(ClientError):  # a caller who may read one parameter need not list them
            known = known_endpoints(ssm)
        deployed = (
            f"deployed endpoints: {', '.join(known)}"
            if known
            else "no champion endpoint is deployed"
        )
        raise NoSuchEndpointError(
            f"no champion endpoint {endpoint!r} (no parameter {name}); {deployed}"
        ) from None
    return Promotion(
        endpoint=endpoint,
        function=str(record["promote_function"]),
        table=str(record["state_table"]),
        group=str(record["model_package_group"]),
    )


def find_promotions(ssm: Any, endpoint: str | None) -> list[Promotion]:
    """The resources of an endpoint, or of all that are deployed.

    Raises:
        NoSuchEndpointError: If there is no such endpoint, or none at all.

    """
    names = known_endpoints(ssm) if endpoint is None else [endpoint]
    if not names:
        raise NoSuchEndpointError(
            f"no champion endpoint is deployed (no parameter below {_FOLDER})"
        )
    return [find_promotion(ssm, name) for name in names]


def known_endpoints(ssm: Any) -> list[str]:
    """Names of the deployed champion endpoints. Raises ``ClientError``."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=_FOLDER, Recursive=True)
    names = [item["Name"] for page in pages for item in page["Parameters"]]
    return sorted({name.removeprefix(_FOLDER).partition("/")[0] for name in names})


def read_row(dynamodb: Any, table: str, row_id: str) -> dict[str, Any]:
    """A row of the state table as plain values, empty if it does not exist."""
    item = dynamodb.get_item(TableName=table, Key={"id": {"S": row_id}}, ConsistentRead=True)
    read = TypeDeserializer().deserialize
    return {key: read(value) for key, value in item.get("Item", {}).items()}


def champion_row(dynamodb: Any, promotion: Promotion) -> dict[str, Any]:
    """The champion's record of an endpoint."""
    return read_row(dynamodb, promotion.table, f"champion#{promotion.endpoint}")


def version_of(package_arn: object) -> int:
    """The version at the end of a model package's ARN; 0 if it has none."""
    last = str(package_arn).rsplit("/", 1)[-1]
    return int(last) if last.isdigit() else 0
