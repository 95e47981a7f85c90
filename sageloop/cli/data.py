"""`sageloop data`: checks data before a training job costs money."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

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
from sageloop.cli.report import JsonFile, epilog, write_report
from sageloop.data_check.rules import Expectation, problems_of
from sageloop.data_check.sources import SourceError, read_folder, read_prefix
from sageloop.data_check.table import Table

application = typer.Typer(no_args_is_help=True, help="Data of training jobs.")


@application.command(
    epilog=epilog(
        "sageloop data check datasets/churn/ --classes 2",
        "sageloop data check s3://BUCKET/datasets/churn/ --local --json report.json",
    )
)
def check(
    source: Annotated[
        str, typer.Argument(help="a folder, a .csv file, or s3://BUCKET/PREFIX")
    ],
    *,
    label: Annotated[int, typer.Option(min=0, help="column of the label, from 0")] = 0,
    classes: Annotated[
        int | None, typer.Option(min=2, help="number of classes; a regression without it")
    ] = None,
    validation_days: Annotated[
        int, typer.Option(min=1, max=365, help="number of last partitions that are held out")
    ] = 7,
    minimum_rows: Annotated[
        int, typer.Option(min=1, help="rows that the hold-out must have")
    ] = 100,
    local: Local = False,
    endpoint_url: EndpointUrl = None,
    aws: Aws = False,
    profile: Profile = None,
    region: Region = None,
    json_file: JsonFile = None,
) -> None:  # fmt: skip
    """Check CSV data: header, columns, label and hold-out, before a job costs money.

    Partitions are folders or prefixes dt=YYYY-MM-DD/. Each error is one line. S3 is read from the
    local cloud or an account, by the same options as those of sageloop history. Exit code 0
    without errors, 1 with errors, 2 if the data cannot be read.
    """
    table = Table(label=label)
    with one_line_errors(SourceError):
        if source.startswith("s3://"):
            options = PlaceOptions(
                local=local, endpoint_url=endpoint_url, aws=aws, profile=profile, region=region,
            )  # fmt: skip
            read_prefix(place_of(options, action=None).client("s3"), source, table)
        else:
            read_folder(Path(source), table)
    problems = problems_of(table, Expectation(
        classes=classes, validation_days=validation_days, minimum_rows=minimum_rows,
    ))  # fmt: skip
    write_report(json_file, {
        "ok": not problems, "rows": table.total, "columns": len(table.columns),
        "partitions": len(table.rows), "problems": [asdict(problem) for problem in problems],
    })  # fmt: skip
    for problem in problems:
        typer.echo(f"{problem.code}: {problem.message}")
    if not problems:
        typer.echo(f"{table.total} rows of {len(table.columns)} columns: no errors")
    raise typer.Exit(1 if problems else 0)
