"""Who calls: access keys and the principals behind them."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key triple as a client needs it."""

    access_key: str
    secret_key: str
    token: str

    def environment(self) -> dict[str, str]:
        """The variables by which every AWS client finds these credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }


class Principals:
    """Mints credentials for roles and services and names the caller of a request."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._lock = threading.Lock()
        self._by_key: dict[str, str] = {}
        self._minted: dict[str, Credentials] = {}

    def for_role(self, role_arn: str, session: str) -> Credentials:
        """Credentials of a role's session, the same ones for the same pair."""
        name = role_arn.rsplit("/", 1)[-1]
        return self._mint(f"arn:aws:sts::{self._account_id}:assumed-role/{name}/{session}")

    def for_service(self, service: str) -> Credentials:
        """Credentials under which a part of the cloud itself acts (``events.amazonaws.com``)."""
        return self._mint(service)

    def learn(self, access_key: str, principal: str) -> None:
        """Note whom a key given out by STS stands for."""
        with self._lock:
            self._by_key[access_key] = principal

    def name(self, access_key: str | None) -> str:
        """The principal behind a key; unknown keys are the account's own user."""
        if not access_key:
            return "anonymous"
        with self._lock:
            return self._by_key.get(access_key, f"arn:aws:iam::{self._account_id}:root")

    def _mint(self, principal: str) -> Credentials:
        with self._lock:
            known = self._minted.get(principal)
            if known is None:
                # moto decodes no account from an LKIA key, so every role shares the account.
                known = Credentials(f"LKIA{secrets.token_hex(8).upper()}", "local", "local")
                self._minted[principal] = known
                self._by_key[known.access_key] = principal
            return known
