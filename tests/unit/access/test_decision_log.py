"""The log of access decisions: its memory, and what a full one keeps."""

from __future__ import annotations

import tracemalloc

from sageloop.local_cloud.access.enforcement.decision_log import DecisionLog
from sageloop.local_cloud.access.policy import Decision, Effect, Principal, PrincipalKind, Request

ROLE = "arn:aws:iam::123456789012:role/reader"
KEYS = 15


def decision(resource: str, effect: Effect = Effect.ALLOWED) -> Decision:
    """A decision with strings of its own, as each request has."""
    context = {f"aws:Key{n}": "".join(["value of the", f" key {n}"]) for n in range(KEYS)}
    principal = Principal(kind=PrincipalKind.ROLE_SESSION, arn="".join([ROLE, ""]))
    return Decision(
        request=Request(
            principal=principal, action="s3:GetObject", resource=resource, context=context
        ),
        effect=effect,
    )


def test_decisions_share_the_values_of_their_keys() -> None:
    """Each captured object is a decision of its own: the log of a long run had 4 KB for each."""
    log, count = DecisionLog(), 500
    log.add(decision("arn:aws:s3:::data/first"))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            log.add(decision(f"arn:aws:s3:::data/{number}"))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / count < 900
    assert log.records()[-1].context["aws:key1"] == ["value of the key 1"]


def test_full_log_keeps_denials() -> None:
    log = DecisionLog(capacity=2)
    for resource in ("a", "b", "c"):
        log.add(decision(resource))
    log.add(decision("d", Effect.IMPLICIT_DENY))

    assert [record.resource for record in log.records()] == ["a", "b", "d"]
    assert [record.resource for record in log.records(denied=True)] == ["d"]
    assert log.left_out == 1


def test_denials_are_bounded_too() -> None:
    log = DecisionLog(capacity=2)
    for number in range(9):
        log.add(decision(str(number), Effect.IMPLICIT_DENY))

    assert len(log.records()) == 4
    assert log.left_out == 5
