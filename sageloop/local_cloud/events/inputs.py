"""Input of a target: the event, a part of it, a constant, or a template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_VARIABLE = re.compile(r"<([A-Za-z_][\w.-]*)>")
_NOTHING: Any = object()
# No target accepts more than a megabyte.
_LONGEST_BODY = 1_048_576


def path_steps(path: str) -> list[str | int]:
    """The steps of a JSON path such as ``$.detail.items[0]['a b']``. Raises ``ValueError``."""
    steps: list[str | int] = []
    position = 1
    while path.startswith("$") and position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            break
        steps.append(int(match[2]) if match[2] else match[1] or match[3] or match[4])
        position = match.end()
    if not path.startswith("$") or position < len(path):
        raise ValueError(
            f"{path!r} is not a supported JSON path, which has $, .name, [0] and ['name']"
        )
    return steps


def body_for(target: Mapping[str, Any], event: dict[str, Any], reserved: dict[str, Any]) -> str:
    """The text that a rule's target receives for an event.

    ``reserved`` holds the values of the ``aws.events.*`` variables of a template.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        value = _at(event, target["InputPath"])
        return json.dumps(None if value is _NOTHING else value)
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        paths = transformer.get("InputPathsMap", {})
        values = {name: _at(event, path) for name, path in paths.items()}
        return filled(transformer["InputTemplate"], reserved | values)
    return json.dumps(event)


def filled(template: str, values: Mapping[str, Any]) -> str:
    """A template with ``<name>`` replaced; inside a JSON string without additional quotes.

    Raises ValidationException if the result is longer than any target accepts.
    """
    parts: list[str] = []
    end, quoted, size = 0, False, 0
    for match in _VARIABLE.finditer(template):
        between = template[end : match.start()]
        quoted ^= _quotes(between) % 2 == 1
        parts += [between, _rendered(match, values, quoted)]
        size += len(parts[-1])
        if size > _LONGEST_BODY:
            raise AwsError(
                "ValidationException",
                f"the input transformer creates more than {_LONGEST_BODY} characters of the event",
            )
        end = match.end()
    return "".join([*parts, template[end:]])


def variables(template: str) -> set[str]:
    """The names of a template's variables."""
    return set(_VARIABLE.findall(template))


def _quotes(text: str) -> int:
    return len(re.findall(r'(?<!\\)"', text))


def _rendered(match: re.Match[str], values: Mapping[str, Any], quoted: bool) -> str:
    if match[1] not in values:
        return match[0]
    value = values[match[1]]
    if value is _NOTHING:
        return "" if quoted else "null"
    if not quoted:
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]


def _at(event: Any, path: str) -> Any:
    for step in path_steps(path):
        if isinstance(step, str):
            event = event.get(step, _NOTHING) if isinstance(event, dict) else _NOTHING
        elif isinstance(event, list) and step < len(event):
            event = event[step]
        else:
            return _NOTHING
    return event
