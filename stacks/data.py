"""Network, data store, state table and alert topic."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput
from constructs import Construct

from constructs_lib import AlertTopic, DataStore, PrivateNetwork, StateTable

from .base import ProjectStack
from .settings import Settings


class DataStack(ProjectStack):
    """Stack of the network, the data store, the state table and the alert topic."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, **kwargs: Any
    ) -> None:
        """Define the resources; ``kwargs`` are arguments of ``Stack``."""
        super().__init__(scope, construct_id, settings=settings, **kwargs)
        data = settings.data
        self.store = DataStore(self, "Store", noncurrent_days=data.noncurrent_days)
        # Another id would replace the topic, and with it the confirmed subscriptions.
        self.alerts = AlertTopic(
            self, "Pages", key=self.store.key, emails=tuple(settings.project.alert_emails)
        )
        self.state = StateTable(
            self, "State", key=self.store.key, deletion_protection=data.protect_state
        )
        self.network = PrivateNetwork(
            self,
            "Network",
            key=self.store.key,
            cidr=settings.network.cidr,
            zones=settings.network.zones,
            alert_topic=self.alerts.topic,
        )
        CfnOutput(self, "DataBucket", value=self.store.bucket.bucket_name)
        CfnOutput(self, "StateTable", value=self.state.table_name)
