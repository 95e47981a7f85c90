"""Amazon CloudWatch: alarms, anomaly detectors and dashboards."""

from __future__ import annotations

from sageloop.local_cloud.cloudformation.providers.api import ApiResource, Name, Update, takes
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

_ALARM_ARN = "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"
_TAGS = Tagging(on={"ResourceARN": "{att[Arn]}"})
_GONE = names("ResourceNotFound ResourceNotFoundException")
_COMMON = "ActionsEnabled AlarmActions AlarmDescription InsufficientDataActions OKActions"
_ALARM = (
    f"{_COMMON} ComparisonOperator DatapointsToAlarm Dimensions EvaluateLowSampleCountPercentile "
    "EvaluationPeriods ExtendedStatistic MetricName Metrics Namespace Period Statistic Threshold "
    "ThresholdMetricId TreatMissingData Unit"
)
_COMPOSITE = (
    f"{_COMMON} ActionsSuppressor ActionsSuppressorExtensionPeriod ActionsSuppressorWaitPeriod "
    "AlarmRule"
)
_DETECTOR = (
    "Configuration Dimensions MetricCharacteristics MetricMathAnomalyDetector MetricName "
    "Namespace SingleMetricAnomalyDetector Stat"
)


def _alarm(put: str, properties: str) -> ApiResource:
    return ApiResource(
        service="cloudwatch",
        create_call=put,
        name=Name(property="AlarmName", param="AlarmName", max_length=255),
        takes=takes(properties),
        attributes={"Arn": _ALARM_ARN},
        updates=(Update(call=put, on={"AlarmName": "{id}"}, takes=takes(properties), whole=True),),
        tagging=_TAGS,
        delete_call="DeleteAlarms",
        delete_on={"AlarmNames": ["{id}"]},
        gone=_GONE,
    )


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::CloudWatch::Alarm": _alarm("PutMetricAlarm", _ALARM),
    "AWS::CloudWatch::CompositeAlarm": _alarm("PutCompositeAlarm", _COMPOSITE),
    "AWS::CloudWatch::AnomalyDetector": ApiResource(
        service="cloudwatch",
        create_call="PutAnomalyDetector",
        takes=takes(_DETECTOR),
        ref="AnomalyDetectorId",
        attributes={"Id": "{id}"},
        updates=(Update(call="PutAnomalyDetector", on={}, takes=takes(_DETECTOR), whole=True),),
        delete_call="DeleteAnomalyDetector",
        delete_on={"AnomalyDetectorId": "{id}"},
        gone=_GONE,
    ),
    "AWS::CloudWatch::Dashboard": ApiResource(
        service="cloudwatch",
        create_call="PutDashboard",
        name=Name(property="DashboardName", param="DashboardName", max_length=255),
        takes=takes("DashboardBody"),
        updates=(
            Update(
                call="PutDashboard",
                on={"DashboardName": "{id}"},
                takes=takes("DashboardBody"),
                whole=True,
            ),
        ),
        delete_call="DeleteDashboards",
        delete_on={"DashboardNames": ["{id}"]},
        gone=_GONE,
        stored=names("Tags"),
    ),
}
