"""Requests without valid authentication are refused by every service and every admin verb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from request_stage import Answer, Sent, client, request_of, send, served, signed_at

from sageloop.local_cloud.admin import PREFIX, VERBS
from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.core.naming import services_of_moto

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PLAIN = {"Content-Type": "text/plain"}
EVIL = "http://evil.example"
FEATURE = "access: only its user may call it"

Attack = Callable[[Cloud, str, Sent], Sent]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        yield made


@pytest.fixture(scope="module")
def signed_requests(cloud: Cloud) -> dict[str, Sent]:
    """One request to each service, signed by the user's client."""
    services = {*services_of_moto(), *cloud.front.services}
    return {service: request_of(cloud, service) for service in sorted(services)}


def _unsigned(sent: Sent, headers: dict[str, str]) -> Sent:
    """A form that a web site submits: body and action of the client, without keys."""
    kept = {k: v for k, v in sent.headers.items() if k.lower() == "x-amz-target"}
    return replace(sent, method="POST", headers=kept | headers, body=sent.body or b"Action=List")


def _credential_in_the_query(cloud: Cloud, _: str, sent: Sent) -> Sent:
    """The service is named by the query, without signature."""
    named = sent.headers["Authorization"].split("Credential=")[1].split(",")[0]
    parameter = f"X-Amz-Credential={quote(named, safe='')}"
    joined = "&" if "?" in sent.path else "?"
    return replace(_unsigned(sent, PLAIN), path=f"{sent.path}{joined}{parameter}")


def _foreign_key(cloud: Cloud, _: str, sent: Sent) -> Sent:
    known = cloud.access.access_key_id
    return sent.with_headers(
        Authorization=sent.headers["Authorization"].replace(known, "AKIAIOSFODNN7EXAMPLE")
    )


def _wrong_signature(_: Cloud, __: str, sent: Sent) -> Sent:
    signed, signature = sent.headers["Authorization"].split("Signature=")
    return sent.with_headers(Authorization=f"{signed}Signature={signature[::-1]}")


def _other_port(cloud: Cloud, _: str, sent: Sent) -> Sent:
    return sent.with_headers(Origin=f"http://127.0.0.1:{cloud.port + 1}")


STRANGERS: dict[str, Attack] = {
    "form without a signature": lambda _c, _s, sent: _unsigned(sent, FORM),
    "text/plain without a signature": lambda _c, _s, sent: _unsigned(sent, PLAIN),
    "credential in the query": _credential_in_the_query,
    "foreign key": _foreign_key,
    "wrong signature": _wrong_signature,
    "signed 20 minutes ago": lambda c, s, sent: signed_at(c, s, sent, timedelta(minutes=20)),
    "signed in 20 minutes": lambda c, s, sent: signed_at(c, s, sent, -timedelta(minutes=20)),
    "no date": lambda _c, _s, sent: sent.without("X-Amz-Date"),
}
# Each of these has the user's own valid signature.
BROWSER_REQUESTS: dict[str, Attack] = {
    "foreign origin": lambda _c, _s, sent: sent.with_headers(Origin=EVIL),
    "origin null": lambda _c, _s, sent: sent.with_headers(Origin="null"),
    "origin of another port": _other_port,
    "origin by TLS": lambda c, _s, sent: sent.with_headers(Origin=f"https://127.0.0.1:{c.port}"),
    "GET of a foreign origin": lambda _c, _s, sent: replace(sent, method="GET").with_headers(
        Origin=EVIL
    ),
    "foreign referer": lambda _c, _s, sent: sent.with_headers(Referer=f"{EVIL}/page"),
    "referer of another port": lambda _c, _s, sent: sent.with_headers(
        Referer="http://localhost:1/"
    ),
    "cross-site": lambda _c, _s, sent: sent.with_headers(Sec_Fetch_Site="cross-site"),
    "same-site": lambda _c, _s, sent: sent.with_headers(Sec_Fetch_Site="same-site"),
    "foreign host": lambda _c, _s, sent: sent.with_headers(Host="evil.example"),
    "host of another port": lambda c, _s, sent: sent.with_headers(Host=f"localhost:{c.port + 1}"),
    "host with a valid prefix": lambda c, _s, sent: sent.with_headers(
        Host=f"localhost.evil.example:{c.port}"
    ),
}


def _is_admitted(
    cloud: Cloud, signed_requests: dict[str, Sent], attack: Attack, status: set[int]
) -> list[str]:
    wrong = []
    for service, sent in signed_requests.items():
        answer = send(cloud, attack(cloud, service, sent))
        if answer.status not in status or "access-control-allow-origin" in answer.headers:
            wrong.append(f"{service}: {answer.status} {answer.text[:200]}")
    return wrong


def _executed(cloud: Cloud, before: int) -> list[str]:
    calls = cloud.recorder.calls()[before:]
    return [c.action for c in calls if c.outcome == "OK" or c.principal != "anonymous"]


@pytest.mark.feature(FEATURE)
def test_requests_of_the_user_are_admitted(cloud: Cloud, signed_requests: dict[str, Sent]) -> None:
    refused = []
    for service, sent in signed_requests.items():
        answer = send(cloud, sent)
        if answer.status in (401, 403):
            refused.append(f"{service}: {answer.status} {answer.text[:200]}")

    assert refused == []


@pytest.mark.feature(FEATURE)
@pytest.mark.parametrize("attack", STRANGERS)
def test_requests_without_a_valid_signature_are_refused_by_every_service(
    cloud: Cloud, signed_requests: dict[str, Sent], attack: str
) -> None:
    before = len(cloud.recorder.calls())

    # By protocol: AWS's JSON services respond with 400, EC2 with 401, the others with 403.
    assert _is_admitted(cloud, signed_requests, STRANGERS[attack], {400, 401, 403}) == []
    assert _executed(cloud, before) == []
    assert len(cloud.recorder.calls()) == before + len(signed_requests)


@pytest.mark.feature(FEATURE)
@pytest.mark.parametrize("attack", BROWSER_REQUESTS)
def test_requests_of_web_pages_are_refused_for_every_service(
    cloud: Cloud, signed_requests: dict[str, Sent], attack: str
) -> None:
    before = len(cloud.recorder.calls())

    assert _is_admitted(cloud, signed_requests, BROWSER_REQUESTS[attack], {403}) == []
    assert _executed(cloud, before) == []
    assert len(cloud.recorder.calls()) == before + len(signed_requests)


def _sent(verb: str, token: str | None, **headers: str) -> Sent:
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    return Sent("POST", PREFIX + verb, authorization, b"{}").with_headers(**headers)


ADMIN: dict[str, Callable[[Cloud, str], Sent]] = {
    "no token": lambda _, verb: _sent(verb, None),
    "form": lambda _, verb: _sent(verb, None, Content_Type=FORM["Content-Type"]),
    "text/plain": lambda _, verb: _sent(verb, None, Content_Type="text/plain"),
    "wrong token": lambda _, verb: _sent(verb, "wrong"),
    "token with a valid prefix": lambda c, verb: _sent(verb, str(c.access.admin_token)[:-1]),
    "another scheme": lambda c, verb: _sent(
        verb, None, Authorization=f"Basic {c.access.admin_token}"
    ),
    "GET": lambda _, verb: replace(_sent(verb, None), method="GET"),
    "foreign origin": lambda c, verb: _sent(verb, c.access.admin_token, Origin=EVIL),
    "foreign referer": lambda c, verb: _sent(verb, c.access.admin_token, Referer=EVIL),
    "foreign host": lambda c, verb: _sent(verb, c.access.admin_token, Host="evil.example"),
    "cross-site": lambda c, verb: _sent(verb, c.access.admin_token, Sec_Fetch_Site="cross-site"),
    "signed as an API call": lambda c, verb: replace(
        request_of(c, "sts").without("Content-Length"), path=PREFIX + verb, body=b"{}"
    ),
}


@pytest.mark.feature(FEATURE)
@pytest.mark.parametrize("attack", ADMIN)
def test_admin_verbs_require_the_admin_token(cloud: Cloud, attack: str) -> None:
    before, rate = len(cloud.recorder.calls()), cloud.clock.rate

    answers = {verb: send(cloud, ADMIN[attack](cloud, verb)).status for verb in VERBS}

    assert set(answers.values()) == {403}, answers
    assert not cloud.stopped_by_request.is_set()
    assert cloud.clock.rate == rate
    assert [c.outcome for c in cloud.recorder.calls()[before:]].count("OK") == 0


def test_durations_of_stacks_require_the_admin_token(cloud: Cloud) -> None:
    assert send(cloud, Sent("GET", "/_sageloop/cfn-durations", {})).status == 403


def test_preflight_request_is_refused(cloud: Cloud) -> None:
    client(cloud, "s3").create_bucket(Bucket="preflight")
    sent = Sent("OPTIONS", "/preflight/key", {
        "Origin": EVIL, "Access-Control-Request-Method": "PUT",
    })  # fmt: skip

    answer = send(cloud, sent)

    assert answer.status == 403
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_request_to_an_unsupported_service_is_refused_likewise(cloud: Cloud) -> None:
    def sent_to(attack: Attack) -> Answer:
        return send(cloud, attack(cloud, "glue", request_of(cloud, "glue")))

    assert sent_to(_wrong_signature).status == 400
    assert sent_to(_foreign_key).status == 400
    assert sent_to(lambda _c, _s, sent: sent).status == 501
