"""`sageloop demo`: the whole loop on real data, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sageloop.cli.report import JsonFile, write_report


def demo(
    *,
    settings: Annotated[
        str | None,
        typer.Option(help="settings to deploy: a name in settings/ or a TOML file; prod if none"),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="search hyperparameters instead of training once")
    ] = False,
    project: Annotated[
        Path, typer.Option(help="folder of the project's app.py and cdk.json")
    ] = Path(),
    iam: Annotated[
        str, typer.Option(help="access policies: enforce them, warn of denials, or off")
    ] = "enforce",
    json_file: JsonFile = None,
    log: Annotated[
        Path | None, typer.Option(help="keep what the CDK commands print in this file")
    ] = None,
) -> None:
    """Deploy the project's own app into a local cloud and run the loop to its end.

    Real flights train a first model; traffic is served; the winds change, an alarm goes off, a
    second model is trained, judged and rolled out by a canary; deploys and a destroy follow.
    With --tune (settings/tune.toml) each training is a search of six trials, whose best goes on.
    No account, no Docker; about four minutes. Exit code 0 only if everything promised happened.
    """
    from sageloop.demo.cdk import CdkMissingError
    from sageloop.demo.data_packages import DataMissingError
    from sageloop.demo.story import Options, Story
    from sageloop.local_cloud.access.enforcement.mode import access_mode
    from sageloop.local_cloud.client import LocalCloudError

    console = Console()
    if tune and settings is not None:
        console.print("[red]--tune deploys settings/tune.toml: leave out --settings[/]")
        raise typer.Exit(2)
    try:
        mode = access_mode(iam)
    except ValueError as error:
        console.print(f"[red]--iam: {error}[/]")
        raise typer.Exit(2) from error
    chosen = ("tune" if tune else "prod") if settings is None else settings
    story = Story(
        Options(project=project.resolve(), settings=chosen, keep_log=log, iam=mode), console
    )
    try:
        report = story.run()
    except (CdkMissingError, DataMissingError, LocalCloudError) as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(2) from error
    report.show(console)
    write_report(json_file, report.as_dict())
    if not report.ok:
        raise typer.Exit(1)
