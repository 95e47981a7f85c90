"""Parts of batch transform: paths, records, payloads, joins and limits."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.sagemaker.transform.assembling import assembled, output_key
from sageloop.local_cloud.sagemaker.transform.joining import DataProcessing, JoinError
from sageloop.local_cloud.sagemaker.transform.jsonpath import JsonPathError, parse
from sageloop.local_cloud.sagemaker.transform.limits import container_environment, limits_of
from sageloop.local_cloud.sagemaker.transform.splitting import (
    MEGABYTE,
    Record,
    SplitError,
    payloads,
    records_of,
)

ROW = ["a", "b", "c", "d", "e", "f", "g"]
THING = {"id": 7, "f": {"x": 1, "y": [1, 2]}, "SageMakerOutput": {"label": 1}}


@pytest.mark.parametrize(
    ("expression", "value", "selected"),
    [
        ("$", ROW, ROW),
        ("$[1:]", ROW, ROW[1:]),
        ("$[:-1]", ROW, ROW[:-1]),
        ("$[2:4]", ROW, ["c", "d"]),
        ("$[-1]", ROW, "g"),
        ("$[0,-1]", ROW, ["a", "g"]),
        ("$[0, -1]", ROW, ["a", "g"]),
        ("$[0,5:]", ROW, ["a", "f", "g"]),
        ("$[*]", ROW, ROW),
        ("$.f.x", THING, 1),
        ("$['f']['x']", THING, 1),
        ('$["id"]', THING, 7),
        ("$.f.['x','y']", THING, {"x": 1, "y": [1, 2]}),
        ("$['id','SageMakerOutput']", THING, {"id": 7, "SageMakerOutput": {"label": 1}}),
        ("$.f.*", THING, [1, [1, 2]]),
        ("$.f.y[1]", THING, 2),
    ],
)
def test_jsonpath_selection_matches_aws_guide(expression: str, value: Any, selected: Any) -> None:
    assert parse(expression).select(value) == selected


@pytest.mark.parametrize("expression", ["", "id", "$..id", "$[?(@.a)]", "$[a]", "$.f.", "$[1:2:3]"])
def test_unsupported_jsonpath_is_refused(expression: str) -> None:
    with pytest.raises(JsonPathError):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$[9]", r"Invalid JsonPath: \$\[9\]: index 9 is outside an array of 7 elements"),
        ("$[0,-8]", "index -8 is outside an array"),
        ("$.id", "there is no attribute 'id' in list"),
        # The text of sagemaker-python-sdk #1112.
        (
            "$[0:2,4:]",
            r"^Invalid JsonPath: \$\[0:2,4:\]: only single range filters of format "
            r"\(eg: \[1:5\]\) are supported. Format \[0:2,4:\] is not supported$",
        ),
    ],
)
def test_jsonpath_without_match_is_refused(expression: str, message: str) -> None:
    with pytest.raises(JsonPathError, match=message):
        parse(expression).select(ROW)


def record_io(content: bytes, flag: int = 0) -> bytes:
    header = struct.pack("<II", 0xCED7230A, flag << 29 | len(content))
    return header + content + b"\0" * (-len(content) % 4)


def tf_record(content: bytes) -> bytes:
    return struct.pack("<QI", len(content), 0) + content + struct.pack("<I", 0)


def test_lines_are_records_without_trailing_newline() -> None:
    for data in (b"1,2\n3,4\n", b"1,2\r\n3,4", b"1,2\n\n3,4\n"):
        assert [r.content for r in records_of(data, "Line")] == [b"1,2", b"3,4"]


def test_single_binary_records_are_sent_without_frame() -> None:
    for frame, split in ((record_io, "RecordIO"), (tf_record, "TFRecord")):
        data = frame(b"one") + frame(b"twotwo")
        records = records_of(data, split)
        single = payloads(records, strategy="SingleRecord", max_bytes=100)
        assert [p.body for p in single] == [b"one", b"twotwo"]
        together = payloads(records, strategy="MultiRecord", max_bytes=100)
        assert [p.body for p in together] == [data]


def test_recordio_record_split_at_magic_number_is_joined() -> None:
    magic = struct.pack("<I", 0xCED7230A)
    data = record_io(b"ab", 1) + record_io(b"cdcd", 2) + record_io(b"e", 3)
    assert [r.content for r in records_of(data, "RecordIO")] == [
        b"ab" + magic + b"cdcd" + magic + b"e"
    ]


@pytest.mark.parametrize(
    ("data", "split"),
    [
        (b"garbage!", "RecordIO"), (record_io(b"abcdef")[:-3], "RecordIO"),
        (record_io(b"a", 1), "RecordIO"), (b"xx", "TFRecord"), (tf_record(b"ab")[:-1], "TFRecord"),
    ],
)  # fmt: skip
def test_invalid_binary_data_is_refused(data: bytes, split: str) -> None:
    with pytest.raises(SplitError):
        records_of(data, split)


@given(
    st.lists(st.binary(min_size=1, max_size=9).filter(lambda b: b"\n" not in b and b"\r" not in b)),
    st.integers(10, 40),
)
def test_payloads_keep_records_in_order_within_the_limit(lines: list[bytes], limit: int) -> None:
    records = records_of(b"".join(line + b"\n" for line in lines), "Line")
    rows = list(payloads(records, strategy="MultiRecord", max_bytes=limit))
    assert [r for p in rows for r in p.records] == records
    assert all(0 < len(p.body) <= limit for p in rows)
    # The first record of the next payload would not have fit.
    for one, following in pairwise(rows):
        assert len(one.body) + len(following.records[0].framed) > limit


def test_record_above_the_limit_is_refused_with_aws_message() -> None:
    records = records_of(b"123456\n", "Line")
    for strategy in ("SingleRecord", "MultiRecord"):
        with pytest.raises(SplitError, match="Too much data for max payload size"):
            list(payloads(records, strategy=strategy, max_bytes=5))
    assert [p.body for p in payloads(records, strategy="MultiRecord", max_bytes=None)]


def processing(form: str, *, split: str = "Line", **members: str) -> DataProcessing:
    return DataProcessing.of(
        {
            "DataProcessing": members,
            "TransformInput": {"ContentType": form, "SplitType": split},
            "TransformOutput": {"Accept": form},
        }
    )


def lines(*contents: str) -> list[Record]:
    return records_of("".join(f"{c}\n" for c in contents).encode(), "Line")


def test_predictions_are_appended_to_csv_rows() -> None:
    rows = processing("text/csv", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")
    sent = rows.filtered(lines('7,"a, b",2', "8,c,3"))
    assert [r.content for r in sent] == [b'"a, b",2', b"c,3"]
    assert rows.output(sent, b"0.5\n0.25\n") == [b"7,0.5", b"8,0.25"]


def test_predictions_are_added_to_json_lines_under_a_key() -> None:
    rows = processing("application/jsonlines", InputFilter="$.f", JoinSource="Input")
    sent = rows.filtered(lines('{"id": 1, "f": {"x": 2}}'))
    assert sent[0].content == b'{"x":2}'
    assert rows.output(sent, b'{"score": 0.5}\n') == [
        b'{"id":1,"f":{"x":2},"SageMakerOutput":{"score":0.5}}'
    ]
    sent = processing("application/jsonlines", JoinSource="Input").filtered(lines("[1, 2]"))
    assert rows.output(sent, b"3") == [b'{"SageMakerInput":[1,2],"SageMakerOutput":3}']


def test_json_object_is_joined_without_splitting() -> None:
    rows = processing("application/json", split="None", JoinSource="Input")
    sent = rows.filtered(records_of(b'{"key":\n1}', "None"))
    assert rows.output(sent, b'{"label": 1}') == [b'{"key":1,"SageMakerOutput":{"label":1}}']


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"0.5\n", r"records in the response \(1\) differs from that in the request \(2\)"),
        (b'0.5\n"unclosed\n', "Failed to parse output from the algorithm as CSV"),
    ],
)
def test_response_that_cannot_be_joined_is_refused(response: bytes, message: str) -> None:
    rows = processing("text/csv", JoinSource="Input")
    with pytest.raises(JoinError, match=message):
        rows.output(rows.filtered(lines("1,2", "3,4")), response)


def test_output_is_assembled_with_or_without_newlines() -> None:
    parts = [b"0.5", b"0.25\n"]
    assert assembled(parts, "None") == b"0.50.25\n"
    assert assembled(parts, "Line") == b"0.5\n0.25\n"
    assert output_key("out/", "a/b.csv") == "out/a/b.csv.out"
    assert output_key("", "b.csv") == "b.csv.out"


OFFERED = {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 3}


@pytest.mark.parametrize(
    ("job_request", "offered", "log_line"),
    [
        ({}, {}, "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"),
        ({}, OFFERED, "MaxConcurrentTransforms=8, MaxPayloadInMB=3, BatchStrategy=SINGLE_RECORD"),
        (
            {"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 1, "BatchStrategy": "MultiRecord"},
            OFFERED, "MaxConcurrentTransforms=2, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD",
        ),
        (
            {"MaxConcurrentTransforms": 0, "MaxPayloadInMB": 0}, OFFERED,
            "MaxConcurrentTransforms=8, MaxPayloadInMB=0, BatchStrategy=SINGLE_RECORD",
        ),
        (
            {}, {"MaxConcurrentTransforms": "many", "BatchStrategy": None},
            "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD",
        ),
    ],
)  # fmt: skip
def test_request_limits_override_container_limits(
    job_request: dict[str, Any], offered: dict[str, Any], log_line: str
) -> None:
    assert limits_of(job_request, offered).log_line() == log_line


def test_max_payload_of_zero_means_no_limit() -> None:
    assert limits_of({"MaxPayloadInMB": 0}, {}).payload_bytes is None
    assert limits_of({"MaxPayloadInMB": 2}, {}).payload_bytes == 2 * MEGABYTE


def test_container_environment_has_only_user_settings() -> None:
    assert container_environment({}) == {"SAGEMAKER_BATCH": "true"}
    request = {"MaxPayloadInMB": 1, "BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 4}
    assert container_environment(request) == {
        "SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "4",
    }  # fmt: skip
