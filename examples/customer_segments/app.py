"""Customer segments by the built-in K-means algorithm."""

from __future__ import annotations

from aws_cdk import App, CfnOutput, Duration, Stack
from constructs import Construct

from constructs_lib import (
    Channel,
    DataStore,
    JobSpecification,
    JobTriggers,
    KMeans,
    PrivateNetwork,
    ResourceConfig,
    StateTable,
    TrainingJob,
    TrainingRole,
)

JOB = "customer-segments"
DATA = "datasets/customers/"


class SegmentsStack(Stack):
    """A bucket, and a job that runs after each upload of customers and every week."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        state = StateTable(self, "State", key=store.key)
        network = PrivateNetwork(self, "Network", key=store.key)
        group = network.security_group(self, "Group", description="Training")
        algorithm = KMeans(
            hyperparameters={"k": 5, "feature_dim": 3, "epochs": 10, "mini_batch_size": 2000}
        )
        image = algorithm.image(self)
        channel = Channel.store(
            name="train", prefix=f"{DATA}files/", content_type="text/csv;label_size=0"
        )
        specification = JobSpecification(
            algorithm=algorithm,
            store=store,
            channels=[channel],
            role=TrainingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn]),
            compute=ResourceConfig(instance_type="ml.c5.xlarge"),
            subnet_ids=network.subnet_ids,
            security_group_ids=[group.security_group_id],
        )
        job = TrainingJob(
            self, "Job", job=JOB, state=state, network=network, specification=specification
        )
        JobTriggers(
            self, "Triggers", job=job, network=network, on_data=[f"{DATA}ready"],
            schedule=Duration.days(7),
        )  # fmt: skip
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
SegmentsStack(app, "customer-segments")
app.synth()
