"""Deploys a CDK app or a template into a local cloud from Python, without the CDK CLI.

A deployment by the CLI has two steps: publish the assets in the manifest, then execute a change
set. Reference: https://github.com/aws/aws-cdk (cloud assembly schema), read as a format.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError, WaiterError

# CloudFormation accepts a longer template by its URL in S3 only.
_INLINE_BYTES = 51_200
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_BOOTSTRAP_VERSION = "30"


class DeploymentError(RuntimeError):
    """A stack operation failed; the text contains the reasons of the failed resources."""


class _Clients(Protocol):
    region: str

    def client(self, service: str) -> Any:
        """A boto3 client."""
        ...


def deploy_app(
    cloud: _Clients, app: Any, *, parameters: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Synthesize a CDK ``App`` and deploy all its stacks; returns outputs by stack name."""
    return deploy_assembly(cloud, Path(app.synth().directory), parameters=parameters)


def deploy_assembly(
    cloud: _Clients, directory: Path, *, parameters: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Deploy every stack of a cloud assembly (``cdk.out``) in the order of its dependencies."""
    manifest = json.loads((directory / "manifest.json").read_text())["artifacts"]
    stacks = {n: a for n, a in manifest.items() if a["type"] == "aws:cloudformation:stack"}
    account = cloud.client("sts").get_caller_identity()["Account"]
    outputs: dict[str, dict[str, str]] = {}
    for name in _in_order(stacks):
        _publish(cloud, directory, manifest, stacks[name], account)
        template = (directory / stacks[name]["properties"]["templateFile"]).read_text()
        stack_name = stacks[name]["properties"].get("stackName", name)
        outputs[stack_name] = deploy_template(cloud, stack_name, template, parameters=parameters)
    return outputs


def deploy_template(
    cloud: _Clients, stack_name: str, template: str | Mapping[str, Any], *,
    parameters: Mapping[str, str] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Create or update one stack and wait for it; returns its outputs.

    Raises :class:`DeploymentError` with the reasons of every failed resource, and botocore's
    ``ClientError`` with the whole list if the template itself is refused.
    """
    cloudformation = cloud.client("cloudformation")
    body = template if isinstance(template, str) else json.dumps(template)
    kind = "UPDATE" if _exists(cloudformation, stack_name) else "CREATE"
    change_set = cloudformation.create_change_set(
        StackName=stack_name, ChangeSetName=f"deploy-{kind.lower()}", ChangeSetType=kind,
        **_placed(cloud, body), Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": k, "ParameterValue": v} for k, v in dict(parameters or {}).items()
        ],
    )  # fmt: skip
    described = cloudformation.describe_change_set(ChangeSetName=change_set["Id"])
    if described["Status"] == "FAILED":
        cloudformation.delete_change_set(ChangeSetName=change_set["Id"])
        if "didn't contain changes" in described["StatusReason"]:
            return outputs_of(cloudformation, stack_name)
        raise DeploymentError(f"{stack_name}: {described['StatusReason']}")
    cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
    waiter = cloudformation.get_waiter(f"stack_{kind.lower()}_complete")
    try:
        waiter.wait(StackName=stack_name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 12_000})
    except WaiterError as error:
        raise DeploymentError(_reasons(cloudformation, stack_name)) from error
    return outputs_of(cloudformation, stack_name)


def _placed(cloud: _Clients, body: str) -> dict[str, str]:
    """The template for CloudFormation: in the request, or at the CDK CLI's place in S3."""
    content = body.encode()
    if len(content) <= _INLINE_BYTES:
        return {"TemplateBody": body}
    account = cloud.client("sts").get_caller_identity()["Account"]
    bucket, key = f"cdk-hnb659fds-assets-{account}-{cloud.region}", _digest(content)
    s3 = cloud.client("s3")
    _ensure_bucket(s3, bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    return {"TemplateURL": f"https://s3.{cloud.region}.amazonaws.com/{bucket}/{key}"}


def _digest(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}.json"


def destroy(cloud: _Clients, stack_name: str) -> None:
    """Delete a stack and wait for the end of the deletion."""
    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName=stack_name)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    try:
        waiter.wait(StackName=stack_name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 12_000})
    except WaiterError as error:
        raise DeploymentError(_reasons(cloudformation, stack_name)) from error


def outputs_of(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """A stack's outputs by key."""
    (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def _in_order(stacks: Mapping[str, Any]) -> list[str]:
    ordered: list[str] = []

    def visit(name: str) -> None:
        for dependency in stacks[name].get("dependencies", []):
            if dependency in stacks:
                visit(dependency)
        if name not in ordered:
            ordered.append(name)

    for name in stacks:
        visit(name)
    return ordered


def _publish(
    cloud: _Clients, directory: Path, manifest: Mapping[str, Any], stack: Mapping[str, Any],
    account: str,
) -> None:  # fmt: skip
    files = [
        manifest[d]["properties"]["file"]
        for d in stack.get("dependencies", [])
        if manifest[d]["type"] == "cdk:asset-manifest"
    ]
    if files:
        _set_bootstrap_version(cloud)
    for file in files:
        assets = json.loads((directory / file).read_text())
        if assets.get("dockerImages"):
            raise DeploymentError(f"{file} lists image assets; the local cloud cannot build images")
        for asset in assets["files"].values():
            content = _content(directory, asset["source"])
            for destination in asset["destinations"].values():
                bucket, key = (
                    destination[m]
                    .replace("${AWS::AccountId}", account)
                    .replace("${AWS::Region}", cloud.region)
                    .replace("${AWS::Partition}", "aws")
                    for m in ("bucketName", "objectKey")
                )
                s3 = cloud.client("s3")
                _ensure_bucket(s3, bucket)
                s3.put_object(Bucket=bucket, Key=key, Body=content)


def _content(directory: Path, source: Mapping[str, str]) -> bytes:
    path = directory / source["path"]
    if source.get("packaging", "file") == "file":
        return path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(path)), _ZIP_EPOCH)
            entry.external_attr = (file.stat().st_mode & 0xFFFF) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return packed.getvalue()


def _ensure_bucket(s3: Any, bucket: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        s3.create_bucket(Bucket=bucket)


def _set_bootstrap_version(cloud: _Clients) -> None:
    ssm = cloud.client("ssm")
    name = "/cdk-bootstrap/hnb659fds/version"
    try:
        ssm.get_parameter(Name=name)
    except ClientError:
        ssm.put_parameter(Name=name, Value=_BOOTSTRAP_VERSION, Type="String")


def _exists(cloudformation: Any, stack_name: str) -> bool:
    try:
        (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError:
        return False
    return bool(stack["StackStatus"] not in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"))


def _reasons(cloudformation: Any, stack_name: str) -> str:
    try:
        # A long rollback fills the first page: the failure is on a later one.
        pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_name)
        events = [event for page in pages for event in page["StackEvents"]]
    except ClientError as error:
        return f"{stack_name}: {error}"
    failed = [
        f"{e['LogicalResourceId']} ({e['ResourceType']}): {e.get('ResourceStatusReason', '')}"
        for e in events
        if e["ResourceStatus"].endswith("_FAILED")
    ]
    return f"{stack_name} failed: " + "; ".join(failed or [events[0]["ResourceStatus"]])
