"""The reason of each wildcard in the resources of a policy.

For ``*`` the reason is that of the actions: the Service Authorization Reference lists no resource
for them, or the reason names what narrows them. Other wildcards end a name or a key.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

from collections.abc import Sequence

_INTERFACES = (
    "Lambda places the function's network interfaces, whose ids are unknown before; a Deny with "
    "lambda:SourceFunctionArn keeps the function's code from them"
)
_DESCRIBE_NETWORK = (
    "EC2 authorizes descriptions of network interfaces, subnets, groups, VPCs and DHCP options on "
    "no resource"
)
_DESCRIBE_SCALING = "Application Auto Scaling authorizes its Describe actions on no resource"
_LIST_SAGEMAKER = "SageMaker authorizes List actions on no resource"
_TRACES = "X-Ray authorizes the upload of traces on no resource"

_JOBS = "names of jobs begin with the job's prefix and end in a digest"

_OF_ACTIONS = {
    "application-autoscaling:DescribeScalableTargets": _DESCRIBE_SCALING,
    "application-autoscaling:DescribeScalingPolicies": _DESCRIBE_SCALING,
    "application-autoscaling:DescribeScheduledActions": _DESCRIBE_SCALING,
    "cloudwatch:DescribeAlarms": "with a narrower resource CloudWatch returns no composite alarms",
    "cloudwatch:GetMetricStatistics": "CloudWatch authorizes reading metrics on no resource",
    "cloudwatch:PutMetricData": (
        "CloudWatch authorizes metrics on no resource; a condition allows the named namespaces only"
    ),
    "ec2:AssignPrivateIpAddresses": _INTERFACES,
    "ec2:CreateNetworkInterface": _INTERFACES,
    "ec2:DeleteNetworkInterface": _INTERFACES,
    "ec2:DescribeDhcpOptions": _DESCRIBE_NETWORK,
    "ec2:DescribeNetworkInterfaces": _DESCRIBE_NETWORK,
    "ec2:DescribeSecurityGroups": _DESCRIBE_NETWORK,
    "ec2:DescribeSubnets": _DESCRIBE_NETWORK,
    "ec2:DescribeVpcs": _DESCRIBE_NETWORK,
    "ec2:UnassignPrivateIpAddresses": _INTERFACES,
    "ecr:GetAuthorizationToken": "ECR authorizes its authorization token on no resource",
    "sagemaker:ListEndpointConfigs": _LIST_SAGEMAKER,
    "sagemaker:ListHyperParameterTuningJobs": _LIST_SAGEMAKER,
    "sagemaker:ListModels": _LIST_SAGEMAKER,
    "sagemaker:ListProcessingJobs": _LIST_SAGEMAKER,
    "sagemaker:ListTrainingJobs": _LIST_SAGEMAKER,
    "sagemaker:ListTransformJobs": _LIST_SAGEMAKER,
    "xray:PutTelemetryRecords": _TRACES,
    "xray:PutTraceSegments": _TRACES,
}
# By a part of the resource; the first that the resource contains.
_OF_RESOURCES = {
    ":network-interface/": "the ids of interfaces that SageMaker creates for a job are unknown",
    ":security-group/": "each job or model of the role names its security groups",
    ":subnet/": "each job or model of the role names its subnets",
    ":scalable-target/": (
        "ids of scalable targets are generated; a condition allows SageMaker's targets only"
    ),
    ":alarm:TargetTracking-": (
        "Application Auto Scaling appends generated ids to the names of the endpoint's alarms"
    ),
    ":alarm:": "the wildcard ends the name prefix of the endpoint's scaling alarms",
    ":log-stream:": "SageMaker names the log streams of its jobs and instances",
    ":log-group:": "a role may serve several endpoints, whose log groups end in their names",
    ":model-package-group/": "names of model package groups end in an id of their stack",
    ":model-package/": "the name of the group ends in an id of its stack, and versions are numbers",
    ":training-job/": _JOBS,
    ":processing-job/": _JOBS,
    ":transform-job/": _JOBS,
    ":hyper-parameter-tuning-job/": _JOBS,
    ":endpoint-config/*": "configurations of an endpoint of the app have names of their own",
    ":endpoint-config/": "names of configurations begin with the endpoint's and end in a digest",
    ":model/": "names of models begin with the endpoint's and end in a digest",
}
_OBJECTS = "the wildcard ends the key prefix of the objects"
OF_THE_APP = "the app that uses the library grants this wildcard"
"""The reason of a wildcard that no statement of the library has."""


def reason_of(actions: Sequence[str], resource: str) -> str:
    """Why a statement's resource has a wildcard.

    Args:
        actions: Actions of the statement.
        resource: Flat text of the resource, with the wildcard.

    """
    if resource == "*":
        reasons = dict.fromkeys(_OF_ACTIONS.get(action, OF_THE_APP) for action in actions)
        return "; ".join(reasons)
    if all(action.startswith("s3:") for action in actions):
        return _OBJECTS
    parts = (reason for part, reason in _OF_RESOURCES.items() if part in resource)
    return next(parts, OF_THE_APP)
