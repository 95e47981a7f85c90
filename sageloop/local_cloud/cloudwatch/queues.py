"""Metrics of SQS queues, for alarms on dead-letter queues.

SQS publishes its metrics each minute for active queues. moto keeps the queues and publishes no
metrics: the depth of each queue that ever received a message is read before alarm evaluations.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.core.service import Call
from sageloop.local_cloud.core.wire import Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.core.contracts import PutMetric

_SENDING = ("sqs:SendMessage", "sqs:SendMessageBatch")
_METRICS = {
    "ApproximateNumberOfMessages": "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}


class QueueMetrics:
    """Publishes ``AWS/SQS`` metrics of active queues."""

    def __init__(self, cloud: Cloud, put: PutMetric) -> None:
        self._cloud = cloud
        self._put = put
        self._lock = threading.Lock()
        self._urls: set[tuple[str, str]] = set()
        for action in _SENDING:
            cloud.front.after(action, self._sent)

    def publish(self) -> None:
        """Publish one sample of each metric of each active queue."""
        with self._lock:
            urls = sorted(self._urls)
        for url, region in urls:
            self._publish(url, region)

    def _sent(self, call: Call, _: Response) -> None:
        with self._lock:
            self._urls.add((call.params["QueueUrl"], call.region))

    def _publish(self, url: str, region: str) -> None:
        sqs = self._cloud.client("sqs", principal=INTERNAL, region=region)
        try:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_METRICS))
        except ClientError:
            with self._lock:
                self._urls.discard((url, region))
            return
        dimensions = {"QueueName": url.rsplit("/", 1)[-1]}
        for attribute, metric in _METRICS.items():
            value = float(attributes["Attributes"].get(attribute, 0))
            self._put("AWS/SQS", metric, value, dimensions=dimensions, unit="Count")
