"""Minutes in the air by the built-in linear learner."""

from __future__ import annotations

from aws_cdk import App, CfnOutput, Stack
from constructs import Construct

from constructs_lib import (
    Channel,
    DataStore,
    JobSpecification,
    JobTriggers,
    LinearLearner,
    PrivateNetwork,
    ResourceConfig,
    StateTable,
    TrainingJob,
    TrainingRole,
)

JOB = "flights-linear"
DATA = "datasets/flights/"


class FlightsStack(Stack):
    """A bucket, and a job that runs after each complete delivery of flights."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        state = StateTable(self, "State", key=store.key)
        network = PrivateNetwork(self, "Network", key=store.key)
        group = network.security_group(self, "Group", description="Training")
        algorithm = LinearLearner(
            hyperparameters={
                "predictor_type": "regressor", "loss": "squared_loss", "epochs": 15, "wd": 0,
            }
        )  # fmt: skip
        image = algorithm.image(self)
        specification = JobSpecification(
            algorithm=algorithm,
            store=store,
            channels=[
                Channel.store(name=name, prefix=f"{DATA}{name}/", content_type="text/csv")
                for name in ("train", "test")
            ],
            role=TrainingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn]),
            compute=ResourceConfig(instance_type="ml.c5.xlarge"),
            subnet_ids=network.subnet_ids,
            security_group_ids=[group.security_group_id],
        )
        job = TrainingJob(
            self, "Job", job=JOB, state=state, network=network, specification=specification
        )
        JobTriggers(self, "Triggers", job=job, network=network, on_data=[f"{DATA}ready"])
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
FlightsStack(app, "flights-linear")
app.synth()
