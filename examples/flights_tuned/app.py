"""Minutes in the air by XGBoost with tuned hyperparameters."""

from __future__ import annotations

from aws_cdk import App, CfnOutput, Stack
from constructs import Construct

from constructs_lib import (
    Channel,
    ContinuousRange,
    DataStore,
    IntegerRange,
    JobSpecification,
    JobTriggers,
    Objective,
    PrivateNetwork,
    ResourceConfig,
    StateTable,
    Strategy,
    TrainingRole,
    TuningJob,
    XGBoost,
)

JOB = "flights-tuned"
DATA = "datasets/flights/"


class FlightsStack(Stack):
    """A bucket, and a Bayesian tuning job that runs after each complete delivery of flights."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        state = StateTable(self, "State", key=store.key)
        network = PrivateNetwork(self, "Network", key=store.key)
        group = network.security_group(self, "Group", description="Training")
        algorithm = XGBoost(
            hyperparameters={
                "num_round": 60, "objective": "reg:squarederror", "eval_metric": "mae", "seed": 7,
            }
        )  # fmt: skip
        image = algorithm.image(self)
        role = TrainingRole(
            self, "Role", key=store.key, repository_arns=[image.repository_arn], tunes=True
        )
        specification = JobSpecification(
            algorithm=algorithm,
            store=store,
            channels=[
                Channel.store(name=name, prefix=f"{DATA}{name}/", content_type="text/csv")
                for name in ("train", "validation")
            ],
            role=role,
            compute=ResourceConfig(instance_type="ml.m5.xlarge"),
            subnet_ids=network.subnet_ids,
            security_group_ids=[group.security_group_id],
        )
        job = TuningJob(
            self,
            "Job",
            job=JOB,
            state=state,
            network=network,
            specification=specification,
            strategy=Strategy.BAYESIAN,
            objective=Objective(metric="validation:mae", type="Minimize"),
            ranges=[
                IntegerRange("max_depth", 3, 10),
                ContinuousRange("eta", 0.03, 0.5, scaling="Logarithmic"),
                ContinuousRange("subsample", 0.5, 1.0),
            ],
            max_jobs=12,
            max_parallel=2,
            random_seed=7,
        )
        JobTriggers(self, "Triggers", job=job, network=network, on_data=[f"{DATA}ready"])
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
FlightsStack(app, "flights-tuned")
app.synth()
