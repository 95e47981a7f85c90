"""Input of a target: the event, a part of it, a constant, or a template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sageloop.local_cloud.events.input_templates import NOTHING, filled

# Documented are dots, dashes, underscores, letters and digits, indexes, wildcards and slashes.
# Quoted names are JsonPath's and not documented.
_STEP = re.compile(
    r"\.(?P<name>[\w/-]+)|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<quoted>[^'\"]+)(?P=quote)\]"
    r"|(?P<every>\.\*|\[\*\])"
)
_EVERY = object()

Step = str | int | object


def path_steps(path: str) -> list[Step]:
    """The steps of a JSON path such as ``$.detail.items[0]['a b']``. Raises ``ValueError``."""
    steps: list[Step] = []
    position = 1
    while path.startswith("$") and position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            break
        steps.append(_step(match))
        position = match.end()
    if not path.startswith("$") or position < len(path):
        raise ValueError(
            f"{path!r} is not a supported JSON path, which has $, .name, [0], ['name'], .* and [*]"
        )
    return steps


def body_for(target: Mapping[str, Any], event: dict[str, Any], reserved: dict[str, Any]) -> str:
    """The text that a rule's target receives for an event.

    ``reserved`` holds the values of the ``aws.events.*`` variables of a template. Raises
    ``AwsError`` if a filled template cannot be delivered.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        value = _at(event, path_steps(target["InputPath"]))
        return json.dumps(None if value is NOTHING else value)
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        paths = transformer.get("InputPathsMap", {})
        values = {name: _at(event, path_steps(path)) for name, path in paths.items()}
        return filled(transformer["InputTemplate"], values | reserved)
    return json.dumps(event)


def _step(match: re.Match[str]) -> Step:
    if match["every"]:
        return _EVERY
    return int(match["index"]) if match["index"] else match["name"] or match["quoted"]


def _at(value: Any, steps: Sequence[Step]) -> Any:
    for number, step in enumerate(steps):
        if step is _EVERY:
            return _each(value, steps[number + 1 :])
        if isinstance(step, str):
            value = value.get(step, NOTHING) if isinstance(value, dict) else NOTHING
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return NOTHING
    return value


def _each(value: Any, steps: Sequence[Step]) -> Any:
    """A wildcard selects the array of what the rest of the path selects in each element."""
    if not isinstance(value, dict | list):
        return NOTHING
    elements = value.values() if isinstance(value, dict) else value
    selected = (_at(one, steps) for one in elements)
    return [one for one in selected if one is not NOTHING]
