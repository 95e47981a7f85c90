from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import Duration, Stack, Token

from constructs_lib import (
    Canary,
    ConfigurationError,
    DataCapture,
    DataStore,
    Evaluation,
    Gate,
    ResourceConfig,
    RetrainingLoop,
    Variant,
    XGBoost,
)
from constructs_lib._private.checks import Checks, text_of

from .conftest import Ground

_NUMBER: Any = Token.as_number({"Ref": "Number"})


_INVOKE: dict[str, Callable[..., None]] = {
    "between": Checks.between, "whole": Checks.whole, "prefix": Checks.prefix,
    "name": Checks.name, "instance_type": Checks.instance_type, "literal": Checks.literal,
}  # fmt: skip


def _refused(refuse: str, *arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as refused, Checks("Test") as check:
        _INVOKE[refuse](check, *arguments)
    return str(refused.value).removeprefix("[Test] ")


@pytest.mark.parametrize(
    ("refuse", "arguments", "message"),
    [
        ("between", ("n", 3, 1, 2), "ValueOutOfRange: n must be between 1 and 2, got 3"),
        ("between", ("n", 0, 1), "ValueOutOfRange: n must be at least 1, got 0"),
        ("between", ("n", 3, _NUMBER, 2), "ValueOutOfRange: n must be at most 2, got 3"),
        ("between", ("n", "3", 1, 2), "TypeNotAllowed: n must be a number, got '3'"),
        ("between", ("n", True, 1, 2), "TypeNotAllowed: n must be a number, got True"),
        ("between", ("n", float("nan"), 1, 2), "ValueOutOfRange: n must be between 1 and 2, got"),
        ("between", ("n", float("inf")), "ValueOutOfRange: n must be finite, got inf"),
        ("whole", ("n", float("inf"), 1), "ValueOutOfRange: n must be at least 1, got inf"),
        ("whole", ("n", 1.5, 1, 2), "ValueNotWhole: n must be a whole number, got 1.5"),
        ("prefix", ("p", ""), "PrefixNotAllowed: p must be a relative S3 prefix"),
        ("prefix", ("p", "*/"), "PrefixNotAllowed: p must be a relative S3 prefix whose parts"),
        ("prefix", ("p", "${aws:username}/"), "PrefixNotAllowed: p must be a relative S3 prefix"),
        ("prefix", ("p", "a?/"), "PrefixNotAllowed: p must be a relative S3 prefix whose parts"),
        ("prefix", ("p", "a//"), "PrefixNotAllowed: p must be a relative S3 prefix whose parts"),
        ("prefix", ("p", "a/../"), "PrefixNotAllowed: p must be a relative S3 prefix without"),
        ("prefix", ("p", "a" * 902 + "/"), "PrefixNotAllowed: p must have at most 900 char"),
        ("prefix", ("p", None), "TypeNotAllowed: p must be a text, got None"),
        ("name", ("n", 5), "TypeNotAllowed: n must be a text, got 5"),
        ("instance_type", ("t", 5), "TypeNotAllowed: t must be a text, got 5"),
        ("literal", ("n", _NUMBER), "TokenNotAllowed: n must be known when the stack is built"),
        ("literal", ("d", Duration.seconds(_NUMBER)), "TokenNotAllowed: d must be known"),
    ],
)
def test_check_error_has_value_and_allowed_values(
    refuse: str, arguments: tuple[Any, ...], message: str
) -> None:
    assert _refused(refuse, *arguments).startswith(message)


def test_token_bounds_are_not_checked() -> None:
    with Checks("Test") as check:
        check.between("n", 5, 1, _NUMBER)


def test_other_exception_is_not_replaced_by_faults() -> None:
    def wrong() -> None:
        with Checks("Test") as check:
            check.name("n", "_")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wrong()


def test_token_number_stays_token_in_text(stack: Stack) -> None:
    assert text_of(20) == "20"
    assert stack.resolve(text_of(_NUMBER)) == {"Ref": "Number"}


def test_single_fault_has_its_code(stack: Stack) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DataStore(stack, "Store", log_days=0)

    assert (refused.value.code, len(refused.value.faults)) == ("ValueOutOfRange", 1)


def test_faults_of_store_are_reported_together(stack: Stack) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DataStore(stack, "Store", log_days=0, noncurrent_days=9999)

    assert refused.value.code == "SeveralFaults"
    assert str(refused.value).splitlines() == [
        "[Test/Store] SeveralFaults: 2 values cannot be used",
        "  ValueOutOfRange: noncurrent_days must be between 1 and 3650, got 9999",
        "  ValueOutOfRange: log_days must be between 1 and 3650, got 0",
    ]


def _codes(error: ConfigurationError) -> list[str]:
    return [fault.code for fault in error.faults]


def test_faults_of_job_and_specification_are_reported_together(anew: Ground) -> None:
    with pytest.raises(ConfigurationError) as refused:
        anew.job(job="a_b", compute=ResourceConfig(instance_type="m5", instance_count=0))

    assert _codes(refused.value) == ["NameNotAllowed", "InstanceTypeNotAllowed", "ValueOutOfRange"]


def test_faults_of_champion_endpoint_are_reported_together(anew: Ground) -> None:
    with pytest.raises(ConfigurationError) as refused:
        anew.champion(
            endpoint_name="a_b", variants=[], capture=DataCapture(percentage=101),
            rollout=Canary(wait_seconds=-1), models_prefix="/m",
        )  # fmt: skip

    assert _codes(refused.value) == [
        "NameNotAllowed", "ValueMissing", "ValueOutOfRange", "ValueOutOfRange", "PrefixNotAllowed",
    ]  # fmt: skip


def test_variants_of_one_name_are_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match=r"NameTwice: .*\['A', 'A'\]"):
        anew.champion(variants=[Variant(name="A"), Variant(name="A")])


def test_faults_of_loop_are_reported_together(loop: Callable[..., RetrainingLoop]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loop(
            gate=Gate(threshold=1, improvement=2), max_attempts=11,
            evaluation=Evaluation(ground_truth_prefix="t"), cooldown=Duration.seconds(1),
        )  # fmt: skip

    assert _codes(refused.value) == [
        "ValueOutOfRange", "PrefixNotAllowed", "ValueOutOfRange", "CooldownTooShort",
    ]  # fmt: skip


def test_faults_of_hyperparameters_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as refused:
        XGBoost(hyperparameters={"eta": 2, "depth": 1})

    assert _codes(refused.value) == [
        "HyperparameterMissing", "ValueOutOfRange", "HyperparameterUnknown",
    ]  # fmt: skip
