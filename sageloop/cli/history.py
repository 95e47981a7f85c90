"""`sageloop history`: the origin of an endpoint's models and the times when each served."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
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
    from sageloop.champions.endpoints import Promotion
    from sageloop.champions.lineage import Model, Term


def history(
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
    """Show each model of an endpoint: data, job, gate decision, approval, and times of service.

    Specify --local, --endpoint-url, or an AWS account by --profile NAME or --aws; the account is
    named on standard error. The command only reads: the parameters below /sageloop/endpoints/,
    the model registry, the jobs and the state table. Exit code 2 if the endpoint does not exist.
    """
    from sageloop.champions.endpoints import NoSuchEndpointError, find_promotions
    from sageloop.champions.lineage import lineage_of

    console = Console(highlight=False, soft_wrap=True)
    options = PlaceOptions(
        local=local, endpoint_url=endpoint_url, aws=aws, profile=profile, region=region,
    )  # fmt: skip
    with one_line_errors(NoSuchEndpointError):
        place = place_of(options, action=None)
        found = find_promotions(place.client("ssm"), endpoint)
        models = [(each, lineage_of(place.client, each)) for each in found]
    for promotion, listed in models:
        _print(console, promotion, listed)
    write_report(json_file, {
        "endpoints": [
            {"endpoint": each.endpoint, "model_package_group": each.group,
             "models": [asdict(model) for model in listed]}
            for each, listed in models
        ],
    })  # fmt: skip


def _print(console: Console, promotion: Promotion, models: list[Model]) -> None:
    console.print(f"{promotion.endpoint} (registry {promotion.group})", markup=False)
    if not models:
        console.print("  no model is registered", markup=False)
    for model in models:
        for line in _lines(model):
            console.print(line, markup=False)


def _lines(model: Model) -> list[str]:
    """A model in a few lines, latest fact first."""
    origin = model.origin
    job = "an unknown job" if origin.training_job is None else origin.training_job
    of = "" if origin.tuning_job is None else f", best trial of {origin.tuning_job}"
    digest = "" if origin.hyperparameters is None else f", hyperparameters {origin.hyperparameters}"
    metrics = ", ".join(f"{name} = {value:g}" for name, value in sorted(origin.metrics.items()))
    facts = [
        *(_term(term) for term in model.served),
        f"{model.approval}: {model.reason}" if model.reason else model.approval,
        f"trained by {job}{of}{digest}",
        *([metrics] if metrics else []),
        *(f"{channel}: {source}" for channel, source in sorted(origin.data.items())),
    ]
    heading = f"  {model.version}  {model.status}, registered {_stamp(model.created)}"
    return [heading, *(f"     {fact}" for fact in facts)]


def _term(term: Term) -> str:
    end = "" if term.until is None else f" until {_stamp(term.until)}"
    by = "" if term.by is None else f", by {term.by}"
    return f"served since {_stamp(term.since)}{end}{by}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
