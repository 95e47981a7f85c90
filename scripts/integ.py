"""Deploy the app to your own account, look at it, and destroy it: ``python -m scripts.integ``.

It asks first: the account, the region and what costs money are shown, and the account's number
must be typed (or stand in ``SAGELOOP_INTEG`` where nobody can type). It refuses to touch stacks
that are there already. ``--rehearse`` does the same against a local cloud instead.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.cli.running import found_cloud
from scripts.integ_account import Account, RefusedError, local_account, own_account
from scripts.integ_run import Run, stack_names
from stacks import Settings, SettingsError, load_settings

CONFIRMATION = "SAGELOOP_INTEG"
_FOLDER = Path(__file__).resolve().parents[1] / "settings"
_REFUSED = 2


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for: the settings by name or path, and whether it is a rehearsal."""

    settings: str
    rehearse: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 if all went well, 1 if something failed, 2 if nothing was touched."""
    asked = _parse(arguments)
    try:
        run = _prepare(asked, os.environ)
    except (RefusedError, SettingsError) as refusal:
        _say(f"{refusal}\nNothing was touched.")
        return _REFUSED
    except (BotoCoreError, ClientError) as error:
        _say(f"AWS cannot be asked: {error}\nNothing was touched.")
        return _REFUSED
    try:
        return run.deploy_and_destroy(_say)
    except (BotoCoreError, ClientError, RefusedError) as error:
        _say(f"AWS cannot be asked: {error}\nLook for what is left of {', '.join(run.stacks)}.")
        return 1


def _parse(arguments: Sequence[str] | None) -> Asked:
    parser = argparse.ArgumentParser(prog="integ", description=__doc__)
    parser.add_argument(
        "--settings", default="dev", help="name of a file in settings/, or a path (default: dev)"
    )
    parser.add_argument(
        "--rehearse", action="store_true",
        help="against the local cloud that AWS_ENDPOINT_URL names, not an account",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    chosen = str(given.settings)
    if chosen.endswith(".toml"):  # the CDK CLI runs in the checkout, wherever this was called
        chosen = str(Path(chosen).resolve())
    return Asked(settings=chosen, rehearse=given.rehearse)


def _prepare(asked: Asked, environment: Mapping[str, str]) -> Run:
    """Everything before the first change: who, where, whether, and whether it can be done."""
    settings = load_settings(asked.settings)
    promised = environment.get(CONFIRMATION)
    if promised is None and not sys.stdin.isatty():
        raise RefusedError(
            f"nobody is here to confirm: run it in a terminal, or set {CONFIRMATION}=<account id>"
        )
    account = local_account(environment) if asked.rehearse else own_account(environment)
    _say(describe(account, settings, costs(asked.settings)))
    here = None if asked.rehearse else found_cloud()
    if here is not None:
        _say(f"\nA local cloud runs in this folder ({here.endpoint_url}); this is not it.")
    confirm(account, promised if promised is not None else _typed())
    run = Run(account, stack_names(settings), settings=asked.settings)
    run.check()
    return run


def confirm(account: Account, typed: str) -> None:
    """Compare what was typed with the account's number.

    Raises:
        RefusedError: If they differ.

    """
    if typed.strip() != account.number:
        raise RefusedError(f"{typed.strip()!r} is not the account {account.number}")


def describe(account: Account, settings: Settings, priced: Sequence[str]) -> str:
    """Where it would deploy, what, and what that costs."""
    lines = [
        f"account  {account.number}",
        f"as       {account.caller}",
        f"region   {account.region}",
        *([] if account.profile is None else [f"profile  {account.profile}"]),
        *(f"endpoint {service} at {url}" for service, url in account.endpoints.items()),
        f"stacks   {', '.join(stack_names(settings))}",
        "",
        *priced,
        "",
        "The stacks are destroyed again at the end. Kept by design, and priced until you delete",
        "them: bucket, access logs, key, state table, flow logs, model registry.",
    ]
    return "\n".join(lines)


def costs(settings: str) -> list[str]:
    """What the head of a settings file says about money; the file is the one place for it."""
    path = Path(settings) if settings.endswith(".toml") else _FOLDER / f"{settings}.toml"
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    told = [line.removeprefix("#").removeprefix(" ") for line in head]
    starts = [i for i, line in enumerate(told) if line.startswith("What costs money")]
    if not starts:
        return [f"{path.name} does not say what it costs."]
    priced = told[starts[0] : starts[0] + 1]
    for line in told[starts[0] + 1 :]:
        if not line.startswith(" "):
            break
        priced.append(line)
    return priced


def _typed() -> str:
    try:
        return input("\nType the account's number to deploy there: ")
    except (EOFError, KeyboardInterrupt):
        raise RefusedError("\nnothing was typed") from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
