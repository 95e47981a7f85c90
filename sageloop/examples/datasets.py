"""Real data sets in packages from PyPI, read as files without network access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sageloop.demo.data_packages import packaged

_CUSTOMERS = "lifetimes"


@dataclass(frozen=True, slots=True)
class Split:
    """Rows and labels for training and for testing."""

    train_rows: Any
    train_labels: Any
    test_rows: Any
    test_labels: Any


def digits(held_out: float = 0.25, seed: int = 0) -> Split:
    """1,797 handwritten digits of 8 x 8 grey values (0 to 16) with their labels.

    The test set of the UCI collection "Optical Recognition of Handwritten Digits", as
    scikit-learn distributes it. Values are divided by 16; ``held_out`` is the share of the test
    set, stratified by digit and drawn with ``seed``.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    rows, labels = load_digits(return_X_y=True)
    made = train_test_split(
        rows / 16.0, labels, test_size=held_out, random_state=seed, stratify=labels
    )
    return Split(made[0], made[2], made[1], made[3])


def digits_files() -> dict[str, bytes]:
    """``train.csv`` and ``test.csv`` of the digits: the label, then 64 values."""
    split = digits()
    parts = {
        "train.csv": (split.train_labels, split.train_rows),
        "test.csv": (split.test_labels, split.test_rows),
    }
    return {
        name: as_csv([[label, *row] for label, row in zip(labels, rows, strict=True)])
        for name, (labels, rows) in parts.items()
    }


def customers() -> list[tuple[float, float, float]]:
    """Recency (days), frequency (orders) and money spent of each of 23,570 customers.

    Customers of the CD shop CDNOW who first bought in early 1997, with all orders until June
    1998 (Fader and Hardie), as the package ``lifetimes`` (MIT) distributes them.

    Raises:
        DataMissingError: If the package is not installed.

    """
    orders: dict[str, list[tuple[date, float]]] = {}
    for line in packaged(_CUSTOMERS, "CDNOW_master.txt").decode().splitlines()[1:]:
        who, day, _, dollars = line.split()
        when = datetime.strptime(day, "%Y%m%d").date()
        orders.setdefault(who, []).append((when, float(dollars)))
    last = max(day for bought in orders.values() for day, _ in bought)
    return [_summary(bought, last) for _, bought in sorted(orders.items())]


def as_csv(rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows as CSV without a header."""
    return "".join(",".join(map(repr_of, row)) + "\n" for row in rows).encode()


def repr_of(value: Any) -> str:
    """The shortest text of a number that reads back without loss."""
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def _summary(bought: list[tuple[date, float]], last: date) -> tuple[float, float, float]:
    latest = max(day for day, _ in bought)
    return float((last - latest).days), float(len(bought)), sum(spent for _, spent in bought)
