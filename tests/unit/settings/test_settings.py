from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from stacks import SettingsError, load_settings
from stacks.settings_file import read_settings

_FOLDER = Path(__file__).resolve().parents[3] / "settings"
JWT: dict[str, Any] = {"authorizer": "JWT"}
ISSUED: dict[str, Any] = {**JWT, "issuer": "https://login.example.com", "audience": ["scores"]}
POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abcdefghi"
ACL = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/own/1"


@pytest.fixture
def values() -> dict[str, Any]:
    return tomllib.loads((_FOLDER / "prod.toml").read_text(encoding="utf-8"))


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values[parent]
    values[last] = value


def test_prod_serves_the_flights() -> None:
    settings = load_settings("prod")

    assert settings.name == "sageloop-prod-flights"
    assert settings.serving.instance_count == 2
    assert settings.monitoring.model_quality_threshold == 12.0


def test_dev_has_one_instance_and_no_canary() -> None:
    settings = load_settings("dev")

    assert settings.serving.instance_count == 1
    assert settings.serving.rollout is None


def test_environment_variable_selects_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGELOOP_SETTINGS", "dev")

    assert load_settings().project.name == "sageloop-dev"


def test_prod_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGELOOP_SETTINGS", raising=False)

    assert load_settings().project.name == "sageloop-prod"


def test_path_selects_settings_file(tmp_path: Path) -> None:
    text = (_FOLDER / "prod.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace("sageloop-prod", "other"), encoding="utf-8")

    assert load_settings(str(mine)).project.name == "other"


def test_unknown_name_is_refused_with_known_names() -> None:
    with pytest.raises(SettingsError, match="no settings 'test': allowed are dev, prod"):
        load_settings("test")


def test_invalid_toml_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[project", encoding="utf-8")

    with pytest.raises(SettingsError, match=r"mine\.toml is not TOML"):
        load_settings(str(mine))


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("project.name", "Bad_Name", "project.name: got 'Bad_Name'; must be lower-case"),
        ("serving.colour", "blue", "serving.colour: got 'blue'; there is no such key"),
        ("data.validation_days", 0, "got 0; input should be greater than or equal to 1"),
        ("data.validation_days", "7", "data.validation_days: got '7'; input should be a valid int"),
        ("data.window_days", 7, "validation_days must be fewer than window_days"),
        ("serving.instance_type", "m5.large", "serving.instance_type: got 'm5.large'"),
        ("serving.instance_count", 1, "rollout.canary_instances must be at most half of"),
        ("serving.capture.percentage", 101, "got 101; input should be less than or equal to 100"),
        ("serving.scaling.maximum", 1, "must not be less than scaling.minimum (2), got 1"),
        ("gate.objective", "smaller", "got 'smaller'; input should be 'Minimize' or 'Maximize'"),
        ("gate.objective", "Maximize", "gate: objective must be Minimize for mae and rmse, got"),
        ("gate.metric", "validation:auc", "gate: metric must be validation:mae or validation:rmse"),
        ("gate.approval", "manual", "gate.approval: got 'manual'; input should be 'Automatic' or"),
        ("monitoring.serving.p50_ms", 0, "monitoring.serving.p50_ms: got 0; input should be great"),
        ("monitoring.serving.memory_percent", 101, "got 101; input should be less than or equal"),
        ("monitoring.serving.p95_ms", 5, "monitoring.serving.p95_ms: got 5; there is no such key"),
        (
            "monitoring.serving.anomaly_metrics",
            ["errors"],
            "input should be 'invocations' or 'latency'",
        ),
        (
            "monitoring.serving.anomaly_metrics",
            ["latency"] * 2,
            "anomaly_metrics must name each metric at",
        ),
        (
            "monitoring.serving.expected_traffic.minutes",
            4,
            "minutes: got 4; input should be greater than",
        ),
        (
            "monitoring.serving.expected_traffic.to_hour",
            0,
            "to_hour: got 0; input should be greater than",
        ),
        (
            "monitoring.serving.expected_traffic.from_hour",
            24,
            "from_hour: got 24; input should be less",
        ),
        (
            "endpoint_schedule",
            {},
            "endpoint_schedule: stop and start, idle_timeout_minutes, or all three must be gi",
        ),
        (
            "endpoint_schedule",
            {"start": "cron(0 7 ? * * *)"},
            "endpoint_schedule: stop and start must be given toge",
        ),
        (
            "endpoint_schedule",
            {"idle_timeout_minutes": 5},
            "endpoint_schedule.idle_timeout_minutes: got 5; input should",
        ),
        (
            "endpoint_schedule",
            {"stop": "at 8", "start": "at 9"},
            "endpoint_schedule.stop: got 'at 8'; must be cron",
        ),
        (
            "endpoint_schedule",
            {"stop": "cron(0 20 * * *)"},
            "stop: got 'cron(0 20 * * *)'; must be cron",
        ),
        ("endpoint_schedule", {"timezone": "Europe/Pari"}, "zone; did you mean 'Europe/Paris'?"),
        ("inference_api", {"authorizer": "None"}, "got 'None'; input should be 'IAM' or 'JWT'"),
        (
            "inference_api",
            {"authorizer": "JWT"},
            "inference_api: user_pool_arns, or issuer and audie",
        ),
        ("inference_api", {"issuer": "https://a.b", "audience": ["c"]}, "only when authorizer is "),
        ("inference_api", {**JWT, "issuer": "https://a.b"}, "given together: audience is missing"),
        ("inference_api", {**JWT, "audience": ["c"]}, "given together: issuer is missing"),
        (
            "inference_api",
            {**JWT, "issuer": "http://a.b"},
            "inference_api.issuer: got 'http://a.b'; must be an https",
        ),
        (
            "inference_api",
            {**ISSUED, "issuer": "https://a.b?c"},
            "inference_api.issuer: got 'https://",
        ),
        (
            "inference_api",
            {**ISSUED, "audience": [""]},
            "inference_api.audience.0: got ''; must be a text",
        ),
        (
            "inference_api",
            {**ISSUED, "scopes": ["s"] * 11},
            "scopes must have at most 10 entries with issuer, got 11",
        ),
        (
            "inference_api",
            {**ISSUED, "user_pool_arns": [POOL]},
            "issuer are mutually exclusive",
        ),
        (
            "inference_api",
            {**ISSUED, "web_acl_arn": ACL},
            "not allowed with issuer: AWS WAF does no",
        ),
        (
            "inference_api",
            {**JWT, "user_pool_arns": [POOL], "concurrency": 5},
            "concurrency is allo",
        ),
        ("inference_api", {"scopes": ["a"]}, "scopes are allowed only when authorizer is 'JWT'"),
        (
            "inference_api",
            {"user_pool_arns": ["x"]},
            "inference_api.user_pool_arns.0: got 'x'; must be the ARN",
        ),
        (
            "inference_api",
            {"content_types": []},
            "inference_api.content_types: got []; list should",
        ),
        ("monitoring.window_minutes", 0, "monitoring.window_minutes: got 0"),
        ("monitoring.breaching", 4, "monitoring: breaching must be at most windows (3), got 4"),
    ],
)
def test_settings_refuse(values: dict[str, Any], key: str, value: Any, line: str) -> None:
    _set(values, key, value)

    with pytest.raises(SettingsError) as refused:
        read_settings(values, source="prod.toml")

    assert line in str(refused.value)


def test_traffic_hours_in_wrong_order_are_refused(values: dict[str, Any]) -> None:
    values["monitoring"]["serving"]["expected_traffic"] |= {"from_hour": 8, "to_hour": 8}

    with pytest.raises(SettingsError, match=r"to_hour must be later than from_hour \(8\), got 8"):
        read_settings(values)


def test_a_missing_key_is_named(values: dict[str, Any]) -> None:
    del values["gate"]["threshold"]

    with pytest.raises(SettingsError, match=r"gate\.threshold: is missing"):
        read_settings(values)


def test_each_fault_has_one_line(values: dict[str, Any]) -> None:
    _set(values, "data.validation_days", 0)
    _set(values, "serving.capture.percentage", -1)

    with pytest.raises(SettingsError) as refused:
        read_settings(values)

    assert len(str(refused.value).splitlines()) == 3


def test_short_cooldown_is_refused_in_one_line(
    values: dict[str, Any],
) -> None:
    _set(values, "monitoring.cooldown_seconds", 3600)

    with pytest.raises(SettingsError) as refused:
        read_settings(values, source="prod.toml")

    assert str(refused.value).splitlines() == [
        "prod.toml cannot be used:",
        "  monitoring.cooldown_seconds must be more than 12120 seconds, got 3600: the alarm's "
        "windows take 3 x 3600, ground truth may take 900, the rollout waits 420",
    ]


def test_cooldown_without_canary_includes_termination_wait(values: dict[str, Any]) -> None:
    del values["serving"]["rollout"]
    _set(values, "monitoring.cooldown_seconds", 11_820)

    with pytest.raises(SettingsError, match="the rollout waits 120"):
        read_settings(values)


def _tuned(**changes: Any) -> dict[str, Any]:
    values = tomllib.loads((_FOLDER / "tune.toml").read_text(encoding="utf-8"))
    values["tuning"] |= changes
    return values


@pytest.mark.feature("tuning: settings")
def test_tune_ranges_include_hyperparameters_of_prod() -> None:
    settings = load_settings("tune")

    assert settings.tuning is not None
    assert (settings.tuning.max_jobs, settings.tuning.max_parallel) == (6, 2)
    assert {*settings.tuning.integer, *settings.tuning.continuous} == {
        "eta", "max_depth", "num_round",
    }  # fmt: skip
    assert settings.training == load_settings("prod").training


@pytest.mark.feature("bad input: names too long for a search")
def test_long_name_with_tuning_is_refused() -> None:
    values = _tuned()
    values["project"]["model"] = "flightsx"

    with pytest.raises(SettingsError, match="at most 20 characters together when tuning is set"):
        read_settings(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "Annealing"}, "tuning.strategy: got 'Annealing'"),
        ({"max_parallel": 11}, "tuning.max_parallel: got 11"),
        ({"max_jobs": None}, "max_jobs is needed with the strategy Bayesian"),
        ({"integer": {}, "continuous": {}}, "must name a hyperparameter"),
        (
            {"integer": {"max_depth": {"minimum": 1}}},
            "tuning.integer.max_depth.maximum: is missing",
        ),
    ],
)
def test_invalid_tuning_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(_tuned(**changes))
