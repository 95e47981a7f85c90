"""Weekly errors of both models, and the checks of the demo's results."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from sageloop.demo.report import Report, Week
from sageloop.demo.traffic import Sent, Traffic
from sageloop.demo.watch import Watcher

_REQUESTS_WANTED, _DURING_WANTED = 1_000, 500
_IMPROVEMENT_WANTED = 0.75


def old_model_errors(s3: Any, model_url: str, sent: Sequence[Sent]) -> list[tuple[float, float]]:
    """The first model's error on every request's flights: time and mean minutes.

    The model is run locally, outside the endpoint, on the flights that were sent.
    """
    import numpy as np
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(_model_bytes(s3, model_url))
    rows = [f.features for s in sent for f in s.flights]
    answers = booster.predict(xgboost.DMatrix(np.asarray(rows, dtype=float)))
    errors: list[tuple[float, float]] = []
    at = 0
    for request in sent:
        part = answers[at : at + len(request.flights)]
        at += len(request.flights)
        truth = [f.minutes for f in request.flights]
        errors.extend((request.time, abs(float(p) - t)) for p, t in zip(part, truth, strict=True))
    return errors


def weeks_of(
    watcher: Watcher, configs: Mapping[str, str], traffic: Traffic,
    old: Sequence[tuple[float, float]],
) -> list[Week]:  # fmt: skip
    """CloudWatch's weekly errors beside the first model's on flights of the same period."""
    weeks = []
    for key in ("before", "after"):
        for moment, live in watcher.errors(traffic.when(traffic.first), config=configs[key]):
            window = traffic.window_before(moment)
            same = [e for t, e in old if window[0] < t <= window[1]]
            begins = max(traffic.first, traffic.day_at(window[0]))
            weeks.append(
                Week(begins.isoformat(), live, fmean(same) if same else None, key, len(same))
            )
    return sorted(weeks, key=lambda w: (w.begins, w.configuration == "after"))


def judge(report: Report) -> None:
    """Fill in the errors and the result of all checks."""
    before = [w for w in report.weeks if w.configuration == "before"]
    after = [w for w in report.weeks if w.configuration == "after" and w.old_model is not None]
    report.error |= {
        "live_before": before[-1].live if before else None,
        "live_after": _weighted(after, lambda w: w.live),
        "old_model_on_same_flights": _weighted(after, lambda w: w.old_model),
    }
    report.problems += _problems(report)
    report.ok = not report.problems


def _weighted(weeks: Sequence[Week], value: Any) -> float | None:
    count = sum(w.predictions for w in weeks)
    return sum(value(w) * w.predictions for w in weeks) / count if count else None


def _problems(report: Report) -> list[str]:
    configs, models = report.endpoint_config, report.served_model
    live, old = report.error.get("live_after"), report.error.get("old_model_on_same_flights")
    checks = {
        "requests failed": report.requests.get("failed") == 0,
        f"fewer than {_REQUESTS_WANTED} requests": report.requests.get("sent", 0)
        > _REQUESTS_WANTED,
        f"fewer than {_DURING_WANTED} requests during the rollout": report.requests.get(
            "during_rollout", 0
        )
        >= _DURING_WANTED,
        "one configuration answered no request": all(
            report.requests.get("by_configuration", {"": 0}).values()
        ),
        "not exactly one retraining": report.retraining.get("jobs_started") == 1,
        "the new model is not clearly better": bool(
            live is not None and old is not None and live <= _IMPROVEMENT_WANTED * old
        ),
        "a cdk command failed": not any(report.cdk.values()),
        "the second deploy rolled something out": configs.get("after")
        == configs.get("after_second_deploy"),
        "the third deploy rolled nothing out": configs.get("after_second_deploy")
        != configs.get("after_third_deploy"),
        "the configuration did not change": configs.get("before") != configs.get("after"),
        "a deploy changed the served model": len(set(models.values())) == 1,
    }
    return [problem for problem, fine in checks.items() if not fine]


def _model_bytes(s3: Any, url: str) -> bytearray:
    bucket, key = url.removeprefix("s3://").split("/", 1)
    packed = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
        return bytearray((Path(folder) / "xgboost-model").read_bytes())
