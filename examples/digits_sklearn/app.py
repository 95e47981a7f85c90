"""Handwritten digits classified by a support vector machine of scikit-learn."""

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
    SKLearn,
    SourceCode,
    StateTable,
    TrainingJob,
    TrainingRole,
)

EXAMPLE = Path(__file__).resolve().parent
JOB = "digits-sklearn"
DATA = "datasets/digits/"


class DigitsStack(Stack):
    """A bucket, and a job that runs after each complete upload of digits."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        state = StateTable(self, "State", key=store.key)
        network = PrivateNetwork(self, "Network", key=store.key)
        group = network.security_group(self, "Group", description="Training")
        algorithm = SKLearn(
            source=SourceCode(folder=EXAMPLE / "source", entry_point="train.py"),
            hyperparameters={"C": 10.0, "gamma": 0.2},
        )
        image = algorithm.image(self)
        job = TrainingJob(
            self,
            "Job",
            job=JOB,
            state=state,
            network=network,
            specification=JobSpecification(
                algorithm=algorithm,
                store=store,
                channels=[
                    Channel.store(name="train", prefix=f"{DATA}train/"),
                    Channel.store(name="test", prefix=f"{DATA}test/"),
                ],
                role=TrainingRole(
                    self, "Role", key=store.key, repository_arns=[image.repository_arn]
                ),
                compute=ResourceConfig(instance_type="ml.m5.large"),
                subnet_ids=network.subnet_ids,
                security_group_ids=[group.security_group_id],
                metric_definitions=[
                    MetricDefinition(name="test:accuracy", regex=r"test:accuracy=([0-9.]+)")
                ],
            ),
        )
        JobTriggers(self, "Triggers", job=job, network=network, on_data=[f"{DATA}ready"])
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
DigitsStack(app, "digits-sklearn")
app.synth()
