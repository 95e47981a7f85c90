"""State table: a DynamoDB table."""

from __future__ import annotations

from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .._private.acknowledge import acknowledge_packs
from .._private.encryption import use_statement
from .._private.policies import allow, attach
from .._private.removal import retained_unless_confirmed


class StateTable(Construct):
    """Defines the DynamoDB table of job documents, champions, locks and handled events.

    Partition key ``id``, time to live ``expires``, point-in-time recovery, pay per request.

    Example:
        >>> state = StateTable(stack, "State", key=store.key)
        >>> state.grant_read(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None = None,
        deletion_protection: bool = False,
        removal_policy: RemovalPolicy | None = None,
        table: dynamodb.ITable | None = None,
    ) -> None:
        """Define the table.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            key: KMS key of the table; an AWS owned key by default.
            deletion_protection: Whether DynamoDB refuses to delete the table.
            removal_policy: ``RETAIN`` by default. ``DESTROY`` also needs the context
                ``sageloop:destroyData``.
            table: An existing table, see ``from_table``.

        """
        super().__init__(scope, construct_id)
        self.key = key
        self.table: dynamodb.ITable = (
            self._build_table(deletion_protection, retained_unless_confirmed(self, removal_policy))
            if table is None
            else table
        )

    @classmethod
    def from_table(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        key: kms.IKey | None = None,
    ) -> StateTable:
        """Import an existing table, with the partition key ``id``."""
        return StateTable(scope, construct_id, table=table, key=key)

    @property
    def table_name(self) -> str:
        """Name of the table."""
        return self.table.table_name

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to read entries; never scan."""
        return attach(grantee, self.statements("GetItem"))

    def grant_read_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to read and write entries; never scan, never change the table."""
        return attach(grantee, self.statements("GetItem", "PutItem", "UpdateItem"))

    def metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        """A metric of the table, for example ``ThrottledRequests``."""
        return self.table.metric(name, **options)

    def statements(self, *verbs: str) -> list[iam.PolicyStatement]:
        """Statements for some of DynamoDB's item actions, with the use of the key."""
        key = [] if self.key is None else [use_statement(self.key, ["dynamodb"], writes=False)]
        return [allow([f"dynamodb:{verb}" for verb in verbs], [self.table.table_arn]), *key]

    def _build_table(self, protected: bool, removal_policy: RemovalPolicy) -> dynamodb.Table:
        encryption = dynamodb.TableEncryption
        table = dynamodb.Table(
            self,
            "Resource",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=encryption.DEFAULT if self.key is None else encryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            time_to_live_attribute="expires",
            deletion_protection=protected,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=removal_policy,
        )
        acknowledge_packs(table, "DynamoDBInBackupPlan", packs="nist hipaa", reason=(
            "point-in-time recovery is on; backup plans are defined for the account"
        ))  # fmt: skip
        return table
