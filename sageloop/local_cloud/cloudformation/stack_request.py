"""Parses and validates stack requests: template, parameters, tags and capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.attribute_checks import check_attributes
from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.deployment import Blueprint
from sageloop.local_cloud.cloudformation.errors import invalid, refused
from sageloop.local_cloud.cloudformation.parameters import resolve_parameters
from sageloop.local_cloud.cloudformation.plain_parameters import PlainParameters
from sageloop.local_cloud.cloudformation.state import DesiredState, Stack
from sageloop.local_cloud.cloudformation.template import (
    MAX_BODY_BYTES,
    MAX_STORED_BYTES,
    Template,
    parse_template,
)
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call

_IAM_NAMES = {
    "AWS::IAM::AccessKey": "",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": "",
}


def requested_template(context: Context, call: Call, stack: Stack | None = None) -> Template:
    """The template of a request: its body, its URL, or the stack's current template.

    Raises:
        AwsError: None or more than one is passed, or it cannot be read.

    """
    body, url = call.params.get("TemplateBody"), call.params.get("TemplateURL")
    previous = call.params.get("UsePreviousTemplate") is True
    if sum((body is not None, url is not None, previous)) != 1:
        raise invalid("Either Template URL or Template Body must be specified.")
    if previous:
        if stack is None or not stack.desired.template.body:
            raise invalid("UsePreviousTemplate needs a stack that has a template")
        return stack.desired.template
    text = body if body is not None else _from_url(context, call, str(url))
    size = len(text.encode())
    if body is not None and size > MAX_BODY_BYTES:
        # AWS repeats the whole template before "at"; the rest is AWS's text.
        raise invalid(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_BODY_BYTES}, got {size}"
        )
    if size > MAX_STORED_BYTES:
        raise invalid(f"Template may not exceed {MAX_STORED_BYTES} bytes in size, got {size}")
    template = parse_template(text)
    check_attributes(template, context.schema_of)
    return template


def requested_blueprint(context: Context, call: Call, stack: Stack) -> Blueprint:
    """What a request makes of a stack, after every check that precedes the first creation.

    Raises:
        AwsError: The template, a parameter or another member of the request is not allowed.

    """
    template = requested_template(context, call, stack)
    plain = plain_parameters(context, call, stack)
    desired = desired_state(call, stack, template, plain)
    return validated_blueprint(context, stack, desired, plain)


def desired_state(
    call: Call, stack: Stack, template: Template, plain: PlainParameters
) -> DesiredState:
    """The desired state of a stack by a request."""
    declared = template.section("Parameters")
    requested = call.params.get("Parameters") or []
    parameters = resolve_parameters(
        declared, requested, previous=stack.desired.parameters,
        fetch_ssm=plain.find,
    )  # fmt: skip
    new_tags = call.params.get("Tags")
    tags = (
        dict(stack.desired.tags)
        if new_tags is None
        else {tag["Key"]: tag["Value"] for tag in new_tags}
    )
    capabilities = tuple(call.params.get("Capabilities") or ())
    return DesiredState(
        template=template, parameters=parameters, tags=tags, capabilities=capabilities
    )


def plain_parameters(
    context: Context, call: Call, stack: Stack, role_arn: str | None = None
) -> PlainParameters:
    """Systems Manager's parameters, read as the role of the request or stack, else its caller."""
    role = role_arn or call.params.get("RoleARN") or stack.role_arn
    return context.plain_parameters(
        role or call.principal, stack.region, via="" if role else "cloudformation.amazonaws.com"
    )


def validated_blueprint(
    context: Context, stack: Stack, desired: DesiredState, plain: PlainParameters
) -> Blueprint:
    """A blueprint that has passed every check that precedes the first creation.

    Raises:
        AwsError: Something is unsupported, a rule fails, or a capability is missing.

    """
    blueprint = Blueprint(context, stack, desired, plain)
    context.preflight(desired.template, blueprint.resources)
    _check_rules(blueprint)
    _check_capabilities(blueprint)
    return blueprint


def needed_capabilities(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The capability that a template's IAM resources require, or ``None``."""
    iam = [r for r in resources.values() if r.get("Type") in _IAM_NAMES]
    if not iam:
        return []
    named = any(_IAM_NAMES[r["Type"]] in (r.get("Properties") or {}) for r in iam)
    return ["CAPABILITY_NAMED_IAM"] if named else ["CAPABILITY_IAM"]


def refuse_unsupported_members(params: Mapping[str, Any]) -> None:
    """Refuse, by name, request members that the local cloud does not support.

    ``ImportExistingResources`` is accepted, because the CDK's bootstrap always sends it: nothing
    is imported, and the creation of a resource that exists already fails.
    """
    unsupported = {
        "ResourcesToImport": bool(params.get("ResourcesToImport")),
        "NotificationARNs": bool(params.get("NotificationARNs")),
        "RollbackConfiguration.RollbackTriggers": bool(
            (params.get("RollbackConfiguration") or {}).get("RollbackTriggers")
        ),
        "ChangeSetType IMPORT": params.get("ChangeSetType") == "IMPORT",
        "DeploymentMode REVERT_DRIFT": params.get("DeploymentMode") == "REVERT_DRIFT",
        "DeploymentConfig.Mode EXPRESS": (params.get("DeploymentConfig") or {}).get("Mode")
        == "EXPRESS",
        "ResourceTypes": bool(params.get("ResourceTypes")),
        "StackPolicyURL": bool(params.get("StackPolicyURL")),
    }
    for name, is_requested in unsupported.items():
        if is_requested:
            raise refused(name)


def _from_url(context: Context, call: Call, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise invalid(f"TemplateURL must be an http or https URL of an S3 object, got {url}")
    path = unquote(parts.path).lstrip("/")
    bucket, _, key = path.partition("/")
    host = parts.hostname or ""
    if ".s3." in host or ".s3-" in host:
        bucket, key = host.partition(".s3")[0], path
    version = parse_qs(parts.query).get("versionId")
    location = {"Bucket": bucket, "Key": key} | ({"VersionId": version[0]} if version else {})
    s3 = context.cloud.client("s3", principal=call.principal, region=call.region)
    try:
        # One byte more than the limit shows that the template is too large.
        return str(s3.get_object(**location)["Body"].read(MAX_STORED_BYTES + 1).decode())
    except UnicodeDecodeError as error:
        raise invalid(f"Template format error: the template is not UTF-8 ({url})") from error
    except ClientError as error:
        raise invalid(f"S3 error: {error.response['Error'].get('Message')} ({url})") from error


def _check_rules(blueprint: Blueprint) -> None:
    for name, rule in blueprint.desired.template.section("Rules").items():
        condition = rule.get("RuleCondition")
        if condition is not None and not blueprint.bare.evaluate(condition):
            continue
        for assertion in rule.get("Assertions", []):
            if not blueprint.bare.evaluate(assertion["Assert"]):
                description = assertion.get("AssertDescription", "an assertion is not true")
                raise invalid(f"Template error: Rule {name} failed: {description}")


def _check_capabilities(blueprint: Blueprint) -> None:
    acknowledged = set(blueprint.desired.capabilities)
    for needed in needed_capabilities(blueprint.resources):
        enough = {needed, "CAPABILITY_NAMED_IAM"}
        if not enough & acknowledged:
            raise AwsError(
                "InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]"
            )
