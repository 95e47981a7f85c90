"""The parsers of CSV and libsvm text, compared with each other and with XGBoost's own reader."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.images.formats import libsvm, rows, tables, text
from sageloop.local_cloud.images.formats.media import DataError
from sageloop.local_cloud.images.script.inference import tensorflow

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6, width=32).map(repr),
    st.integers(-999, 999).map(str),
    st.sampled_from(
        ["", "1.", ".5", "+3", "-0", "1e3", "2E-2", "nan", "inf", " 7", "8\t", "1e400"]
    ),
)
ODD = st.sampled_from(
    [
        " ",
        "1_0",
        "0x1",
        "1e",
        "e1",
        "nan(1)",
        "a",
        "--1",
        "1 2",
        "\u0661",
        "\xa01",
        "'1'",
        '"1"',
        "-",
    ]
)


def result(parse: Any) -> Any:
    """What a parser returns, or that it refuses."""
    try:
        return [[repr(float(v)) for v in row] for row in parse()]
    except DataError:
        return "refused"


@given(st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.lists(st.one_of(NUMBERS, NUMBERS, NUMBERS, ODD), min_size=width, max_size=width),
        min_size=1, max_size=5,
    )
), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([None, 0.0, float("nan")]))  # fmt: skip
def test_fast_and_slow_parsers_of_csv_agree(
    rows: list[list[str]], delimiter: str, end: str, blank: float | None
) -> None:
    if any(delimiter in field for row in rows for field in row):
        return
    written = end.join(delimiter.join(row) for row in rows)
    if not all(written.split(end)):
        return  # a single empty field is an empty line

    fast = result(lambda: text.parse_csv(written, delimiter=delimiter, blank=blank))

    assert fast == result(lambda: text.parse_fields(rows, blank=blank))


def of_xgboost(path: Path, content: bytes, format_: str) -> xgboost.DMatrix:
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XGBoost deprecates its readers of text
        return xgboost.DMatrix(f"{path}?format={format_}", silent=True)


def dense(matrix: xgboost.DMatrix) -> Any:
    """The features of XGBoost's matrix; missing values are NaN."""
    sparse = matrix.get_data()
    rows = np.full(sparse.shape, np.nan, np.float32)
    rows[np.repeat(np.arange(sparse.shape[0]), np.diff(sparse.indptr)), sparse.indices] = (
        sparse.data
    )
    return rows


@pytest.mark.parametrize(
    "content",
    [
        b"1,2,3\n4,5,6\n",
        b"1,2,3\r\n4,5,6\r\n",
        b"1,2,3\r4,5,6\r",
        b"\xef\xbb\xbf1,2,3\n4,5,6\n",
        b"1,2,3\n\n4,5,6\n\n",
        b"1,,3\n4,5,6",
        b"1, 2,3\n4,\t 5 ,6",
        b"1,+2,.5\n-4,5.,6e1",
        b"1,nan,3\n4,NaN,6",
        b"1;2;3\n4;5;6\n",
        b"1\t2\t3\n4\t5\t6\n",
        b"1|2|3\n4|5|6\n",
        b"1 2 3\n4 5 6\n",
    ],
)
def test_csv_is_read_as_by_xgboost(tmp_path: Path, content: bytes) -> None:
    """The container gives files to this reader, with the delimiter that it detects."""
    folder = tmp_path / "train"
    folder.mkdir()
    reading = tables.Reading(known=("text/csv",), labelled=True, detects=True)
    (folder / "part").write_bytes(content)
    table = tables.load("train", {"ContentType": "text/csv"}, tmp_path, reading)

    delimiter = text.delimiter_of(content.decode("utf-8-sig").splitlines()[0])
    expected = of_xgboost(tmp_path / "f", content, f"csv&label_column=0&delimiter={delimiter}")

    assert table.labels is not None
    np.testing.assert_array_equal(table.labels, expected.get_label())
    np.testing.assert_array_equal(table.features, dense(expected))


@pytest.mark.parametrize(
    "content",
    [
        b"1 0:1 1:2\n0 0:2 1:3\n",
        b"1:2 0:1 1:2\n0:0.5 0:2 1:3\n",
        b"1 qid:1 0:1\n2 qid:1 0:2\n3 qid:2 0:5\n",
        b"1:2 qid:3 0:1 4:2\n",
        b"1 0:1\r\n2 1:2\r\n",
        b"1 0:1\r2 0:2\r",
        b"1 0:1 # a comment\n\n2 3:1\n",
        b"1  0:1\t1:2 \n",
        b"0:1 1:2\n",
        b"1\n2 0:1\n",
    ],
)
def test_libsvm_is_read_as_by_xgboost(tmp_path: Path, content: bytes) -> None:
    data = libsvm.parse_libsvm(content.decode())

    expected = of_xgboost(tmp_path / "f", content, "libsvm")

    np.testing.assert_array_equal(data.labels, expected.get_label())
    np.testing.assert_array_equal(data.features, dense(expected))
    weights = [] if data.weights is None else list(data.weights)
    assert weights == list(expected.get_weight())
    groups = xgboost.DMatrix(data.features, qid=data.groups, missing=np.nan)
    np.testing.assert_array_equal(
        groups.get_uint_info("group_ptr"), expected.get_uint_info("group_ptr")
    )


@pytest.mark.parametrize(
    "content",
    [
        "1 -1:2", "1 a:b", "1 3", "x 0:1", "1 0:1 qid:3", "1:2 0:1\n1 0:1",
        "1 qid:1 0:1\n1 0:1", "", "\n",
    ],
)  # fmt: skip
def test_invalid_libsvm_is_refused(content: str) -> None:
    with pytest.raises(DataError):
        libsvm.parse_libsvm(content)


@pytest.mark.parametrize(
    ("content", "accepted"),
    [
        ("1 0:1 1:2\n", True),
        ("1 0:1\n2 0:1 1:1\r\nanything", True),
        ("1:0.5 qid:1 0:1\n", True),
        ("1 0:1 1:2 \n", False),
        ("1  0:1 1:2\n", False),
        ("1\t0:1\t1:2\n", False),
        ("\ufeff1 0:1 1:2\n", False),
        ("# comment\n1 0:1 1:2\n", False),
        ("1,2,3\n", False),
        ("1 2 3\n", False),
    ],
)
def test_beginning_of_libsvm_is_checked_as_by_the_container(content: str, accepted: bool) -> None:
    """https://github.com/aws/sagemaker-xgboost-container, data_utils: _validate_libsvm_format."""
    if accepted:
        libsvm.check_beginning(content, "part")
        return
    with pytest.raises(DataError, match="of file 'part' is not 'LIBSVM' format"):
        libsvm.check_beginning(content, "part")


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [("1,2", ","), ("1;2,3", ","), ("1;2", ";"), ("1\t2", "\t"), ("1 2", " "), ("1.5", ","),
     ("-7", ","), ("12", ","), ("1|2", "|")],
)  # fmt: skip
def test_delimiter_is_detected_as_by_the_container(line: str, delimiter: str) -> None:
    assert text.delimiter_of(line) == delimiter


def test_line_without_delimiter_is_refused() -> None:
    with pytest.raises(DataError, match="Could not determine delimiter on line"):
        text.delimiter_of("")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"1,2, \n4,5,6\n", "not numeric"),
        (b"1\t2\t3\n4\t\t6\n", "for which XGBoost reads the number after it"),
        (b"1 2\n3 4 \n", "2 fields|3 fields"),
        (b"1 2 3\n 4 5\n", "for which XGBoost reads the number after it"),
    ],
)
def test_blank_that_xgboost_misreads_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """XGBoost skips white space before a number, even to the next line, and trains nonsense."""
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "part").write_bytes(content)
    reading = tables.Reading(known=("text/csv",), labelled=True, detects=True)

    with pytest.raises(DataError, match=reason):
        tables.load("train", {"ContentType": "text/csv"}, tmp_path, reading)


def test_delimiter_is_not_detected_in_pipe_mode(tmp_path: Path) -> None:
    """The container's reader of pipes knows the comma only."""
    (tmp_path / "train_0").write_bytes(b"1;2\n3;4\n")
    channel = {"ContentType": "text/csv", "TrainingInputMode": "Pipe"}
    reading = tables.Reading(known=("text/csv",), labelled=True, detects=True)

    with pytest.raises(DataError, match="not numeric"):
        tables.load("train", channel, tmp_path, reading)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x1e"])
def test_json_lines_end_with_lf_or_crlf_only(separator: str) -> None:
    """A text of JSON may have the other separators of lines that Unicode has."""
    note = separator if separator != "\x1e" else "\\u001e"  # JSON has no raw control characters
    body = f'{{"features": [1], "note": "a{note}b"}}\r\n{{"features": [2]}}\n'

    decoded = rows.decoded(body.encode(), "application/jsonlines")

    assert decoded.tolist() == [[1.0], [2.0]]


def test_csv_for_tensorflow_ends_lines_with_lf_or_crlf_only() -> None:
    request = tensorflow._as_request("a\x85b,1\r\nc,2\n".encode(), "text/csv")

    assert json.loads(request) == {"instances": [["a\x85b", 1], ["c", 2]]}


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "part").write_bytes("1,2\n".encode("utf-16"))

    with pytest.raises(DataError, match="it is not text in UTF-8"):
        tables.load(
            "train", {"ContentType": "text/csv"}, tmp_path, tables.Reading(known=("text/csv",))
        )
