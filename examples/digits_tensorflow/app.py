"""Handwritten digits classified by a small convolutional network of TensorFlow."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, CfnOutput, Stack
from constructs import Construct

from constructs_lib import (
    Channel,
    DataStore,
    JobSpecification,
    JobTriggers,
    MetricDefinition,
    PrivateNetwork,
    ResourceConfig,
    SourceCode,
    Spot,
    StateTable,
    TensorFlow,
    TrainingJob,
    TrainingRole,
)

EXAMPLE = Path(__file__).resolve().parent
JOB = "digits-tensorflow"
DATA = "datasets/digits/"


class DigitsStack(Stack):
    """A bucket, and a managed spot training job that resumes from its checkpoint."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        state = StateTable(self, "State", key=store.key)
        network = PrivateNetwork(self, "Network", key=store.key)
        group = network.security_group(self, "Group", description="Training")
        algorithm = TensorFlow(
            source=SourceCode(folder=EXAMPLE / "source", entry_point="train.py"),
            hyperparameters={"epochs": 8, "seed": 7},
        )
        compute = ResourceConfig(instance_type="ml.c5.xlarge")
        image = algorithm.image(self, compute.first_type)
        specification = JobSpecification(
            algorithm=algorithm,
            store=store,
            channels=[Channel.store(name="digits", prefix=f"{DATA}files/")],
            role=TrainingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn]),
            compute=compute,
            spot=Spot(max_wait_seconds=7200, checkpoint_prefix="checkpoints/digits/"),
            subnet_ids=network.subnet_ids,
            security_group_ids=[group.security_group_id],
            metric_definitions=[
                MetricDefinition(name="test:accuracy", regex=r"test:accuracy=([0-9.]+)")
            ],
        )
        job = TrainingJob(
            self, "Job", job=JOB, state=state, network=network, specification=specification
        )
        JobTriggers(self, "Triggers", job=job, network=network)
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
DigitsStack(app, "digits-tensorflow")
app.synth()
