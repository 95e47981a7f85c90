"""A short soak: the demo's loop for three virtual days, two of them with faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from sageloop.local_cloud.client import LocalCloud
from scripts.soak import plan
from scripts.soak.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.long]

DAYS, SEED = 3, 9


def test_short_soak_violates_no_invariant(tmp_path: Path) -> None:
    lines: list[str] = []
    with LocalCloud.start(log=tmp_path / "cloud.log") as cloud:
        run = Run(cloud=cloud, work=tmp_path, days=DAYS, seed=SEED, progress=lines.append)
        report = run.run()

    assert report.as_dict()["violations"] == []
    assert report.ok
    assert report.promotions + report.as_dict()["totals"]["jobs"] > 0
    planned = sum(map(len, plan.plan(SEED, DAYS).values()))
    assert sum(len(day.faults) for day in report.run) == planned > 3
    assert [line[:8] for line in lines] == ["day   1:", "day   2:", "day   3:"]
