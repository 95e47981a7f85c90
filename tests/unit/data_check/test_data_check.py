"""`sageloop data check`, on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sageloop.cli.application import application

DAYS = [f"dt=2026-01-{day:02}" for day in range(1, 11)]


def write(folder: Path, day: str, text: str) -> None:
    (folder / day).mkdir(parents=True, exist_ok=True)
    (folder / day / "part.csv").write_text(text, encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten days of twenty rows: the label, its negative and a feature."""
    for number, day in enumerate(DAYS):
        rows = [f"{row % 3 + number},{-(row % 3)},{row}" for row in range(20)]
        write(tmp_path / "data", day, "\n".join(rows) + "\n")
    return tmp_path / "data"


def check(folder: Path, *arguments: str) -> tuple[int, list[str], dict[str, Any]]:
    report = folder.parent / "report.json"
    ended = CliRunner().invoke(
        application, ["data", "check", str(folder), *arguments, "--json", str(report)]
    )
    content = json.loads(report.read_text()) if report.exists() else {}
    return ended.exit_code, ended.output.splitlines(), content


def refused(folder: Path, *arguments: str) -> str:
    code, lines, report = check(folder, *arguments)
    assert code == 1
    assert report["ok"] is False
    assert len(lines) == 1, lines
    assert len(lines[0]) <= 300
    return lines[0]


def test_data_without_errors_is_accepted(data: Path) -> None:
    code, lines, report = check(data)

    assert (code, lines) == (0, ["200 rows of 3 columns: no errors"])
    assert report == {"ok": True, "rows": 200, "columns": 3, "partitions": 10, "problems": []}


def test_header_is_refused(data: Path) -> None:
    text = (data / DAYS[4] / "part.csv").read_text()
    write(data, DAYS[4], "delay,speed,distance\n" + text)

    line = refused(data)

    assert line.startswith(
        f"HeaderPresent: {DAYS[4]}/part.csv, row 1 is a header, not numbers ('delay')"
    )


def test_text_in_a_row_is_refused(data: Path) -> None:
    write(data, DAYS[4], "1,2,3\n1,n/a,3\n")

    assert refused(data).startswith(
        f"NotANumber: {DAYS[4]}/part.csv, row 2, column 1: got 'n/a'; each value must be a number"
    )


def test_other_columns_in_a_later_delivery_are_refused(data: Path) -> None:
    write(data, DAYS[9], "1,2,3,4\n" * 200)
    line = refused(data, "--validation-days", "5", "--minimum-rows", "1")

    assert line.startswith(f"ColumnsDiffer: {DAYS[9]}/part.csv, row 1 has 4 columns, but the first")


def test_empty_feature_is_accepted_and_empty_label_refused(data: Path) -> None:
    write(data, DAYS[0], "1,,3\n2,1,1\n")
    assert check(data)[0] == 0
    write(data, DAYS[0], "1,2,3\n,1,1\n")

    assert refused(data) == f"LabelMissing: {DAYS[0]}/part.csv, row 2 has no label in column 0"


@pytest.mark.parametrize(
    ("row", "arguments", "message"),
    [
        ("3,{n},1", (), "LabelConstant: the label (column 0) is 3 in all 200 rows"),
        ("{n},1,7", (), "LabelCountsRows: the label (column 0) counts the rows from 0 to 199"),
        ("{m},1,{m}", (), "LabelIsAFeature: column 2 equals the label (column 0) in all rows"),
        ("{m},1,{n}", ("--label", "3"), "LabelMissing: --label must be less than the 3 columns"),
        (
            "{m}.5,1,{b}",
            ("--classes", "2"),
            "LabelNotAClass: the label (column 0) must be a whole number from 0 to 1, got 0.5 to "
            "6.5; column 2, the last, has 0 and 1: built-in algorithms expect the label first",
        ),
        ("{m},{n},1", ("--classes", "6"), "must be a whole number from 0 to 5, got 0 to 6"),
        ("{m},{n},1", ("--classes", "3"), "must be a whole number from 0 to 2, got 0 to 6"),
    ],
)
def test_label_is_refused(data: Path, row: str, arguments: tuple[str, ...], message: str) -> None:
    for number, day in enumerate(DAYS):
        rows = range(20 * number, 20 * number + 20)
        lines = [row.format(n=n, m=n * 3 % 7, b=n % 2) for n in rows]
        write(data, day, "\n".join(lines))

    assert message in refused(data, *arguments)


def test_label_of_another_column_is_accepted(data: Path) -> None:
    assert check(data, "--label", "1")[0] == 0


def test_classes_are_accepted(data: Path) -> None:
    assert check(data, "--classes", "12")[0] == 0


def test_small_hold_out_is_refused(data: Path) -> None:
    assert check(data, "--minimum-rows", "140")[0] == 0
    assert refused(data, "--minimum-rows", "141").startswith(
        "HoldOutTooSmall: the hold-out (the last 7 partitions) has 140 rows, and the gate needs 141"
    )


def test_hold_out_of_all_days_is_refused(data: Path) -> None:
    assert check(data, "--validation-days", "9")[0] == 0
    assert refused(data, "--validation-days", "10").startswith(
        "NothingToTrain: the data has 10 partitions and 10 are held out"
    )


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_data_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)

    assert refused(path) == "NoRows: there are no rows"


def test_other_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("1,2\n3,é\n".encode("latin-1"))

    assert "cannot be read as UTF-8 CSV" in check(path)[1][0]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(mark + b"1,2\r\n3,4\r\n")

    assert check(path)[0] == 0


def test_missing_source_is_reported(tmp_path: Path) -> None:
    code, lines, _ = check(tmp_path / "nowhere")

    assert (code, lines) == (2, [f"{tmp_path}/nowhere cannot be read: No such file or directory"])
    (tmp_path / "empty").mkdir()
    assert check(tmp_path / "empty")[1] == [f"{tmp_path}/empty has no .csv files"]
