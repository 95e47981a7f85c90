"""Reads the state of the deployed loop through AWS's API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.client import LocalCloud
from sageloop.waiting import WaitTimeoutError

_STACK_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


class StoryError(WaitTimeoutError):
    """An expected event of the demo did not occur."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The outputs of the stacks."""

    bucket: str
    endpoint: str
    alarm: str
    job: str
    package_group: str
    state_table: str


def names_of(cloud: LocalCloud) -> Names:
    """The names of the deployed loop's resources, from the outputs of its stacks."""
    outputs: dict[str, str] = {}
    for stack in cloud.client("cloudformation").describe_stacks()["Stacks"]:
        if stack["StackStatus"] in _STACK_DONE:
            outputs |= {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
    wanted = {
        "bucket": "DataBucket",
        "endpoint": "EndpointName",
        "alarm": "ModelQualityAlarm",
        "job": "JobName",
        "package_group": "ModelPackageGroup",
        "state_table": "StateTable",
    }
    missing = [key for key in wanted.values() if key not in outputs]
    if missing:
        raise StoryError(f"the stacks have no output {', '.join(missing)}")
    return Names(**{name: outputs[key] for name, key in wanted.items()})


class Watcher:
    """Queries the state of the deployed loop."""

    def __init__(self, cloud: LocalCloud, names: Names) -> None:
        self._cloud, self.names = cloud, names

    def endpoint(self) -> dict[str, Any] | None:
        """The endpoint's description, or None."""
        try:
            found = self._cloud.client("sagemaker").describe_endpoint(
                EndpointName=self.names.endpoint
            )
        except ClientError:
            return None
        return dict(found)

    def in_service(self, *, other_than: str = "") -> dict[str, Any] | None:
        """The endpoint if it serves a configuration other than ``other_than``."""
        found = self.endpoint()
        if not found or found["EndpointStatus"] != "InService":
            return None
        return found if found["EndpointConfigName"] != other_than else None

    def model(self, config_name: str) -> str:
        """The model artifact of an endpoint configuration."""
        sagemaker = self._cloud.client("sagemaker")
        config = sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
        model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        return str(model["PrimaryContainer"]["ModelDataUrl"])

    def jobs(self) -> list[dict[str, Any]]:
        """Training jobs of the loop, oldest first."""
        # A response is cut before it is filtered by name, and may be empty.
        listing = self._cloud.client("sagemaker").get_paginator("list_training_jobs")
        responses = listing.paginate(
            NameContains=self.names.job, SortBy="CreationTime", SortOrder="Ascending"
        )
        return [job for one in responses for job in one["TrainingJobSummaries"]]

    def runs(self) -> list[str]:
        """Names of the loop's runs, oldest first: its tuning jobs, else its training jobs."""
        searches = self._searches()
        return searches if searches else [str(job["TrainingJobName"]) for job in self.jobs()]

    def holdout(self, run: str) -> float | None:
        """The final hold-out metric of a run or of its best trial."""
        sagemaker = self._cloud.client("sagemaker")
        if run in self._searches():
            search = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=run)
            run = search["BestTrainingJob"]["TrainingJobName"]
        found = sagemaker.describe_training_job(TrainingJobName=run)
        metrics = {m["MetricName"]: m["Value"] for m in found.get("FinalMetricDataList", [])}
        return next((v for n, v in metrics.items() if n.startswith("validation:mae")), None)

    def _searches(self) -> list[str]:
        found = self._cloud.client("sagemaker").list_hyper_parameter_tuning_jobs(
            NameContains=self.names.job, SortBy="CreationTime", SortOrder="Ascending"
        )
        return [
            str(search["HyperParameterTuningJobName"])
            for search in found["HyperParameterTuningJobSummaries"]
        ]

    def alarm(self) -> dict[str, Any]:
        """The model quality alarm."""
        (found,) = self._cloud.client("cloudwatch").describe_alarms(AlarmNames=[self.names.alarm])[
            "MetricAlarms"
        ]
        return dict(found)

    def transitions(self) -> int:
        """The number of transitions to ALARM."""
        items = self._cloud.client("cloudwatch").describe_alarm_history(
            AlarmName=self.names.alarm, HistoryItemType="StateUpdate"
        )["AlarmHistoryItems"]
        return sum(1 for item in items if item["HistorySummary"].endswith("to ALARM"))

    def errors(self, since: float, *, config: str | None = None) -> list[tuple[float, float]]:
        """The model error in CloudWatch: time (virtual epoch seconds) and minutes."""
        return self._values("sageloop", "MeanAbsoluteError", "Average", since, config)

    def invocations(self, since: float, *, config: str) -> int:
        """The number of requests that a configuration answered."""
        values = self._values("AWS/SageMaker", "Invocations", "Sum", since, config)
        return int(sum(v for _, v in values))

    def _values(
        self, namespace: str, metric: str, stat: str, since: float, config: str | None
    ) -> list[tuple[float, float]]:
        dimensions = [{"Name": "EndpointName", "Value": self.names.endpoint}]
        if namespace == "AWS/SageMaker":
            dimensions.append({"Name": "VariantName", "Value": "AllTraffic"})
        if config:
            dimensions.append({"Name": "EndpointConfigName", "Value": config})
        (found,) = self._cloud.client("cloudwatch").get_metric_data(
            StartTime=datetime.fromtimestamp(since, UTC),
            EndTime=datetime.fromtimestamp(self._cloud.time() + 60, UTC),
            ScanBy="TimestampAscending",
            MetricDataQueries=[{"Id": "m", "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions},
                "Period": 60, "Stat": stat}}],
        )["MetricDataResults"]  # fmt: skip
        stamps = [t.timestamp() for t in found["Timestamps"]]
        return list(zip(stamps, found["Values"], strict=True))
