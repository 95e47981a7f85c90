"""Rules of a dataset: its label, and the size of its hold-out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .table import Problem, Table


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a training job expects of its data.

    Attributes:
        classes: Number of classes of a classification, whose labels are 0 to ``classes`` - 1;
            ``None`` for a regression.
        validation_days: Number of last partitions that are held out.
        minimum_rows: Minimum number of rows in the hold-out, for the gate to compare models.

    """

    classes: int | None = None
    validation_days: int = 7
    minimum_rows: int = 100


def problems_of(table: Table, expected: Expectation) -> list[Problem]:
    """All errors of the data, those of single rows first."""
    if not table.total:
        return [*table.problems.values()] or [Problem(code="NoRows", message="there are no rows")]
    if table.label >= len(table.columns):
        message = f"--label must be less than the {len(table.columns)} columns, got {table.label}"
        return [Problem(code="LabelMissing", message=message)]
    return [*table.problems.values(), *_label(table, expected), *_hold_out(table, expected)]


def _label(table: Table, expected: Expectation) -> Iterator[Problem]:
    index, label = table.label, table.columns[table.label]
    if label.low == label.high:
        yield Problem(
            code="LabelConstant",
            message=f"the label (column {index}) is {label.low:g} in all {table.total} rows: "
            "a model would learn nothing",
        )
    elif label.counts_rows:
        yield Problem(
            code="LabelCountsRows",
            message=f"the label (column {index}) counts the rows from {label.low:g} to "
            f"{label.high:g}: it is an identifier, not a label",
        )
    elif expected.classes is not None and not (label.whole and label.high < expected.classes):
        yield Problem(
            code="LabelNotAClass",
            message=f"the label (column {index}) must be a whole number from 0 to "
            f"{expected.classes - 1}, got {label.low:g} to {label.high:g}{_hint(table)}",
        )
    copies = [i for i, column in enumerate(table.columns) if i != index and column.is_label]
    if copies and label.low != label.high:
        yield Problem(
            code="LabelIsAFeature",
            message=f"column {copies[0]} equals the label (column {index}) in all rows: a model "
            "would learn to copy it",
        )


def _hint(table: Table) -> str:
    last = len(table.columns) - 1
    column = table.columns[last]
    has_labels = column.binary and column.low < column.high
    if table.label == last or not has_labels:
        return ""
    return f"; column {last}, the last, has 0 and 1: built-in algorithms expect the label first"


def _hold_out(table: Table, expected: Expectation) -> Iterator[Problem]:
    if "" in table.rows:
        return
    days = sorted(table.rows)
    if len(days) <= expected.validation_days:
        yield Problem(
            code="NothingToTrain",
            message=f"the data has {len(days)} partitions and {expected.validation_days} are held "
            "out: none is left to train with",
        )
        return
    rows = sum(table.rows[day] for day in days[-expected.validation_days :])
    if rows < expected.minimum_rows:
        yield Problem(
            code="HoldOutTooSmall",
            message=f"the hold-out (the last {expected.validation_days} partitions) has {rows} "
            f"rows, and the gate needs {expected.minimum_rows} to compare models (--minimum-rows)",
        )
