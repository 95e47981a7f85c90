"""The plan of a soak follows from its seed; its footprint's bounds notice growth."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.soak import faults, people
from scripts.soak.footprint import WARM_UP_DAYS, Sample, bounds, fit
from scripts.soak.loop import RECONCILE_MINUTES, SoakError, changed_settings, settings_text
from scripts.soak.plan import MOST_A_DAY, STEPS, is_quiet, plan
from scripts.soak.report import DayReport, Report
from stacks.settings_file import load_settings


def sample(day: int, **members: Any) -> Sample:
    values: dict[str, Any] = {
        "memory": 1000.0, "server": 400.0, "processes": 15, "descriptors": 160, "threads": 50,
        "files": 250, "megabytes": 20.0, **members,
    }  # fmt: skip
    return Sample(day=day, **values)


def listed(seed: int, days: int = 40, **members: Any) -> list[tuple[int, int, str, int]]:
    return [
        (day, each.step, each.inject.__name__, each.seed)
        for day, all_of_day in plan(seed, days, **members).items()
        for each in all_of_day
    ]


def test_same_seed_gives_the_same_plan() -> None:
    assert listed(1) == listed(1)
    assert listed(1) != listed(2)


def test_plan_has_every_fault() -> None:
    names = {inject.__name__ for inject, _ in (*faults.ALL, *people.ALL)}

    assert {name for _, _, name, _ in listed(1, 400)} == names


def test_steps_are_in_order_and_within_the_day() -> None:
    steps = [[each.step for each in all_of_day] for all_of_day in plan(1, 90).values()]

    assert all(day == sorted(day) for day in steps)
    assert {step for day in steps for step in day} <= set(range(STEPS))


def test_plan_of_a_quiet_day_is_empty() -> None:
    quiet = {day for day in range(1, 41) if is_quiet(day, 40)}

    assert quiet == {10, 20, 30, 39, 40}
    assert quiet & {day for day, *_ in listed(1)} == set()


@pytest.mark.parametrize(("days", "quiet"), [(1, []), (3, [3]), (8, [7, 8])])
def test_short_run_ends_with_fewer_quiet_days(days: int, quiet: list[int]) -> None:
    assert [day for day in range(1, days + 1) if is_quiet(day, days)] == quiet


def test_plan_may_be_limited_to_some_faults() -> None:
    assert {name for _, _, name, _ in listed(1, only=["clock_jumps"])} == {"clock_jumps"}
    assert listed(1, only=["none"]) == []


def test_plan_may_have_more_faults_a_day() -> None:
    counts = [len(all_of_day) for all_of_day in plan(1, 90, most=12).values()]

    assert max(counts) == 12
    assert max(len(all_of_day) for all_of_day in plan(1, 90).values()) == MOST_A_DAY


def test_unknown_fault_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown faults: storm: one of access_is_denied"):
        plan(1, 3, only=["storm"])


@pytest.mark.parametrize("quantity", ["memory", "server", "processes", "descriptors", "threads",
                                      "files", "megabytes"])  # fmt: skip
def test_growth_of_a_quantity_exceeds_its_bound(quantity: str) -> None:
    flat = sample(1)
    grown = [
        sample(day, **{quantity: getattr(flat, quantity) * (1 + (day - 20) / 40)})
        for day in range(1, 91)
    ]

    assert [bound.quantity for bound in bounds(grown) if not bound.holds] == [quantity]


def test_flat_samples_are_within_the_bounds() -> None:
    assert all(bound.holds for bound in bounds([sample(day) for day in range(1, 91)]))


def test_growth_of_the_warm_up_does_not_count() -> None:
    samples = [sample(day, memory=1000.0 + 100 * min(day, WARM_UP_DAYS)) for day in range(1, 91)]

    assert all(bound.holds for bound in bounds(samples))


def test_growth_by_design_is_counted_apart() -> None:
    def growing(objects: int) -> list[Sample]:
        return [
            sample(day, server=400.0 + 4.0 * day, memory=1000.0 + 4.0 * day, objects=objects * day)
            for day in range(1, 91)
        ]

    assert {b.quantity for b in bounds(growing(0)) if not b.holds} == {"server", "memory"}
    assert [b for b in bounds(growing(1200)) if not b.holds] == []


def test_short_run_has_no_bounds() -> None:
    assert list(bounds([sample(day) for day in range(1, WARM_UP_DAYS + 5)])) == []


def test_fit_is_the_least_squares_line() -> None:
    assert fit([(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]) == (2.0, 2.0)


def test_settings_differ_in_two_lines_and_are_valid(tmp_path: Any) -> None:
    path = tmp_path / "soak.toml"
    path.write_text(settings_text())

    assert load_settings(str(path)).monitoring.reconcile_minutes == RECONCILE_MINUTES


def test_setting_that_does_not_occur_once_is_refused() -> None:
    with pytest.raises(SoakError, match="the settings have 2 lines 'a', one is expected"):
        changed_settings("a = 1\na = 2\n", a="3")


def test_violation_is_listed_once_and_fails_the_report() -> None:
    report = Report(days=1, seed=7)
    report.add(DayReport(day=1))
    assert report.ok

    new = [report.violate("I4", "lost", day=day, seed=7, faults=["f"]) for day in (1, 2)]

    assert new == [True, False]
    assert not report.ok
    assert report.as_dict()["violations"] == [
        {"invariant": "I4", "text": "lost", "day": 1, "seed": 7, "faults": ["f"]}
    ]


def test_report_of_an_interrupted_run_fails() -> None:
    assert not Report(days=2, seed=1).ok


def test_exceeded_bound_fails_the_report() -> None:
    report = Report(days=30, seed=1)
    for day in range(1, 31):
        report.add(DayReport(day=day, sample=sample(day, files=100 * day)))

    assert not report.ok
