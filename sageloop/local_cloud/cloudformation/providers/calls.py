"""API calls with values from templates.

A template's values are loosely typed: numbers and booleans may be strings, policy documents are
objects where an API expects JSON text, and some names differ in their case only. The API's model
determines the conversion; an unknown name is an error, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

from sageloop.local_cloud.cloudformation.scalars import document_text
from sageloop.local_cloud.core.errors import AwsError


def invoke(client: Any, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Call ``operation`` of a boto3 client with values converted to the API's types.

    Raises:
        AwsError: ``ValidationException`` if a name or a value does not fit the API.
        ClientError: The service's error.

    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    shaped = {} if shape is None else shaped_as(params, shape, operation)
    try:
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**shaped)
    except ParamValidationError as error:
        raise AwsError("ValidationException", f"{operation}: {error}") from error
    return answer


def shaped_as(value: Any, shape: Any, path: str) -> Any:
    """``value`` converted to a botocore shape; ``path`` names it in errors."""
    if getattr(shape, "is_document_type", False):
        return value
    convert = _CONVERTERS.get(shape.type_name)
    return value if convert is None else convert(value, shape, path)


def _structure(value: Any, shape: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path, "an object", value)
    by_lower = {name.lower(): name for name in shape.members}
    shaped = {}
    for member, inner in value.items():
        name = member if member in shape.members else by_lower.get(str(member).lower())
        if name is None:
            raise AwsError(
                "ValidationException",
                f"{path} has no member {member}; "
                f"its members are {', '.join(sorted(shape.members))}",
            )
        if inner is not None:
            shaped[name] = shaped_as(inner, shape.members[name], f"{path}.{member}")
    return shaped


def _list(value: Any, shape: Any, path: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _wrong(path, "a list", value)
    return [shaped_as(v, shape.member, f"{path}[{i}]") for i, v in enumerate(value)]


def _map(value: Any, shape: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path, "a map", value)
    return {str(k): shaped_as(v, shape.value, f"{path}.{k}") for k, v in value.items()}


def _string(value: Any, _: Any, path: str) -> str:
    return document_text(value)


def _integer(value: Any, _: Any, path: str) -> int:
    try:
        number = float(value)
        if isinstance(value, bool) or number != int(number):
            raise ValueError
    except (TypeError, ValueError):
        raise _wrong(path, "a whole number", value) from None
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else int(number)


def _float(value: Any, _: Any, path: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _wrong(path, "a number", value) from None


def _boolean(value: Any, _: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _wrong(path, "true or false", value)


def _blob(value: Any, _: Any, path: str) -> bytes:
    return value if isinstance(value, bytes) else document_text(value).encode()


_CONVERTERS: dict[str, Callable[[Any, Any, str], Any]] = {
    "structure": _structure, "list": _list, "map": _map, "string": _string, "character": _string,
    "integer": _integer, "long": _integer, "float": _float, "double": _float,
    "boolean": _boolean, "blob": _blob,
}  # fmt: skip


def _wrong(path: str, expected: str, value: Any) -> AwsError:
    return AwsError("ValidationException", f"{path} must be {expected}, got {value!r}")


def value_at(document: Any, path: str) -> Any:
    """The value at a dotted path (``Subnets.0.SubnetId``), or ``None``."""
    for part in path.split("."):
        if isinstance(document, list):
            document = document[int(part)] if len(document) > int(part) else None
        elif isinstance(document, Mapping):
            document = document.get(part)
        else:
            return None
    return document


def error_code(error: Exception) -> str:
    """The AWS error code of an exception, or the empty string."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return error.code if isinstance(error, AwsError) else ""


def unless_gone(gone: Iterable[str], call: Callable[[], object]) -> None:
    """Call; an error with a code in ``gone`` counts as success."""
    try:
        call()
    except (ClientError, AwsError) as error:
        if error_code(error) not in gone:
            raise
