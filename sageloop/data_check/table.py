"""What one pass over CSV data collects: in memory that does not grow with the rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error of the data.

    Attributes:
        code: Stable name of the violated rule.
        message: What is wrong, what was found and what is allowed, in one line.

    """

    code: str
    message: str


@dataclass(kw_only=True)
class Column:
    """Statistics of one column.

    Attributes:
        low: Minimum.
        high: Maximum.
        binary: Whether each value is 0 or 1.
        whole: Whether each value is a whole number that is not negative.
        counts_rows: Whether each value is one more than that of the row before.
        is_label: Whether each value equals the label of its row.

    """

    low: float = math.inf
    high: float = -math.inf
    binary: bool = True
    whole: bool = True
    counts_rows: bool = True
    is_label: bool = True
    last: float | None = None

    def add(self, value: float, label: float) -> None:
        """Add the value of one row."""
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.binary = self.binary and value in (0, 1)
        self.whole = self.whole and value >= 0 and value == int(value)
        self.counts_rows = self.counts_rows and (self.last is None or value == self.last + 1)
        self.is_label = self.is_label and value == label
        self.last = value


@dataclass(kw_only=True)
class Table:
    """The rows of all files of a dataset.

    Attributes:
        label: Index of the label's column, from 0.
        columns: Statistics of the columns, of the first row's number.
        rows: Number of rows by partition.
        problems: Errors of single rows, at most one of a kind.

    """

    label: int = 0
    columns: list[Column] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of rows."""
        return sum(self.rows.values())

    def read(self, name: str, partition: str, lines: Iterable[str]) -> None:
        """Add a file.

        Args:
            name: Name of the file, for messages.
            partition: Its partition, such as ``dt=2026-01-01``; empty without partitions.
            lines: Its lines.

        """
        try:
            for number, cells in enumerate(csv.reader(lines), start=1):
                if cells:
                    self._add(f"{name}, row {number}", number, partition, cells)
        except (csv.Error, UnicodeDecodeError) as error:
            self._refuse("FileNotReadable", f"{name} cannot be read as UTF-8 CSV: {error}")

    def _add(self, place: str, number: int, partition: str, cells: list[str]) -> None:
        if not self.columns:
            self.columns = [Column() for _ in cells]
        if len(cells) != len(self.columns):
            self._refuse(
                "ColumnsDiffer",
                f"{place} has {len(cells)} columns, but the first row of the data has "
                f"{len(self.columns)}: each delivery must have the same columns",
            )
            return
        values = [_number(cell) for cell in cells]
        if self._is_refused(place, number, cells, values):
            return
        self.rows[partition] = self.rows.get(partition, 0) + 1
        label = values[self.label] if self.label < len(values) else None
        for column, value in zip(self.columns, values, strict=True):
            # A missing value of a feature is allowed: XGBoost reads an empty cell as such.
            if value is not None and label is not None:
                column.add(value, label)

    def _is_refused(
        self, place: str, number: int, cells: list[str], values: list[float | None]
    ) -> bool:  # fmt: skip
        wrong = [i for i, v in enumerate(values) if v is None and cells[i].strip()]
        if wrong and number == 1:
            self._refuse("HeaderPresent", f"{place} is a header, not numbers "
                         f"({_cut(cells[wrong[0]])}): SageMaker's built-in algorithms read CSV "
                         "without one")  # fmt: skip
        elif wrong:
            self._refuse("NotANumber", f"{place}, column {wrong[0]}: got {_cut(cells[wrong[0]])}; "
                         "each value must be a number")  # fmt: skip
        elif self.label < len(values) and values[self.label] is None:
            self._refuse("LabelMissing", f"{place} has no label in column {self.label}")
        else:
            return False
        return True

    def _refuse(self, code: str, message: str) -> None:
        self.problems.setdefault(code, Problem(code=code, message=message))


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
