"""An endpoint for as many models as lie under a prefix."""

from __future__ import annotations

from aws_cdk import App, CfnOutput, Stack
from constructs import Construct

from constructs_lib import (
    AlgorithmImage,
    DataStore,
    Endpoint,
    HostingRole,
    PrivateNetwork,
    Variant,
)

ENDPOINT = "digits-multi-model"
MODELS = "models/"


class DigitsStack(Stack):
    """A store, and one instance that loads a model of the store when it is asked for."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Wire it."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        network = PrivateNetwork(self, "Network", key=store.key)
        image = AlgorithmImage.find(self, "sklearn", "1.2-1")
        role = HostingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn])
        Endpoint(
            self,
            "Endpoint",
            endpoint_name=ENDPOINT,
            image=image.uri,
            model_data=MODELS,
            store=store,
            network=network,
            role=role,
            # Small on purpose: 4 GB of memory do not hold 50 of these models.
            variants=[Variant(instance_type="ml.t2.medium", instance_count=1)],
            environment={"SAGEMAKER_PROGRAM": "inference.py"},
        )
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
DigitsStack(app, "digits-multi-model")
app.synth()
