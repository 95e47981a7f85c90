"""Checks the project in an AWS account and deletes what it made: ``python -m scripts.integ``.

It begins with experiments, which settle what no local run can verify; then it deploys the app,
checks that there are no differences, and destroys it. ``--plan`` prints the experiments and changes
nothing; ``--only`` chooses one of the two parts, ``--json`` writes the experiments' results.

The command shows account, region and costs, and requires the account id to be typed (or set in
``SAGELOOP_INTEG`` where there is no terminal). It refuses existing stacks. ``--rehearse`` uses a
local cloud instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.cli.running import found_cloud as running_cloud
from scripts.integ_account import Account, RefusedError, local_account, own_account
from scripts.integ_experiments import Result, plan, run_all
from scripts.integ_questions import EXPERIMENTS
from scripts.integ_run import Run, stack_names
from stacks import Settings, SettingsError, load_settings

CONFIRMATION = "SAGELOOP_INTEG"
_FOLDER = Path(__file__).resolve().parents[1] / "settings"
_REFUSED = 2
_EXPERIMENTS, _DEPLOYMENT = "experiments", "deployment"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command line.

    Attributes:
        settings: Settings by name or path.
        rehearse: Whether to use a local cloud.
        only: The one part to run; both if None.
        report: File for the results of the experiments.

    """

    settings: str
    rehearse: bool
    only: str | None = None
    report: Path | None = None

    def runs(self, part: str) -> bool:
        """Whether a part runs."""
        return self.only in (None, part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 1 on failure, 2 if nothing was changed."""
    parsed = _parser().parse_args(arguments)
    if parsed.plan:
        _say(plan(EXPERIMENTS))
        return 0
    options = _options(parsed)
    try:
        account, run = _prepare(options, os.environ)
    except (RefusedError, SettingsError) as refusal:
        _say(f"{refusal}\nNothing was changed.")
        return _REFUSED
    except (BotoCoreError, ClientError) as error:
        _say(f"AWS cannot be reached: {error}\nNothing was changed.")
        return _REFUSED
    fine = not options.runs(_EXPERIMENTS) or _experiment(account, options)
    if not options.runs(_DEPLOYMENT):
        return 0 if fine else 1
    try:
        return run.deploy_and_destroy(_say) if fine else max(1, run.deploy_and_destroy(_say))
    except (BotoCoreError, ClientError, RefusedError) as error:
        _say(
            f"AWS cannot be reached: {error}\n"
            f"Check for remaining resources of {', '.join(run.stacks)}."
        )
        return 1


def _experiment(account: Account, options: Options) -> bool:
    """Run the experiments; False if one was not run or left something."""
    report = run_all(account, EXPERIMENTS, _say)
    _say("\nexperiments:")
    for each in report:
        _say(f"  {each['result']:10} {each['name']}")
    if options.report:
        options.report.write_text(json.dumps({"experiments": report}, indent=2) + "\n")
    return not any(each["result"] == Result.NOT_RUN or each["not_deleted"] for each in report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="integ", description=__doc__)
    parser.add_argument(
        "--settings", default="dev", help="name of a file in settings/, or a path (default: dev)"
    )
    parser.add_argument(
        "--rehearse", action="store_true",
        help="use the local cloud of AWS_ENDPOINT_URL, not an account",
    )  # fmt: skip
    parser.add_argument(
        "--plan", action="store_true", help="print the experiments, and change nothing"
    )
    parser.add_argument("--only", choices=(_EXPERIMENTS, _DEPLOYMENT), help="run one part only")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results of the experiments"
    )
    return parser


def _options(parsed: argparse.Namespace) -> Options:
    chosen = str(parsed.settings)
    if chosen.endswith(".toml"):  # the CDK CLI runs in the checkout, not in the working directory
        chosen = str(Path(chosen).resolve())
    return Options(settings=chosen, rehearse=parsed.rehearse, only=parsed.only, report=parsed.json)


def _prepare(options: Options, environment: Mapping[str, str]) -> tuple[Account, Run]:
    """Check everything before the first change: account, confirmation, and existing stacks."""
    settings = load_settings(options.settings)
    promised = environment.get(CONFIRMATION)
    if promised is None and not sys.stdin.isatty():
        raise RefusedError(
            f"confirmation needs a terminal: run it in one, or set {CONFIRMATION}=<account id>"
        )
    account = local_account(environment) if options.rehearse else own_account(environment)
    if options.runs(_EXPERIMENTS):
        _say(f"{plan(EXPERIMENTS)}\n")
    _say(describe(account, settings, costs(options.settings)))
    folder_cloud = None if options.rehearse else running_cloud()
    if folder_cloud is not None:
        _say(
            f"\nA local cloud runs in this folder ({folder_cloud.endpoint_url}), which is not used."
        )
    confirm(account, promised if promised is not None else _typed())
    run = Run(account, stack_names(settings), settings=options.settings)
    if options.runs(_DEPLOYMENT):
        run.check()
    return account, run


def confirm(account: Account, typed: str) -> None:
    """Compare the typed id with the account's.

    Raises:
        RefusedError: If they differ.

    """
    if typed.strip() != account.number:
        raise RefusedError(f"{typed.strip()!r} is not the account {account.number}")


def describe(account: Account, settings: Settings, priced: Sequence[str]) -> str:
    """The account, the stacks and their costs."""
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
        "The stacks are destroyed at the end. Retained by design, and charged until you delete",
        "them: bucket, access logs, key, state table, flow logs, model registry.",
    ]
    return "\n".join(lines)


def costs(settings: str) -> list[str]:
    """The costs in the header of a settings file, which is their only source."""
    path = Path(settings) if settings.endswith(".toml") else _FOLDER / f"{settings}.toml"
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    comments = [line.removeprefix("#").removeprefix(" ") for line in head]
    starts = [i for i, line in enumerate(comments) if line.startswith("What costs money")]
    if not starts:
        return [f"{path.name} does not describe its costs."]
    priced = comments[starts[0] : starts[0] + 1]
    for line in comments[starts[0] + 1 :]:
        if not line.startswith(" "):
            break
        priced.append(line)
    return priced


def _typed() -> str:
    try:
        return input("\nType the account id to deploy to it: ")
    except (EOFError, KeyboardInterrupt):
        raise RefusedError("\nno account id was typed") from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
