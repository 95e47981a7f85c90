"""`sageloop rollback`: rolls an endpoint back to a former champion."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sageloop.cli.place import (
    Aws,
    EndpointUrl,
    Local,
    PlaceOptions,
    Profile,
    Region,
    Yes,
    one_line_errors,
    place_of,
)
from sageloop.cli.report import JsonFile, fail, write_report

if TYPE_CHECKING:
    from sageloop.champions.rollback import Outcome


def rollback(
    endpoint: Annotated[str, typer.Argument(help="the champion endpoint")],
    *,
    to: Annotated[
        int | None,
        typer.Option("--to", help="version of the model package; default: the previous champion"),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait until its rollout has ended")] = False,
    local: Local = False,
    endpoint_url: EndpointUrl = None,
    aws: Aws = False,
    profile: Profile = None,
    region: Region = None,
    yes: Yes = False,
    json_file: JsonFile = None,
) -> None:
    """Roll an endpoint back to a former champion, with the endpoint's kind of rollout.

    Specify --local, --endpoint-url, or an AWS account by --profile NAME or --aws; an account is
    named and must be confirmed. The rollback alarms do not revert it, since one in ALARM may be
    its reason. Existing packages do not replace it; a newer one that passes the gate does. A
    request during a rollout is applied after it. Exit code 0 only if it was accepted and, with
    --wait, the package serves; 1 if it was refused or failed; 2 if it could not be requested.
    """
    from sageloop.champions.endpoints import NoSuchEndpointError, find_promotion
    from sageloop.champions.rollback import RollbackError, roll_back, watch

    console = Console(highlight=False, soft_wrap=True)
    outcome: Outcome | None = None
    options = PlaceOptions(
        local=local, endpoint_url=endpoint_url, aws=aws, profile=profile, region=region, yes=yes,
    )  # fmt: skip
    try:
        with one_line_errors(NoSuchEndpointError):
            place = place_of(options, action=f"roll {endpoint} back")
            promotion = find_promotion(place.client("ssm"), endpoint)
            asked = roll_back(place, promotion, to)
            replaced = f"{endpoint}: package {asked.version} replaces {asked.before}"
            console.print(replaced, markup=False)
            if wait:
                with console.status("waiting …") as status:
                    outcome = watch(place, promotion, asked.version, show=status.update)
    except RollbackError as error:
        write_report(json_file, {"ok": False, "endpoint": endpoint, "reason": str(error)})
        fail(f"{endpoint} cannot be rolled back: {error}", code=1)
    ok = outcome is None or outcome.live
    if outcome is not None:
        _tell(console, outcome)
    end = None if outcome is None else asdict(outcome)
    write_report(json_file, {"ok": ok, **asdict(asked), "end": end})
    raise typer.Exit(0 if ok else 1)


def _tell(console: Console, outcome: Outcome) -> None:
    if outcome.live:
        console.print(f"package {outcome.version} serves ({outcome.config})", markup=False)
        return
    reason = outcome.reason if outcome.reason else "no reason available"
    console.print(
        f"package {outcome.version} serves instead ({outcome.state}): {reason}", markup=False
    )
