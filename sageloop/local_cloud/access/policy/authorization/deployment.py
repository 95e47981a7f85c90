"""AWS CloudFormation, Application Auto Scaling, Amazon EC2, and services that only keep state."""

from __future__ import annotations

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    arns_at,
    fixed,
    on,
    passes,
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
    also={"RegisterScalableTarget": passes("RoleARN", "application-autoscaling.amazonaws.com")},
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
TAGGING = ServiceRules(model="resourcegroupstaggingapi", prefix="tag")
