"""Handwritten digits classified by a small network, trained on two hosts."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, CfnOutput, Stack
from constructs import Construct

from constructs_lib import (
    Channel,
    DataStore,
    Distribution,
    JobSpecification,
    JobTriggers,
    MetricDefinition,
    PrivateNetwork,
    PyTorch,
    ResourceConfig,
    SourceCode,
    StateTable,
    TrainingJob,
    TrainingRole,
)

EXAMPLE = Path(__file__).resolve().parent
JOB = "digits-pytorch"
DATA = "datasets/digits/"


class DigitsStack(Stack):
    """A bucket, and a job on two GPU hosts that is started manually (``sageloop train``)."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        state = StateTable(self, "State", key=store.key)
        network = PrivateNetwork(self, "Network", key=store.key)
        # The two hosts communicate: the security group allows traffic between its members.
        group = network.security_group(self, "Group", description="Training", allow_self=True)
        algorithm = PyTorch(
            source=SourceCode(folder=EXAMPLE / "source", entry_point="train.py"),
            hyperparameters={"epochs": 20, "learning-rate": 0.05, "seed": 7},
            distribution=Distribution.torchrun(processes_per_host=1),
        )
        compute = ResourceConfig(instance_type="ml.g5.xlarge", instance_count=2)
        image = algorithm.image(self, compute.first_type)
        specification = JobSpecification(
            algorithm=algorithm,
            store=store,
            channels=[Channel.store(name="digits", prefix=f"{DATA}files/")],
            role=TrainingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn]),
            compute=compute,
            subnet_ids=network.subnet_ids,
            security_group_ids=[group.security_group_id],
            metric_definitions=[
                MetricDefinition(name="train:loss", regex=r"train:loss=([0-9.]+)"),
                MetricDefinition(name="test:accuracy", regex=r"test:accuracy=([0-9.]+)"),
            ],
        )
        job = TrainingJob(
            self, "Job", job=JOB, state=state, network=network, specification=specification
        )
        JobTriggers(self, "Triggers", job=job, network=network)
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
DigitsStack(app, "digits-pytorch")
app.synth()
