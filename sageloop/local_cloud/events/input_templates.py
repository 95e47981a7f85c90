"""The templates of input transformers.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

NOTHING: Any = object()
"""The value of a variable whose path selects nothing."""

_VARIABLE = re.compile(r"<([\w.-]+)>")
# No target accepts more than a megabyte.
_LONGEST_BODY = 1_048_576
# Documented as usable only as the value of a JSON field.
_OF_JSON = ("aws.events.event", "aws.events.event.json")
RESERVED = frozenset(
    ("aws.events.rule-arn", "aws.events.rule-name", *_OF_JSON, "aws.events.event.ingestion-time")
)


def check(template: str, names: frozenset[str], target: str) -> None:
    """Refuse a template that EventBridge refuses.

    Args:
        template: ``InputTemplate``: a JSON object, or lines of JSON strings.
        names: The variables of ``InputPathsMap``.
        target: The target's id, for the messages.

    Raises:
        ValueError: With AWS's text where a recording has it.

    """
    used = _VARIABLE.findall(template)
    for name in used:
        if name not in names | RESERVED:
            raise ValueError(
                f"InputTemplate for target {target} contains invalid placeholder {name}."
            )
        if name in _OF_JSON and not _is_object(template):
            raise ValueError(
                f"InputTemplate for target {target} contains placeholder {name} valid only for "
                "JSON template."
            )
    # Each variable becomes a text that no template contains, so that keys can be found.
    mark = "\N{OBJECT REPLACEMENT CHARACTER}"
    try:
        for value in _values(_replaced(template, dict.fromkeys(used, mark))):
            _check_keys(value, mark)
    except ValueError as error:
        raise ValueError(
            f"Invalid InputTemplate for target {target} : {error} (a template is a JSON object, "
            "or lines of text in double quotes)"
        ) from None


def filled(template: str, values: Mapping[str, Any]) -> str:
    """A template with its variables replaced.

    Outside of quotes a value is JSON, and an empty string if its path selects nothing. Inside of
    quotes it is text: objects and arrays lose their quotes, nothing is escaped. The text of a JSON
    object is minified, other templates are delivered as they are.

    Raises:
        AwsError: ValidationException if the result is longer than any target accepts, or if the
            template is a JSON object and the result is not.

    """
    text = _replaced(template, values)
    if not _is_object(template):
        return text
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except ValueError as error:
        raise AwsError(
            "ValidationException", f"the filled InputTemplate is not valid JSON: {error}"
        ) from None


def _is_object(template: str) -> bool:
    return template.lstrip().startswith("{")


def _replaced(template: str, values: Mapping[str, Any]) -> str:
    parts: list[str] = []
    end, quoted, size = 0, False, 0
    for match in _VARIABLE.finditer(template):
        between = template[end : match.start()]
        quoted ^= _quotes(between) % 2 == 1
        parts += [between, _rendered(values.get(match[1], NOTHING), quoted=quoted)]
        size += len(parts[-1])
        if size > _LONGEST_BODY:
            raise AwsError(
                "ValidationException",
                f"the input transformer creates more than {_LONGEST_BODY} characters of the event",
            )
        end = match.end()
    return "".join([*parts, template[end:]])


def _quotes(text: str) -> int:
    """The number of quotes that are not escaped."""
    return len(re.sub(r"\\.", "", text)) - len(re.sub(r'\\.|"', "", text))


def _rendered(value: Any, *, quoted: bool) -> str:
    if value is NOTHING:
        return "" if quoted else '""'
    if not quoted:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace('"', "")


def _values(text: str) -> Iterator[Any]:
    """The JSON values of a text: one, or several that only white space separates."""
    decoder, position = json.JSONDecoder(object_pairs_hook=list), 0
    while position < len(text.rstrip()):
        position += len(text[position:]) - len(text[position:].lstrip())
        value, position = decoder.raw_decode(text, position)
        yield value


def _check_keys(value: Any, mark: str) -> None:
    """Refuse variables in the keys of an object, whose members are pairs here."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, tuple) and mark in item[0]:
            raise ValueError("a placeholder cannot be used as an object key")
        _check_keys(item[1] if isinstance(item, tuple) else item, mark)
