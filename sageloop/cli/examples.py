"""`sageloop examples`: small real projects, each run end to end in a local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sageloop.cli.report import JsonFile, epilog, write_report
from sageloop.examples.catalogue import Example, ExampleError, chosen, find_examples
from sageloop.examples.figure import Figure, Outcome

application = typer.Typer(
    no_args_is_help=True,
    help="Small real projects under examples/: deploys each, runs it and checks its metric.",
)
_Project = Annotated[Path, typer.Option(help="a checkout of the project")]


@application.command("list", epilog=epilog("sageloop examples list"))
def list_examples(project: _Project = Path(), json_file: JsonFile = None) -> None:
    """List the examples and their requirements."""
    examples = _found(project)
    table = Table("example", "what it shows", "needs")
    for example in examples.values():
        table.add_row(example.name, example.title, ", ".join(extra for _, extra in example.needs))
    Console().print(table)
    write_report(json_file, [{"name": e.name, "title": e.title} for e in examples.values()])


@application.command(epilog=epilog("sageloop examples run --all --json report.json"))
def run(
    names: Annotated[list[str] | None, typer.Argument(help="examples to run")] = None,
    every: Annotated[bool, typer.Option("--all", help="run every example")] = False,
    project: _Project = Path(),
    json_file: JsonFile = None,
) -> None:
    """Deploy examples with the stock CDK CLI into a fresh local cloud each, and run them.

    Each reports a metric and the same metric of the library without SageMaker. Exit code 0 only if
    every example completes and every metric is within its tolerance.
    """
    from sageloop.examples.runner import run_example

    console = Console()
    wanted = [] if names is None else names
    if every == bool(wanted):
        console.print("[red]specify examples or --all[/] (to list them: sageloop examples list)")
        raise typer.Exit(2)
    outcomes = []
    for example in _chosen(_found(project), wanted):
        console.print(f"[bold]{example.name}[/]: {example.title}")
        with console.status(f"{example.name} …"):
            outcome = run_example(example, log=lambda line: console.print(f"  {line}"))
        outcomes.append(outcome)
        if outcome.problem:
            console.print(f"  [red]{outcome.problem}[/]", markup=True, highlight=False)
        for line in outcome.denied:
            console.print(f"  denied: {line}", markup=False, highlight=False)
    console.print(_table(outcomes))
    ok = all(outcome.ok for outcome in outcomes)
    write_report(json_file, {"ok": ok, "examples": [outcome.as_dict() for outcome in outcomes]})
    raise typer.Exit(0 if ok else 1)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("example", "figure", "here", "outside", "noise", "seconds", "ok")
    for outcome in outcomes:
        mark = "yes" if outcome.ok else "NO"
        rows = [_row(figure) for figure in outcome.figures] if outcome.figures else [("",) * 4]
        for row in rows:
            table.add_row(outcome.example, *row, f"{outcome.seconds:.1f}", mark)
    return table


def _row(figure: Figure) -> tuple[str, str, str, str]:
    noise = f"±{figure.tolerance:g} ({figure.noise})"
    return figure.name, f"{figure.value:.4g}", f"{figure.outside:.4g}", noise


def _found(project: Path) -> dict[str, Example]:
    try:
        return find_examples(project.resolve())
    except ExampleError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _chosen(examples: dict[str, Example], names: list[str]) -> list[Example]:
    try:
        return chosen(examples, names)
    except ExampleError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
