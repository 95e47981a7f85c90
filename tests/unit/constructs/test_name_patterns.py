"""No pattern of names of one job or endpoint covers what another of a similar name creates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cdk import App, Stack
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from constructs_lib import ConfigurationError, NotebookRole
from constructs_lib.serving.permissions import endpoint_parts, scaling_alarms
from constructs_lib.serving.scaled_variants import _alarm_name
from constructs_lib.training.kinds import PROCESSING, TRAINING, TRANSFORM, TUNING, JobKind
from sageloop.local_cloud.access.policy.patterns import resource
from sageloop.local_cloud.events.patterns import checked, matches

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lambda" / "layer" / "python"))

from sageloop_runtime.jobs.kinds import KINDS
from sageloop_runtime.names import (
    config_name,
    endpoint_prefix,
    is_of_endpoint,
    model_name,
)
from sageloop_runtime.scaling.policy_alarms import PolicyAlarms

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:"
JOB_KINDS = [TRAINING, TUNING, PROCESSING, TRANSFORM]

_word = st.text(alphabet="abcdef0123456789sz", min_size=1, max_size=12)
_parts = st.one_of(
    _word,
    st.sampled_from(["weekly", "scaling", "scaling-0-0", "0", "001", "0123456789", "0123456789ab"]),
    st.text(alphabet="0123456789abcdef", min_size=8, max_size=12),
)
_names = st.lists(_parts, min_size=1, max_size=4).map("-".join)


@st.composite
def pairs(draw: st.DrawFn, longest: int) -> tuple[str, str]:
    """Two names, the second of which often begins with the first."""
    first = draw(_names)
    glue = draw(st.sampled_from(["-", "--", "", "-scaling-"]))
    second = draw(st.one_of(_names, _names.map(lambda name: f"{first}{glue}{name}")))
    first, second = first[:longest].rstrip("-"), second[:longest].rstrip("-")
    assume(first != second)
    return first, second


def long_pairs() -> st.SearchStrategy[tuple[str, str]]:
    """Two endpoints whose names have 50 characters in common."""

    def common(start: str) -> str:
        return (start * 50)[:50]

    return st.tuples(_word, _names, _names).map(
        lambda each: (
            f"{common(each[0])}{each[1]}"[:63].rstrip("-"),
            f"{common(each[0])}{each[2]}"[:63].rstrip("-"),
        )
    )


def jobs_of(kind: JobKind, job: str, key: str) -> Iterator[tuple[str, str]]:
    """Resource and name of what a job creates: its run, and a tuning job's trials."""
    name = KINDS[kind.name].job_name(job, key)
    yield kind.resource, name
    if kind is TUNING:
        yield "training-job", f"{name}-001-0a1b2c3d"
        yield "training-job", f"{name}-1234-0a1b2c3d"


def allowed(kind: JobKind, job: str) -> list[str]:
    """Resource patterns of a job's policies."""
    trials = kind.trial_names(job) if kind is TUNING else []
    return [
        f"{ARN}{kind.resource}/{kind.names(job)}",
        *[f"{ARN}training-job/{name}" for name in trials],
    ]


def event(kind: JobKind, of: str, name: str) -> dict[str, object]:
    return {"detail": {
        kind.name_key: name, kind.arn_key: f"{ARN}{of}/{name}", kind.status_key: "Completed",
    }}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(pair=pairs(21), kinds=st.tuples(*[st.sampled_from(JOB_KINDS)] * 2), key=st.text(max_size=3))
def test_policies_of_a_job_cover_no_job_of_another(
    pair: tuple[str, str], kinds: tuple[JobKind, JobKind], key: str
) -> None:
    for one, other in (pair, pair[::-1]):
        for of, name in jobs_of(kinds[1], other, key):
            assert not any(resource(each)(f"{ARN}{of}/{name}") for each in allowed(kinds[0], one))
            assert not KINDS[kinds[0].name].is_job_of(one, name)


@settings(max_examples=150, deadline=None)
@given(pair=pairs(21), kind=st.sampled_from(JOB_KINDS), key=st.text(max_size=3))
def test_rule_of_a_job_receives_no_event_of_another(
    pair: tuple[str, str], kind: JobKind, key: str
) -> None:
    for one, other in (pair, pair[::-1]):
        pattern = checked({"detail": kind.event_detail(one, ["Completed"])})
        (own, *_), (foreign, *_) = jobs_of(kind, one, key), jobs_of(kind, other, key)
        assert matches(pattern, event(kind, *own))
        assert not matches(pattern, event(kind, *foreign))


@given(name=_names.map(lambda name: name[:21].rstrip("-")), key=st.text(max_size=3))
def test_policies_of_a_job_cover_its_own_jobs(name: str, key: str) -> None:
    for kind in JOB_KINDS:
        for of, each in jobs_of(kind, name, key):
            assert any(resource(pattern)(f"{ARN}{of}/{each}") for pattern in allowed(kind, name))


@settings(max_examples=150, deadline=None)
@given(pair=st.one_of(pairs(63), long_pairs()), text=st.text(max_size=3))
def test_patterns_of_an_endpoint_cover_nothing_of_another(pair: tuple[str, str], text: str) -> None:
    assume(pair[0] != pair[1])
    for one, other in (pair, pair[::-1]):
        model = model_name(other, text, {}, "image")
        for name in (model, config_name(other, model, text)):
            assert len(name) <= 63
            assert resource(endpoint_parts(other))(name)
            assert is_of_endpoint(other, name)
            assert not resource(endpoint_parts(one))(name)
            assert not is_of_endpoint(one, name)
        for index, number in ((0, 0), (9, 11), (3, 10)):
            alarm = _alarm_name(other, index, number)
            assert resource(scaling_alarms(other))(alarm)
            assert not resource(scaling_alarms(one))(alarm)
            assert PolicyAlarms(None, other).is_own(alarm)
            assert not PolicyAlarms(None, one).is_own(alarm)


def test_short_names_of_endpoints_are_whole() -> None:
    assert endpoint_prefix("e" * 50) == "e" * 50
    assert len(endpoint_prefix("e" * 51)) == 50


def test_prefix_of_a_notebook_ends_with_a_hyphen() -> None:
    with pytest.raises(ConfigurationError, match="ends in a hyphen, got 'demo'"):
        NotebookRole(Stack(App(), "Test"), "Role", jobs="demo")
