"""The stages of the demo. Every step uses AWS's API, except for changes of the clock's rate."""

from __future__ import annotations

import json
import re
import tempfile
import time as wall
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from rich.console import Console

from sageloop.demo.access import DenialWatcher, access_report
from sageloop.demo.cdk import DEPLOY_ALL, DESTROY_ALL, Cdk
from sageloop.demo.flights import Flight, load
from sageloop.demo.outcome import judge, old_model_errors, weeks_of
from sageloop.demo.report import Report
from sageloop.demo.traffic import Route, Traffic, put_partition
from sageloop.demo.watch import StoryError, Watcher, names_of
from sageloop.local_cloud.access.caller import USER_NAME
from sageloop.local_cloud.client import LocalCloud, LocalCloudError
from sageloop.waiting import WaitTimeoutError, until

_T = TypeVar("_T")

WINTER = (date(2013, 1, 1), date(2013, 3, 9))
# The replay starts in June, to keep the demo short: the first model's errors rise from May on.
REPLAY_BEGINS = date(2013, 6, 2)
REPLAY_ENDS = date(2013, 8, 31)
SECONDS_A_DAY = 3600 / 7  # a week of flights takes a virtual hour, the period of evaluation
FAST, SLOW = 360.0, 60.0
# Time limit in wall seconds of each wait: a multiple of the time on a busy machine.
PATIENCE = 600.0
_WEEK = timedelta(days=7)
_NOT_OURS = (
    "cloudwatch:SetAlarmState", "events:PutEvents", "lambda:Invoke", "sagemaker:CreateTrainingJob",
    "sagemaker:CreateHyperParameterTuningJob", "sagemaker:CreateEndpoint",
    "sagemaker:UpdateEndpoint",
)  # fmt: skip
_ARGUMENTS = {
    "bootstrap": ("bootstrap",),
    "deploy": DEPLOY_ALL,
    "destroy": DESTROY_ALL,
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command line."""

    project: Path
    settings: str = "prod"
    fast: float = FAST
    iam: str = "enforce"
    keep_log: Path | None = None


class Story:
    """Runs the loop once, from the first deploy to the last destroy, and keeps the report."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options, self._console = options, console
        self.report = Report()
        self._traffic: Traffic | None = None

    def run(self) -> Report:
        """Run every stage; the report is complete even if a stage fails."""
        started = wall.monotonic()
        with tempfile.TemporaryDirectory(prefix="sageloop-demo-") as folder:
            work = Path(folder)
            log = self._options.keep_log or work / "demo.log"
            with self.report.stage("start the local cloud", self._console) as stage:
                cloud = LocalCloud.start(log=work / "cloud.log", warm=True, iam=self._options.iam)
                stage.detail = cloud.endpoint_url
            try:
                self._clock = _Dial(cloud)
                self._denials = DenialWatcher(cloud)
                self._cdk = Cdk(self._options.project, cloud, work=work, log=log)
                self._tell(cloud, work)
                judge(self.report)
            except (WaitTimeoutError, ClientError) as error:
                self.report.problems.append(str(error))
            finally:
                self._report_access(cloud)
                if self._traffic:
                    with suppress(Exception):
                        self._traffic.stop()
                if self.report.problems and self._options.keep_log:
                    self._options.keep_log.with_suffix(".cloud.log").write_text(
                        (work / "cloud.log").read_text()
                    )
                cloud.stop()
        self.report.wall_seconds = round(wall.monotonic() - started, 2)
        return self.report

    def _report_access(self, cloud: LocalCloud) -> None:
        with suppress(LocalCloudError):  # the cloud has ended: the report has that problem already
            self.report.iam = access_report(cloud)
            if self.report.iam["mode"] == "enforce":
                known = set(self.report.problems)
                self.report.problems += [d for d in cloud.denials() if d not in known]
        self.report.ok = self.report.ok and not self.report.problems

    def _until(self, what: str, seen: Callable[[], _T | None]) -> _T:
        """Wait for something, and fail at the first denial of access."""

        def checked() -> _T | None:
            self._denials.check()
            return seen()

        return until(what, checked, seconds=PATIENCE)

    def _tell(self, cloud: LocalCloud, work: Path) -> None:
        reading = ThreadPoolExecutor(1).submit(load, WINTER, (REPLAY_BEGINS, REPLAY_ENDS))
        self._deploy("bootstrap", "bootstrap", "bootstrap_rc")
        self._deploy("first deploy", "deploy", "deploy_rc", validate=True)
        with self.report.stage("read the flights", self._console) as stage:
            days = reading.result()
            stage.detail = f"{sum(map(len, days.values()))} flights of {len(days)} days"
        watcher = Watcher(cloud, names_of(cloud))
        route = Route(
            endpoint=watcher.names.endpoint, bucket=watcher.names.bucket,
            data_prefix="datasets/flights/", ground_truth_prefix="ground-truth/",
        )  # fmt: skip
        self._winter(cloud, watcher, route, days)
        self._replay(cloud, watcher, route, days)
        self._later_deploys(watcher, work)
        self._end(cloud)

    def _winter(
        self, cloud: LocalCloud, watcher: Watcher, route: Route,
        days: dict[date, list[Flight]],
    ) -> None:  # fmt: skip
        with self.report.stage("train the first model on winter flights", self._console) as stage:
            s3 = cloud.client("s3")
            for day in (d for d in days if WINTER[0] <= d <= WINTER[1]):
                put_partition(s3, route, day, days[day])
            manifest = {"from": WINTER[0].isoformat(), "through": WINTER[1].isoformat()}
            s3.put_object(
                Bucket=route.bucket, Key=f"{route.data_prefix}manifest.json",
                Body=json.dumps(manifest).encode(),
            )  # fmt: skip
            endpoint = self._until("the first endpoint in service", watcher.in_service)
            (run,) = watcher.runs()
            self._before = endpoint["EndpointConfigName"]
            self.report.endpoint_config["before"] = self._before
            self._first_model = watcher.model(self._before)
            error = watcher.holdout(run)
            stage.detail = f"hold-out error {error:.1f} min; champion in service on two instances"
            self._note(f"champion {self._first_model.split('/')[-3]} serves {self._before}")

    def _replay(
        self, cloud: LocalCloud, watcher: Watcher, route: Route,
        days: dict[date, list[Flight]],
    ) -> None:  # fmt: skip
        shown = {d: f for d, f in days.items() if REPLAY_BEGINS <= d <= REPLAY_ENDS}
        clock = self._clock
        traffic = self._traffic = Traffic(
            clients=cloud.client, now=clock.now, route=route, days=shown, first=REPLAY_BEGINS,
            seconds_a_day=SECONDS_A_DAY, truth_delay=300,
        )  # fmt: skip
        began = clock.now()
        with self.report.stage("replay flights until the alarm", self._console) as stage:
            clock.turn(self._options.fast)
            traffic.start()
            self._until("the model quality alarm", lambda: watcher.alarm()["StateValue"] == "ALARM")
            clock.turn(SLOW)
            stage.detail = f"ALARM on {traffic.today:%d %B} of the data"
            self._note(f"{traffic.today:%d %B}: the model quality alarm goes to ALARM")
        with self.report.stage("retrain, gate, roll out under load", self._console) as stage:
            run = self._until("the retraining", lambda: watcher.runs()[1:])[0]
            self._note(f"{traffic.today:%d %B}: {run} starts")
            self._rollout(watcher, traffic)
            self.report.error["holdout"] = watcher.holdout(run)
            during = self.report.requests["during_rollout"]
            stage.detail = f"canary completed, {during} requests during it"
        with self.report.stage("replay flights until the alarm is OK", self._console) as stage:
            clock.turn(self._options.fast)
            rolled = traffic.today
            self._until("the alarm to return to OK", lambda: watcher.alarm()["StateValue"] == "OK")
            self._note(f"{traffic.today:%d %B}: the alarm returns to OK")
            last = rolled + 2 * _WEEK + timedelta(days=2)
            self._until("two weeks after the rollout", lambda: traffic.today >= last)
            stage.detail = f"OK; replayed through {traffic.today:%d %B}"
            clock.turn(1)
            traffic.stop()
        self._account(cloud, watcher, traffic, began)

    def _rollout(self, watcher: Watcher, traffic: Traffic) -> None:
        updating = lambda: (e := watcher.endpoint()) and e["EndpointStatus"] == "Updating"  # noqa: E731
        self._until("the canary to begin", updating)
        self._note(f"{traffic.today:%d %B}: the challenger passed the gate; the canary begins")
        before = traffic.tally.total
        traffic.press(True)
        try:
            after = self._until(
                "the new configuration in service",
                lambda: watcher.in_service(other_than=self._before),
            )  # fmt: skip
        finally:
            traffic.press(False)
        self.report.requests["during_rollout"] = traffic.tally.total - before
        self.report.endpoint_config["after"] = after["EndpointConfigName"]
        self.report.served_model["after"] = watcher.model(after["EndpointConfigName"])
        self._note(f"{traffic.today:%d %B}: {after['EndpointConfigName']} serves all traffic")

    def _account(self, cloud: LocalCloud, watcher: Watcher, traffic: Traffic, began: float) -> None:
        configs = self.report.endpoint_config
        self.report.requests |= {
            "sent": traffic.tally.total,
            "failed": len(traffic.tally.failures),
            "by_configuration": {
                configs[k]: watcher.invocations(began, config=configs[k])
                for k in ("before", "after")
            },
        }
        self.report.problems += sorted(set(traffic.tally.failures))[:3]
        self.report.problems += meddling(cloud)
        self.report.retraining = {
            "alarm_transitions": watcher.transitions(),
            "jobs_started": len(watcher.runs()) - 1,
        }
        old = old_model_errors(cloud.client("s3"), self._first_model, traffic.tally.sent)
        self.report.weeks = weeks_of(watcher, configs, traffic, old)
        self.report.work_seconds = round(cloud.work_seconds(), 2)

    def _later_deploys(self, watcher: Watcher, work: Path) -> None:
        base = self._settings_text()
        warmer = self._variant(work, "threshold", base, r"(?m)^model_quality_threshold = .*$",
                               "model_quality_threshold = 13.0")  # fmt: skip
        self._deploy("second deploy: another threshold", "deploy", "second_deploy_rc", warmer)
        self._served(watcher, "after_second_deploy")
        capture = self._variant(work, "capture", Path(warmer).read_text(),
                                r"(?m)^percentage = .*$", "percentage = 50")  # fmt: skip
        self._deploy(
            "third deploy: another sampling percentage", "deploy", "third_deploy_rc", capture
        )
        second = self.report.endpoint_config["after_second_deploy"]
        self._clock.turn(SLOW)  # its bakes take seven virtual minutes
        self._until(
            "the rollout of the third deploy", lambda: watcher.in_service(other_than=second)
        )
        self._served(watcher, "after_third_deploy")
        self._last_settings = capture

    def _served(self, watcher: Watcher, key: str) -> None:
        endpoint = self._until("the endpoint in service", watcher.in_service)
        config = endpoint["EndpointConfigName"]
        self.report.endpoint_config[key] = config
        self.report.served_model[key] = watcher.model(config)

    def _end(self, cloud: LocalCloud) -> None:
        used = self._last_settings
        # At a higher rate schedules fire while the stack is deleted; CloudFormation deletes their
        # permissions before their rules, so that their events are denied.
        self._clock.turn(1)
        self._deploy("destroy", "destroy", "destroy_rc", used)
        self.report.retained = retained(cloud)
        self._deploy("second loop: deploy", "deploy", "second_life_rc", used)
        code = self.report.cdk["second_life_rc"]
        self._deploy("second loop: destroy", "destroy", "second_life_rc", used)
        self.report.cdk["second_life_rc"] = max(code, self.report.cdk["second_life_rc"])

    def _deploy(
        self, name: str, command: str, key: str, settings: str | None = None, *,
        validate: bool = False,
    ) -> None:  # fmt: skip
        """Run one CDK command; ``validate`` True lets CDK validate the templates too."""
        with self.report.stage(f"cdk {command} ({name})", self._console) as stage:
            used = settings if settings is not None else self._options.settings
            result = self._cdk.run(*_ARGUMENTS[command], settings=used, validate=validate)
            self.report.cdk[key] = result.code
            stage.detail = f"exit code {result.code}"
        if result.code:
            tail = "\n".join(result.output.strip().splitlines()[-15:])
            raise StoryError(f"cdk {command} ended with {result.code}:\n{tail}")

    def _settings_text(self) -> str:
        chosen = Path(self._options.settings)
        if chosen.suffix != ".toml":
            chosen = self._options.project / "settings" / f"{self._options.settings}.toml"
        return chosen.read_text()

    def _variant(self, work: Path, name: str, text: str, pattern: str, line: str) -> str:
        changed, count = re.subn(pattern, line, text)
        if count != 1 or changed == text:
            raise StoryError(f"the settings have no single line to change into {line!r}")
        path = work / f"{name}.toml"
        path.write_text(changed)
        return str(path)

    def _note(self, line: str) -> None:
        self.report.happened.append(line)


class _Dial:
    """The clock of the demo: its rate is set in the cloud, its time computed locally."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._rate = 1.0
        self._anchor()

    def now(self) -> float:
        """The virtual time."""
        return self._virtual + (wall.monotonic() - self._wall) * self._rate

    def turn(self, rate: float) -> None:
        """Set the rate."""
        self._cloud.set_rate(rate)
        self._rate = rate
        self._anchor()

    def _anchor(self) -> None:
        self._virtual, self._wall = self._cloud.time(), wall.monotonic()


def meddling(cloud: LocalCloud) -> list[str]:
    """API calls by which this client would have done the loop's work; must be empty."""
    return [
        f"the demo called {action}"
        for action in _NOT_OURS
        if any(
            call["principal"].endswith(f":user/{USER_NAME}") for call in cloud.calls(action=action)
        )
    ]


def retained(cloud: LocalCloud) -> list[str]:
    """Names of resources that ``cdk destroy`` retained, from the stacks' events."""
    kept: set[str] = set()
    cloudformation: Any = cloud.client("cloudformation")
    for stack in cloudformation.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])[
        "StackSummaries"
    ]:
        events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
        for event in events:
            if event["ResourceStatus"] == "DELETE_SKIPPED":
                kept.add(f"{event['ResourceType']} {event['PhysicalResourceId']}")
    return sorted(kept)
