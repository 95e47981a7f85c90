"""AWS CloudFormation, Application Auto Scaling, Amazon EC2, and services that only keep state."""

from __future__ import annotations

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    Rule,
    all_of,
    arns_at,
    fixed,
    on,
    passes,
    when_set,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules

_SERVICE = "cloudformation.amazonaws.com"


def _stack(call: ApiCall) -> list[str]:
    name = call.text("StackName || Stack")
    change_set = call.text("ChangeSetName")
    if name.startswith("arn:"):
        return [name]
    if not name and ":changeSet/" in change_set:
        # The ARN of a change set does not contain the stack.
        return [call.arn("cloudformation", "stack/*/*")]
    return [call.arn("cloudformation", f"stack/{name or '*'}/*")]


_ON_STACKS = (
    "CancelUpdateStack", "ContinueUpdateRollback", "CreateChangeSet", "CreateStack",
    "DeleteChangeSet", "DeleteStack", "DescribeChangeSet", "DescribeChangeSetHooks",
    "DescribeStackEvents", "DescribeStackResource", "DescribeStackResourceDrifts",
    "DescribeStackResources", "DescribeStacks", "DetectStackDrift", "DetectStackResourceDrift",
    "ExecuteChangeSet", "GetStackPolicy", "GetTemplate", "GetTemplateSummary", "ListChangeSets",
    "ListStackResources", "RollbackStack", "SetStackPolicy", "SignalResource", "UpdateStack",
    "UpdateTerminationProtection",
)  # fmt: skip
_PASSING = ("ContinueUpdateRollback", "CreateChangeSet", "CreateStack", "DeleteStack",
            "RollbackStack", "UpdateStack")  # fmt: skip

CLOUDFORMATION = ServiceRules(
    model="cloudformation",
    prefix="cloudformation",
    rules={operation: on(_stack, f"cloudformation:{operation}") for operation in _ON_STACKS}
    | {
        # An operation without an action of its own.
        "DescribeEvents": on(_stack, "cloudformation:DescribeStackEvents"),
        "ListHookResults": on(fixed("*"), "cloudformation:ListHookResults"),
    },
    also={operation: passes("RoleARN", _SERVICE) for operation in _PASSING},
    keys={
        "cloudformation:ChangeSetName": "ChangeSetName",
        "cloudformation:ResourceTypes": "ResourceTypes",
        "cloudformation:RoleArn": "RoleARN",
        "cloudformation:StackPolicyUrl": "StackPolicyURL",
        "cloudformation:TemplateUrl": "TemplateURL",
    },
)


def _target(call: ApiCall) -> list[str]:
    # The ARNs of scalable targets end in an id of AWS's own.
    return [call.arn("application-autoscaling", "scalable-target/*")]


_LINKED = "sagemaker.application-autoscaling.amazonaws.com"
_LINKED_ROLE = (
    f"role/aws-service-role/{_LINKED}/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


def _register(call: ApiCall) -> list[Permission]:
    """What registering a variant requires of the caller, besides its own action.

    DescribeEndpointConfig, which the page lists too, is not required here: whether the service
    calls it with the rights of its caller is not verified.

    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
    """
    kind, _, rest = call.text("ResourceId").partition("/")
    if kind != "endpoint":
        return []
    endpoint = call.arn("sagemaker", f"endpoint/{rest.partition('/')[0].lower()}")
    role = call.arn("iam", _LINKED_ROLE, with_region=False)
    return [
        Permission("sagemaker:DescribeEndpoint", endpoint),
        Permission("sagemaker:UpdateEndpointWeightsAndCapacities", endpoint),
        Permission("iam:CreateServiceLinkedRole", role, {"iam:AWSServiceName": _LINKED}),
    ]


def _tracking_alarms(action: str) -> Rule:
    """The alarms of a target tracking policy, which the service creates for its caller."""

    def rule(call: ApiCall) -> list[Permission]:
        name = f"alarm:TargetTracking-{call.text('ResourceId')}-Alarm*"
        return [Permission(action, call.arn("cloudwatch", name))]

    return rule


_TRACKING = "PolicyType == 'TargetTrackingScaling'"
_ON_TARGETS = ("DeleteScalingPolicy", "DeleteScheduledAction", "DeregisterScalableTarget",
               "PutScalingPolicy", "PutScheduledAction",
               "RegisterScalableTarget")  # fmt: skip

SCALING = ServiceRules(
    model="application-autoscaling",
    prefix="application-autoscaling",
    rules={
        operation: on(_target, f"application-autoscaling:{operation}") for operation in _ON_TARGETS
    }
    | {
        operation: on(arns_at("ResourceARN"), f"application-autoscaling:{operation}")
        for operation in ("ListTagsForResource", "TagResource", "UntagResource")
    },
    also={
        "RegisterScalableTarget": all_of(
            passes("RoleARN", "application-autoscaling.amazonaws.com"), _register
        ),
        "PutScalingPolicy": when_set(_TRACKING, _tracking_alarms("cloudwatch:PutMetricAlarm")),
    },
    keys={
        "application-autoscaling:scalable-dimension": "ScalableDimension",
        "application-autoscaling:service-namespace": "ServiceNamespace",
    },
)

EC2 = ServiceRules(
    model="ec2",
    prefix="ec2",
    placeholders={
        "SecurityGroupId": "GroupId",
        "NaclId": "NetworkAclId",
        "ElasticIpId": "AllocationId",
    },
    keys={"ec2:VpceServiceName": "ServiceName"},
    state_keys=frozenset({"ec2:Region"}),
    tagging="ec2:CreateTags",
    any_resource=True,
)

RDS = ServiceRules(model="rds", prefix="rds", any_resource=True)
EFS = ServiceRules(model="efs", prefix="elasticfilesystem", any_resource=True)
BACKUP = ServiceRules(model="backup", prefix="backup", any_resource=True)
GROUPS = ServiceRules(model="resource-groups", prefix="resource-groups", any_resource=True)
QUOTAS = ServiceRules(model="service-quotas", prefix="servicequotas", any_resource=True)
TAGGING = ServiceRules(model="resourcegroupstaggingapi", prefix="tag")
