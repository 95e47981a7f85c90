"""`sageloop preflight`: the quotas that stacks need, before a deployment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

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
from sageloop.preflight.comparison import Row, compare, quotas_of
from sageloop.preflight.documents import AssemblyError, resources_of
from sageloop.preflight.needs import Need, needs_of


def preflight(
    assembly: Annotated[
        Path, typer.Argument(help="the folder of the synthesised app, or one template")
    ] = Path("cdk.out"),
    *,
    local: Local = False,
    endpoint_url: EndpointUrl = None,
    aws: Aws = False,
    profile: Profile = None,
    region: Region = None,
    json_file: JsonFile = None,
) -> None:
    """Compare the quotas that the stacks need with those of an account, before a deployment.

    Instances by type and use, their totals, reserved concurrency of functions, VPCs, endpoints,
    subnets, security groups and addresses. Specify --local for the quotas of a new account, or an
    account by --profile NAME or --aws, of which only servicequotas:ListServiceQuotas and
    sts:GetCallerIdentity are used. What the account already uses is not subtracted. Exit code 0
    if all suffice, 1 if one is short, 2 if the comparison is not possible.
    """
    options = PlaceOptions(
        local=local, endpoint_url=endpoint_url, aws=aws, profile=profile, region=region,
    )  # fmt: skip
    with one_line_errors(AssemblyError):
        needs = needs_of(resources_of(assembly))
        client = place_of(options, action=None).client("service-quotas")
        rows = _rows(client, needs, account=aws or profile is not None)
    short = [row for row in rows if row.short]
    write_report(json_file, {"ok": not short, "quotas": [asdict(row) for row in rows]})
    _print(rows)
    raise typer.Exit(1 if short else 0)


def _rows(client: Any, needs: list[Need], *, account: bool) -> list[Row]:
    services = sorted({need.service for need in needs})
    quotas = {service: quotas_of(client, service) for service in services}
    region = str(client.meta.region_name)
    return compare(needs, quotas, region=region, codes_are_known=account)


def _print(rows: list[Row]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    table = Table("service", "quota", "needs", "has", "short")
    for row in rows:
        has = "not reported" if row.has is None else f"{row.has:g}"
        table.add_row(row.service, row.quota, str(row.needs), has, f"{row.short:g}")
    console.print(table)
    for row in rows:
        if row.request:
            console.print(f"{row.quota} ({', '.join(row.resources)}):", markup=False)
            console.print(f"  {row.request}", markup=False)
    if not any(row.short for row in rows):
        console.print("all quotas suffice")
