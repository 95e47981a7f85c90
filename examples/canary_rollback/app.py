"""An endpoint of four instances with a canary rollout and rollback alarms.

``FLIGHTS_MODEL`` is the folder of the model (``python run.py <folder>`` creates it) and
``FLIGHTS_VERSION`` selects the code that serves it: ``champion`` or ``challenger``.
"""

from __future__ import annotations

import os
from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, Stack
from constructs import Construct

from constructs_lib import (
    AlgorithmImage,
    Canary,
    DataStore,
    Endpoint,
    HostingRole,
    InferenceCode,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Variant,
)

EXAMPLE = Path(__file__).resolve().parent
ENDPOINT = "canary-rollback"
FOLDER = Path(os.environ.get("FLIGHTS_MODEL", EXAMPLE / "model"))
VERSION = os.environ.get("FLIGHTS_VERSION", "champion")


class FlightsStack(Stack):
    """The canary has one of four instances; a latency alarm rolls it back."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        network = PrivateNetwork(self, "Network", key=store.key)
        image = AlgorithmImage.xgboost(self, "3.0-5")
        container = ModelContainer(
            image=image,
            artifact=ModelArtifact.from_folder(FOLDER),
            code=InferenceCode(folder=EXAMPLE / "source" / VERSION),
        )
        role = HostingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn])
        endpoint = Endpoint(
            self,
            "Endpoint",
            endpoint_name=ENDPOINT,
            model=Model(self, "Model", containers=[container], role=role, network=network),
            store=store,
            variants=[Variant(instance_count=4)],
            rollout=Canary(percent=25, wait_seconds=600, termination_wait_seconds=120),
            rollback_latency=Duration.millis(300),
        )
        CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)


app = App()
FlightsStack(app, "canary-rollback")
app.synth()
