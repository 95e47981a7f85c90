"""Notebook instance."""

from __future__ import annotations

from aws_cdk import Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from .._private.checks import Checks, text_of
from .._private.policies import allow, arn, attach, managed_policy
from ..identity import NotebookRole
from ..network import PrivateNetwork

_IDLE_STOP = """#!/bin/bash
# Stops this instance when no kernel has worked for {minutes} minutes.
set -e
cat > /usr/local/bin/stop-when-idle <<'PROGRAM'
import datetime, json, ssl, urllib.request
import boto3
there = ssl._create_unverified_context()  # the server's own certificate, on this very machine
with urllib.request.urlopen("https://localhost:8443/api/sessions", context=there) as answer:
    kernels = [session["kernel"] for session in json.load(answer)]
now = datetime.datetime.now(datetime.timezone.utc)
def idle(kernel):
    last = datetime.datetime.fromisoformat(kernel["last_activity"].replace("Z", "+00:00"))
    # A kernel may stay "starting" for ever; only a busy one is working.
    return kernel["execution_state"] != "busy" and (now - last).total_seconds() > {minutes} * 60
with open("/proc/uptime") as up:
    awake = float(up.read().split()[0])
if awake > {minutes} * 60 and all(idle(kernel) for kernel in kernels):
    with open("/opt/ml/metadata/resource-metadata.json") as data:
        name = json.load(data)["ResourceName"]
    boto3.client("sagemaker").stop_notebook_instance(NotebookInstanceName=name)
PROGRAM
python=$(ls -d /home/ec2-user/anaconda3/bin/python /usr/bin/python3 2>/dev/null | head -n 1)
echo "*/5 * * * * root $python /usr/local/bin/stop-when-idle" > /etc/cron.d/stop-when-idle
"""


class NotebookBase(Construct):
    """A SageMaker notebook instance.

    Attributes:
        notebook_name: Name of the instance.

    """

    notebook_name: str

    @classmethod
    def from_notebook_name(
        cls, scope: Construct, construct_id: str, *, notebook_name: str
    ) -> NotebookBase:
        """Import an existing notebook instance."""
        with Checks(f"{scope.node.path}/{construct_id}") as check:
            check.name("notebook_name", notebook_name)
        notebook = NotebookBase(scope, construct_id)
        notebook.notebook_name = notebook_name
        return notebook

    @property
    def notebook_arn(self) -> str:
        """ARN of the instance."""
        return arn(self, "sagemaker", "notebook-instance", self.notebook_name)

    def grant_open(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to open this notebook, which includes the permissions of its role."""
        actions = ["sagemaker:CreatePresignedNotebookInstanceUrl"]
        return attach(grantee, [allow(actions, [self.notebook_arn])])

    def grant_start_stop(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to start, stop and describe the instance."""
        actions = ["sagemaker:DescribeNotebookInstance", "sagemaker:StartNotebookInstance",
                   "sagemaker:StopNotebookInstance"]  # fmt: skip
        return attach(grantee, [allow(actions, [self.notebook_arn])])


class Notebook(NotebookBase):
    """Defines a notebook instance in the private network.

    It has no internet access, no root access, IMDSv2, an encrypted volume, and a script that stops
    the idle instance.

    See https://docs.aws.amazon.com/securityhub/latest/userguide/sagemaker-controls.html

    Example:
        >>> role = NotebookRole(stack, "Role", jobs="demo-", key=store.key)
        >>> notebook = Notebook(stack, "Notebook", network=network, role=role, key=store.key)
        >>> notebook.grant_open(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: PrivateNetwork,
        role: NotebookRole,
        key: kms.IKey,
        instance_type: str = "ml.t3.medium",
        volume_gb: int = 20,
        idle_minutes: int = 60,
    ) -> None:
        """Define the notebook.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            network: Network of the instance.
            role: Role of the instance.
            key: KMS key of the volume.
            instance_type: ML instance type.
            volume_gb: Size of the volume in GB, 5 to 16384.
            idle_minutes: Minutes without a running kernel after which the instance stops, 10 to
                1440.

        Raises:
            ConfigurationError: If a value is not allowed.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.instance_type("instance_type", instance_type)
            check.whole("volume_gb", volume_gb, 5, 16384)
            check.whole("idle_minutes", idle_minutes, 10, 1440)
        self.role = role
        self.group = network.security_group(self, "Group", description="Notebook")
        script = _IDLE_STOP.replace("{minutes}", text_of(idle_minutes))
        hook = sagemaker.CfnNotebookInstanceLifecycleConfig.NotebookInstanceLifecycleHookProperty
        self.lifecycle = sagemaker.CfnNotebookInstanceLifecycleConfig(
            self, "Lifecycle", on_start=[hook(content=Fn.base64(script))]
        )
        self.resource = sagemaker.CfnNotebookInstance(
            self,
            "Resource",
            instance_type=instance_type,
            volume_size_in_gb=volume_gb,
            role_arn=role.role_arn,
            subnet_id=network.subnet_ids[0],
            security_group_ids=[self.group.security_group_id],
            direct_internet_access="Disabled",
            root_access="Disabled",
            kms_key_id=key.key_arn,
            platform_identifier="notebook-al2023-v1",
            lifecycle_config_name=self.lifecycle.attr_notebook_instance_lifecycle_config_name,
            instance_metadata_service_configuration=_METADATA_V2,
        )
        self.resource.node.add_dependency(*role.policies, *network.dependencies)
        self.notebook_name = self.resource.attr_notebook_instance_name
        self._allow_to_stop_itself()

    def _allow_to_stop_itself(self) -> None:
        """Allow the instance's role to stop this instance.

        The instance depends on its role's policies, so this policy is created after it.
        """
        statements = [allow(["sagemaker:StopNotebookInstance"], [self.notebook_arn])]
        if self.role.policy is not None:
            managed_policy(self, "StopItself", statements, role=self.role.role)
            return
        # An existing role receives the policy, unless it is immutable.
        self.role.role.attach_inline_policy(iam.Policy(self, "StopItself", statements=statements))


_METADATA_V2 = sagemaker.CfnNotebookInstance.InstanceMetadataServiceConfigurationProperty(
    minimum_instance_metadata_service_version="2"
)
