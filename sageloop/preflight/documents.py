"""The templates of an assembly, with the JSON documents inside their properties as values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Resource = tuple[str, str, dict[str, Any]]
"""Logical id with its stack, type and properties of a resource."""


class AssemblyError(RuntimeError):
    """A folder is no cloud assembly, or a template in it cannot be read."""


def resources_of(assembly: Path) -> list[Resource]:
    """Every resource of the stacks of an assembly (``cdk.out``), nested assemblies included.

    Raises:
        AssemblyError: If there is no template, or one cannot be read.

    """
    paths = sorted(assembly.rglob("*.template.json")) if assembly.is_dir() else [assembly]
    if not paths:
        raise AssemblyError(f"{assembly} has no templates: synthesise the app first (cdk synth)")
    return [resource for path in paths for resource in _resources(path)]


def _resources(path: Path) -> Iterator[Resource]:
    try:
        template = json.loads(path.read_text(encoding="utf-8"))
        items = template["Resources"].items()
    except OSError as error:
        raise AssemblyError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AssemblyError(f"{path} is not a CloudFormation template in JSON") from None
    stack = path.name.removesuffix(".template.json")
    for name, resource in items:
        if isinstance(resource, dict) and isinstance(resource.get("Properties", {}), dict):
            properties = read(resource.get("Properties", {}))
            yield f"{stack}/{name}", str(resource.get("Type")), properties


def read(value: Any) -> Any:
    """A property with joined texts, and with texts that are JSON objects as their content.

    Functions of CloudFormation other than ``Fn::Join`` become a text in braces.

    >>> read({"Fn::Join": ["", ['{"Bucket":"', {"Ref": "Store"}, '"}']]})
    {'Bucket': '{Ref}'}
    """
    if isinstance(value, list):
        return [read(each) for each in value]
    if isinstance(value, dict):
        return _function(value) if _is_function(value) else {k: read(v) for k, v in value.items()}
    return _content(value) if isinstance(value, str) else value


def _is_function(value: dict[str, Any]) -> bool:
    name = next(iter(value), "")
    return len(value) == 1 and (name == "Ref" or name.startswith("Fn::"))


def _function(value: dict[str, Any]) -> Any:
    ((name, argument),) = value.items()
    if name == "Fn::Join" and isinstance(argument, list) and isinstance(argument[-1], list):
        return _content(str(argument[0]).join(_part(each) for each in argument[-1]))
    return f"{{{name}}}"


def _part(value: Any) -> str:
    return f"{{{next(iter(value))}}}" if isinstance(value, dict) and value else str(value)


def _content(text: str) -> Any:
    if not text.startswith("{"):
        return text
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return content if isinstance(content, dict) else text
