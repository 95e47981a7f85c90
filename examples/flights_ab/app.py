"""An endpoint with two production variants that share its requests.

``FLIGHTS_MODELS`` is the folder of the models (``python run.py <folder>`` creates it).
"""

from __future__ import annotations

import os
from pathlib import Path

from aws_cdk import Acknowledgment, App, CfnOutput, Stack, Validations
from constructs import Construct

from constructs_lib import (
    AlgorithmImage,
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
ENDPOINT = "flights-ab"
FOLDER = Path(os.environ.get("FLIGHTS_MODELS", EXAMPLE / "models"))
ONE_INSTANCE = "each of the two variants has one instance, so that the endpoint has two"


class FlightsStack(Stack):
    """Nine of ten requests go to the variant Winter, the others to Spring."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        network = PrivateNetwork(self, "Network", key=store.key)
        image = AlgorithmImage.xgboost(self, "3.0-5")
        role = HostingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn])
        variants = []
        for name, weight in (("Winter", 0.9), ("Spring", 0.1)):
            artifact = ModelArtifact.from_folder(FOLDER / name.lower())
            container = ModelContainer(image=image, artifact=artifact)
            model = Model(self, name, containers=[container], role=role, network=network)
            variants.append(Variant(name=name, model=model, weight=weight, instance_count=1))
        endpoint = Endpoint(
            self, "Endpoint", endpoint_name=ENDPOINT, store=store, variants=variants
        )
        Validations.of(endpoint).acknowledge(Acknowledgment(id="SageMaker.4", reason=ONE_INSTANCE))
        CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)


app = App()
FlightsStack(app, "flights-ab")
app.synth()
