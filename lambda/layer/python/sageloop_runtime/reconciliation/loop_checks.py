"""Every comparison of a loop with what is there, each independent of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.champion.record import LIVE, ROLLED_BACK
from sageloop_runtime.jobs.kinds import kind_of
from sageloop_runtime.log import log
from sageloop_runtime.reconciliation.endpoint_checks import (
    capture_findings,
    scaling_findings,
    variant_findings,
)
from sageloop_runtime.reconciliation.finding import Finding, FindingsRecord
from sageloop_runtime.reconciliation.resource_checks import (
    alarm_findings,
    key_findings,
    package_findings,
    rule_findings,
)
from sageloop_runtime.reconciliation.row_checks import champion_row_findings, loop_row_findings
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.endpoint import EndpointResources
from sageloop_runtime.serving.model_registry import ModelRegistry
from sageloop_runtime.serving.serving_document import ServingDocument

_LONGEST_START = 1800.0
"""Seconds after which a job that was not created is reported: several attempts have failed."""


class LoopChecks:
    """Compares one loop with what is there.

    Args:
        job: the job of the loop.
        endpoint: its endpoint.
        alarm: the alarm that starts jobs; None without one.
        rules: names of the event rules of the loop.
        table: the state table.
        clients: the boto3 client of a service.

    """

    def __init__(
        self,
        *,
        job: str,
        endpoint: str,
        alarm: str | None,
        rules: Sequence[str],
        table: StateTable,
        clients: Callable[[str], Any],
    ) -> None:
        self._job, self._endpoint, self._alarm, self._rules = job, endpoint, alarm, rules
        self._table = table
        self._clients = clients
        self._sagemaker = clients("sagemaker")
        self._record = FindingsRecord(table, job)

    @property
    def row_id(self) -> str:
        """The row of the findings, with the alerts about them."""
        return self._record.row_id

    def run(self, now: float) -> str:
        """Compare, repair and record; how many differences there are.

        Raises:
            ExceptionGroup: with the errors of comparisons; the others are recorded.

        """
        champion = self._table.get(f"champion#{self._endpoint}") or {}
        serving = self._serving()
        findings: list[Finding] = []
        errors: list[Exception] = []
        for name, compare in self._comparisons(champion, serving, now).items():
            try:
                findings.extend(compare())
            except Exception as error:
                log("comparison failed", comparison=name, error=repr(error))
                errors.append(error)
        if not errors:
            # After an error a finding may be missing that is still true.
            new = self._record.update(findings, now)
            return f"{len(findings)} found, {new} new"
        raise ExceptionGroup("comparisons failed", errors)

    def _comparisons(
        self, champion: Row, serving: ServingDocument | None, now: float
    ) -> dict[str, Callable[[], Iterable[Finding]]]:
        alarms = [] if self._alarm is None else [self._alarm]
        own = {
            "start": lambda: self._start(now),
            "champion row": lambda: champion_row_findings(self._endpoint, champion),
            "loop row": lambda: loop_row_findings(f"loop#{self._job}", self._loop()),
            "rules": lambda: rule_findings(self._clients("events"), self._rules),
            "keys": lambda: key_findings(self._clients("kms"), self._keys(serving)),
        }
        if serving is None:
            return {**own, "alarms": lambda: alarm_findings(self._clients("cloudwatch"), alarms)}
        names = [*alarms, *serving.rollback_alarms]
        return {
            **own,
            "alarms": lambda: alarm_findings(self._clients("cloudwatch"), names),
            "package": lambda: self._package(champion),
            "endpoint": lambda: self._serving_findings(champion, serving),
        }

    def _start(self, now: float) -> Iterator[Finding]:
        """A job that has the lock and could not be created."""
        loop = self._loop()
        name, since = loop.get("in_flight"), loop.get("started_at")
        if not name or since is None or now - float(since) < _LONGEST_START:
            return
        row = self._table.get(f"job#{self._job}")
        if row is None or kind_of(json.loads(row["document"])).find(self._sagemaker, name):
            return
        yield Finding(
            key=f"not started: {name}",
            text=f"{self._job}: the job {name} could not be created since its trigger, "
            f"{(now - float(since)) / 60:.0f} minutes ago. The log of start_training has the "
            "error; it is tried again.",
        )

    def _package(self, champion: Row) -> Iterator[Finding]:
        if champion.get("package_arn") is not None:
            arn = str(champion["package_arn"])
            yield from package_findings(self._sagemaker, self._clients("s3"), arn)

    def _serving_findings(self, champion: Row, serving: ServingDocument) -> Iterator[Finding]:
        """What differs on the endpoint, once it serves the champion."""
        endpoint = EndpointResources(self._sagemaker, self._endpoint)
        described = endpoint.read()
        serves = (
            described is not None
            and described["EndpointStatus"] == "InService"
            and described.get("EndpointConfigName") == champion.get("config_name")
            and champion.get("state") in {LIVE, ROLLED_BACK}
        )
        if described is None or not serves:
            return
        scaling = VariantScaling(self._clients("application-autoscaling"))
        yield from self._config(endpoint, champion, serving)
        yield from variant_findings(serving, described)
        yield from capture_findings(serving, described)
        yield from scaling_findings(serving, scaling)

    def _config(
        self, endpoint: EndpointResources, champion: Row, serving: ServingDocument
    ) -> Iterator[Finding]:
        """A deleted configuration is created again: without it no instance can be added."""
        config = str(champion["config_name"])
        if endpoint.instance_types(config):
            return
        package = ModelRegistry(self._sagemaker, "").read(str(champion["package_arn"]))
        if serving.config_name(package) == config:
            endpoint.create_config(serving, package)
            text = (
                f"The configuration {config}, which endpoint {self._endpoint} serves, was deleted"
            )
            yield Finding(
                key="configuration deleted", text=f"{text}. It is created again.", is_repaired=True
            )

    # what is there

    def _loop(self) -> Row:
        return self._table.get(f"loop#{self._job}") or {}

    def _serving(self) -> ServingDocument | None:
        row = self._table.get(f"serving#{self._endpoint}")
        return ServingDocument.of_row(row, self._endpoint)

    def _keys(self, serving: ServingDocument | None) -> list[str]:
        """The KMS keys in the documents of job and endpoint."""
        row = self._table.get(f"job#{self._job}")
        job = {} if row is None else json.loads(row["document"])
        config = {} if serving is None else serving.config
        return sorted({*_keys_in(job), *_keys_in(config)})


def _keys_in(value: Any) -> Iterator[str]:
    """The values of members such as ``KmsKeyId`` and ``VolumeKmsKeyId``, at any depth."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name.endswith("KmsKeyId") and isinstance(item, str) and item:
                yield item
            yield from _keys_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys_in(item)
