"""A multi-model endpoint for all models under an S3 prefix."""

from __future__ import annotations

from aws_cdk import Acknowledgment, App, CfnOutput, Stack, Validations
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
ONE_INSTANCE = "one small instance shows that models are unloaded when its memory is full"


class DigitsStack(Stack):
    """A bucket, and one instance that loads a model of the bucket at its first request."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Define the resources."""
        super().__init__(scope, construct_id)
        store = DataStore(self, "Store")
        network = PrivateNetwork(self, "Network", key=store.key)
        image = AlgorithmImage.find(self, "sklearn", "1.2-1")
        role = HostingRole(self, "Role", key=store.key, repository_arns=[image.repository_arn])
        endpoint = Endpoint(
            self,
            "Endpoint",
            endpoint_name=ENDPOINT,
            image=image.uri,
            model_data=MODELS,
            store=store,
            network=network,
            role=role,
            # Deliberately small: 4 GB of memory cannot hold 50 of these models.
            variants=[Variant(instance_type="ml.t2.medium", instance_count=1)],
            environment={"SAGEMAKER_PROGRAM": "inference.py"},
        )
        Validations.of(endpoint).acknowledge(Acknowledgment(id="SageMaker.4", reason=ONE_INSTANCE))
        CfnOutput(self, "Bucket", value=store.bucket.bucket_name)


app = App()
DigitsStack(app, "digits-multi-model")
app.synth()
