"""An asynchronous endpoint that scales to zero instances while its queue is empty.

``FLIGHTS_MODEL`` is the folder of the model (``python run.py <folder>`` creates it).
"""

from __future__ import annotations

import os
from pathlib import Path

from aws_cdk import Acknowledgment, App, CfnOutput, Duration, Stack, Validations
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib import (
    AlgorithmImage,
    Asynchronous,
    DataStore,
    Endpoint,
    HostingRole,
    InferenceCode,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Scaling,
    Variant,
)

EXAMPLE = Path(__file__).resolve().parent
ENDPOINT = "flights-async"
NO_DEAD_LETTERS = "the results are in S3: unread notifications of them expire after a day"
NO_GRANTS = "SNS and SQS use the key by its policy; only the account's administrators create grants"
FOLDER = Path(os.environ.get("FLIGHTS_MODEL", EXAMPLE / "model"))
ONE_INSTANCE = "requests wait in a queue while the endpoint has no instance"


class FlightsStack(Stack):
    """Days are scored one after the other; queues receive notifications of results and errors."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        self.store = store = DataStore(self, "Store")
        # The topics use the key of the queues, so their own key must be another one.
        self.notices_key = kms.Key(self, "NoticesKey", enable_key_rotation=True)
        Validations.of(self.notices_key).acknowledge(
            Acknowledgment(id="CT.KMS.PR.3", reason=NO_GRANTS)
        )
        network = PrivateNetwork(self, "Network", key=store.key)
        image = AlgorithmImage.xgboost(self, "3.0-5")
        container = ModelContainer(
            image=image,
            artifact=ModelArtifact.from_folder(FOLDER),
            code=InferenceCode(folder=EXAMPLE / "source"),
        )
        role = HostingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn])
        endpoint = Endpoint(
            self,
            "Endpoint",
            endpoint_name=ENDPOINT,
            model=Model(self, "Model", containers=[container], role=role, network=network),
            store=store,
            kind=Asynchronous(
                input_prefix="to-score/",
                output_prefix="scored/",
                failure_prefix="failed/",
                success_topic=self.notifications("Scored"),
                error_topic=self.notifications("Failed"),
                max_concurrent_per_instance=1,
            ),
            variants=[
                Variant(
                    instance_count=1,
                    scaling=Scaling(minimum=0, maximum=4, backlog_per_instance=5),
                )
            ],
        )
        Validations.of(endpoint).acknowledge(Acknowledgment(id="SageMaker.4", reason=ONE_INSTANCE))
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)

    def notifications(self, name: str) -> sns.Topic:
        """A topic, with a queue that retains its messages for a day."""
        topic = sns.Topic(
            self, f"{name}Topic", master_key=self.store.encryption_key, enforce_ssl=True
        )
        queue = sqs.Queue(
            self,
            f"{name}Queue",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self.notices_key,
            enforce_ssl=True,
            retention_period=Duration.days(1),
        )
        # Security rules want a dead-letter queue of each queue.
        for rule in ("AwsSolutions-SQS3", "CT.SQS.PR.1"):
            Validations.of(queue).acknowledge(Acknowledgment(id=rule, reason=NO_DEAD_LETTERS))
        topic.add_subscription(subscriptions.SqsSubscription(queue, raw_message_delivery=True))
        CfnOutput(self, f"{name}Notices", value=queue.queue_url)
        return topic


app = App()
FlightsStack(app, "flights-async")
app.synth()
