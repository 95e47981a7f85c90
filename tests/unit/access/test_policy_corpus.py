"""Examples of AWS's documentation, each with the decision that its page states.

The files in ``corpus/`` hold, for each page, examples of policies and requests in our own words.
Some requests are the counterpart of a documented one: what an example "allows only if" is not
allowed otherwise. ``principal`` is ``user:ACCOUNT:NAME``,
``role:ACCOUNT:NAME:SESSION``, ``federated:ACCOUNT:NAME:USER``, ``root:ACCOUNT``,
``service:NAME``, ``provider:NAME`` or ``anonymous``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    EndpointPolicy,
    Policy,
    Principal,
    Request,
    ResourcePolicy,
    anonymous,
    decide,
    federated_user,
    identity_provider,
    parse_policy,
    role_session,
    root,
    service,
    user,
)

CORPUS = Path(__file__).parent / "corpus"


def pages() -> Iterator[dict[str, Any]]:
    for path in sorted(CORPUS.glob("*.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))


def requests() -> Iterator[Any]:
    for page in pages():
        for example in page["examples"]:
            for request in example["requests"]:
                name = f"{page['page']} - {example['example']} - {request['description']}"
                yield pytest.param(example, request, id=name)


def principal(text: str) -> Principal:
    kind, _, rest = text.partition(":")
    parts = rest.split(":")
    if kind == "user":
        return user(f"arn:aws:iam::{parts[0]}:user/{parts[1]}")
    if kind == "role":
        return role_session(f"arn:aws:iam::{parts[0]}:role/{parts[1]}", parts[2])
    if kind == "federated":
        account, name, by = parts
        return federated_user(
            f"arn:aws:sts::{account}:federated-user/{name}", f"arn:aws:iam::{account}:user/{by}"
        )
    return {
        "root": root, "service": service, "provider": identity_provider,
        "anonymous": lambda _: anonymous(),
    }[kind](rest)  # fmt: skip


def applied(policies: dict[str, Any]) -> AppliedPolicies:
    endpoint = policies.get("endpoint")
    return AppliedPolicies(
        identity=parsed(policies.get("identity", [])),
        boundary=parse_policy(policies["boundary"]) if "boundary" in policies else None,
        session=parsed(policies.get("session", [])),
        resource=tuple(
            ResourcePolicy(**(one | {"policy": parse_policy(one["policy"])}))
            for one in policies.get("resource", [])
        ),
        account=policies.get("account", ""),
        endpoint=EndpointPolicy(
            policy=parse_policy(endpoint["policy"]), gateway=endpoint["gateway"]
        ) if endpoint else None,
    )  # fmt: skip


def parsed(documents: list[Any]) -> tuple[Policy, ...]:
    return tuple(parse_policy(document) for document in documents)


@pytest.mark.parametrize(("example", "request_"), list(requests()))
def test_documented_example_has_the_documented_decision(
    example: dict[str, Any], request_: dict[str, Any]
) -> None:
    request = Request(
        principal=principal(request_.get("principal", example["principal"])),
        action=request_["action"],
        resource=request_["resource"],
        context=request_.get("context", {}),
    )
    decision = decide(request, applied(example["policies"]))
    assert decision.effect.value == request_["decision"], decision.source


def test_corpus_has_at_least_200_examples_each_with_its_page() -> None:
    entries = [(page["path"], request) for page in pages() for example in page["examples"]
             for request in example["requests"]]  # fmt: skip
    assert len(entries) >= 200
    assert all(path.startswith("/") and path.endswith(".html") for path, _ in entries)


def test_corpus_has_every_kind_of_decision_and_principal() -> None:
    decisions = {request.values[1]["decision"] for request in requests()}
    kinds = {
        request.values[1].get("principal", request.values[0]["principal"]).partition(":")[0]
        for request in requests()
    }
    assert decisions == {"allowed", "explicitDeny", "implicitDeny"}
    assert kinds == {"user", "role", "federated", "root", "service", "provider", "anonymous"}
