"""Inputs of targets: paths, and the templates of input transformers.

Outputs are those of recordings on AWS, of the user guide's table of examples and of its list of
common issues:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.events import input_templates
from sageloop.local_cloud.events.inputs import body_for, path_steps

EVENT: dict[str, Any] = {
    "detail-type": "Thing",
    "detail": {
        "state": "RUNNING",
        "n": 300.0,
        "quote": 'say "hi"',
        "nested": {"a": [1, "x"]},
        "list": ["p", {"k": "q"}, {"k": "r"}],
        "empty": None,
        "key/of": "s",
    },
}
PATHS = {
    "type": "$.detail-type",
    "state": "$.detail.state",
    "n": "$.detail.n",
    "quote": "$.detail.quote",
    "nested": "$.detail.nested",
    "list": "$.detail.list",
    "absent": "$.detail.absent",
    "empty": "$.detail.empty",
    "1st": "$.detail.list[0]",
}
RESERVED = {"aws.events.rule-name": "r", "aws.events.event.json": {"detail": {}}}


def body(template: str) -> str:
    input_templates.check(template, frozenset(PATHS), "t")
    transformer = {"InputTemplate": template, "InputPathsMap": PATHS}
    return body_for({"InputTransformer": transformer}, EVENT, RESERVED)


@pytest.mark.parametrize(
    ("template", "delivered"),
    [
        ('"it is in <state>"', '"it is in RUNNING"'),
        ('"it is in \\"<state>\\""', '"it is in \\"RUNNING\\""'),
        ('"first <state>"\n"then <type>"', '"first RUNNING"\n"then Thing"'),
        ('\n  "a <state>"\n\n"b"\n', '\n  "a RUNNING"\n\n"b"\n'),
        ('"{[/ <type>"', '"{[/ Thing"'),
        ('"no <absent>!"', '"no !"'),
        ('"<nested> and <list>"', '"{a:[1,x]} and [p,{k:q},{k:r}]"'),
        ('"<n> <empty> <1st>"', '"300.0 null p"'),
        ('{"s": <state>,\n "n": <n>, "l": [9, <state>]}',
         '{"s":"RUNNING","n":300.0,"l":[9,"RUNNING"]}'),
        ('{"s": "<state> \\"<type>\\""}', '{"s":"RUNNING \\"Thing\\""}'),
        ('{"s": "\\\\<state>"}', '{"s":"\\\\RUNNING"}'),
        ('{"a": <absent>, "b": "<absent>"}', '{"a":"","b":""}'),
        ('{"d": <nested>, "t": "of <nested>"}', '{"d":{"a":[1,"x"]},"t":"of {a:[1,x]}"}'),
        ('{"q": <quote>}', '{"q":"say \\"hi\\""}'),
        ('{"e": <aws.events.event.json>, "r": "<aws.events.rule-name>"}',
         '{"e":{"detail":{}},"r":"r"}'),
        ('{"e": "é"}', '{"e":"é"}'),
        ("<state>", '"RUNNING"'),
    ],
)  # fmt: skip
def test_template_is_filled(template: str, delivered: str) -> None:
    assert body(template) == delivered


def test_quotes_of_a_value_are_not_escaped_in_text() -> None:
    assert body('"<quote>"') == '"say "hi""'
    with pytest.raises(AwsError, match="the filled InputTemplate is not valid JSON"):
        body('{"q": "<quote>"}')


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("plain text", "Invalid InputTemplate for target t : Expecting value"),
        ("<type> is in <state>", "Invalid InputTemplate for target t : Expecting value"),
        ('"open', "Invalid InputTemplate for target t : Unterminated string"),
        ('"a\nb"', "Invalid InputTemplate for target t : Invalid control character"),
        ('{"a": <state>', "Invalid InputTemplate for target t"),
        ('{<state>: 1}', "cannot be used as an object key"),
        ('{"a": [{"<state>": 1}]}', "cannot be used as an object key"),
        ('"<unknown>"', "InputTemplate for target t contains invalid placeholder unknown."),
        ('["<aws.events.event.json>"]',
         "contains placeholder aws.events.event.json valid only for JSON template."),
    ],
)  # fmt: skip
def test_invalid_template_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        body(template)


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$.detail.nested.a[1]", '"x"'),
        ("$['detail-type']", '"Thing"'),
        ('$.detail["state"]', '"RUNNING"'),
        ("$.detail.list[*].k", '["q", "r"]'),
        ("$.detail.nested.*", '[[1, "x"]]'),
        ("$.detail.key/of", '"s"'),
        ("$.detail.list[9]", "null"),
    ],
)
def test_path_selects(path: str, selected: str) -> None:
    assert body_for({"InputPath": path}, EVENT, {}) == selected


@pytest.mark.parametrize(
    "path", ["detail", "$.", "$..a", "$.a[0:2]", "$[0,1]", "$.a[?(@.b)]", "$['a\"]"]
)
def test_unsupported_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a supported JSON path"):
        path_steps(path)
