"""A shadow variant that receives copies of the champion's requests.

``FLIGHTS_MODELS`` is the folder of the models (``python run.py <folder>`` creates it).
"""

from __future__ import annotations

import os
from pathlib import Path

from aws_cdk import Acknowledgment, App, CfnOutput, Stack, Validations
from constructs import Construct

from constructs_lib import (
    AlgorithmImage,
    DataCapture,
    DataStore,
    Endpoint,
    HostingRole,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Variant,
)

EXAMPLE = Path(__file__).resolve().parent
ENDPOINT = "flights-shadow"
FOLDER = Path(os.environ.get("FLIGHTS_MODELS", EXAMPLE / "models"))
ONE_INSTANCE = "champion and challenger have one instance each, to keep the example cheap"


class FlightsStack(Stack):
    """Every request is copied to the challenger; data capture records both responses."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        network = PrivateNetwork(self, "Network", key=store.key)
        image = AlgorithmImage.xgboost(self, "3.0-5")
        role = HostingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn])
        champion, challenger = (
            Model(
                self,
                name,
                containers=[
                    ModelContainer(
                        image=image, artifact=ModelArtifact.from_folder(FOLDER / name.lower())
                    )
                ],
                role=role,
                network=network,
            )
            for name in ("Champion", "Challenger")
        )
        endpoint = Endpoint(
            self,
            "Endpoint",
            endpoint_name=ENDPOINT,
            store=store,
            variants=[Variant(name="Champion", model=champion, instance_count=1)],
            # Equal to the weight of the production variant: all requests are copied.
            shadow=Variant(name="Challenger", model=challenger, instance_count=1),
            capture=DataCapture(),
        )
        Validations.of(endpoint).acknowledge(Acknowledgment(id="SageMaker.4", reason=ONE_INSTANCE))
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)
        CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)


app = App()
FlightsStack(app, "flights-shadow")
app.synth()
