"""`sageloop status`: how a loop is, why, and what happens next."""

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
    one_line_errors,
    place_of,
)
from sageloop.cli.report import JsonFile, write_report

if TYPE_CHECKING:
    from sageloop.champions.status import Status


def status(
    endpoint: Annotated[
        str | None, typer.Argument(help="the endpoint; all champion endpoints by default")
    ] = None,
    *,
    local: Local = False,
    endpoint_url: EndpointUrl = None,
    aws: Aws = False,
    profile: Profile = None,
    region: Region = None,
    json_file: JsonFile = None,
) -> None:
    """Show how a champion endpoint and its retraining loop are, why, and what happens next.

    Specify --local, --endpoint-url, or an AWS account by --profile NAME or --aws; the account is
    named on standard error. The command only reads. Exit code 1 if something needs a person, 2 if
    the endpoint does not exist.
    """
    from sageloop.champions.endpoints import NoSuchEndpointError, find_promotions
    from sageloop.champions.status import status_of

    options = PlaceOptions(
        local=local, endpoint_url=endpoint_url, aws=aws, profile=profile, region=region,
    )  # fmt: skip
    with one_line_errors(NoSuchEndpointError):
        place = place_of(options, action=None)
        found = find_promotions(place.client("ssm"), endpoint)
        statuses = [status_of(place.client, each, now=place.now()) for each in found]
    console = Console(highlight=False, soft_wrap=True)
    for each in statuses:
        for line in _lines(each):
            console.print(line, markup=False)
    write_report(json_file, {
        "endpoints": [
            {**asdict(each), "needs_attention": each.needs_attention} for each in statuses
        ],
    })  # fmt: skip
    if any(each.needs_attention for each in statuses):
        raise typer.Exit(1)


def _lines(status: Status) -> list[str]:
    """One endpoint: its state first, then problems, facts and what happens next."""
    champion = "" if status.champion is None else f", package {status.champion}"
    serving = "no endpoint" if status.endpoint_status is None else status.endpoint_status
    job = "" if status.job is None else f", retrained by {status.job}"
    return [
        f"{status.endpoint}: {status.state.replace('_', ' ')}{champion} ({serving}){job}",
        *(f"  needs attention: {text}" for text in status.problems),
        *(f"  {text}" for text in status.facts),
        *(f"  next: {text}" for text in status.next),
    ]
