"""`sageloop demo`: the whole loop on real data, in a local cloud."""

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
        typer.Option(help="settings to deploy: a name in settings/ or a TOML file; default: prod"),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="run a tuning job instead of a training job")
    ] = False,
    project: Annotated[
        Path, typer.Option(help="folder with the project's app.py and cdk.json")
    ] = Path(),
    iam: Annotated[
        str, typer.Option(help="access policies: enforce them, warn of denials, or off")
    ] = "enforce",
    json_file: JsonFile = None,
    log: Annotated[
        Path | None, typer.Option(help="write the output of the CDK commands to this file")
    ] = None,
) -> None:
    """Deploy the project's app into a local cloud and run the complete loop.

    A first model is trained on real flights and serves traffic. The data drift, an alarm goes to
    ALARM, and a second model is trained, evaluated by the gate and rolled out by a canary.
    Further deploys and a destroy follow. With --tune (settings/tune.toml) each training is a
    tuning job of six trials, whose best model continues. No account and no Docker are needed; it
    takes about four minutes. Exit code 0 only if all checks pass.
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
