"""Experiments that settle what only an account can show, each torn down whatever happens.

An experiment has a statement of this project, which a line of ``docs/limits.md`` calls not
verified, and requests whose answers confirm or refute it. They are small: the dearest trains on one
instance for a few minutes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sageloop.waiting import WaitTimeoutError, until
from scripts.integ_account import Account

PREFIX = "sageloop-integ"
# AWS documents that IAM's changes become visible everywhere after a delay, usually of seconds:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
IAM_DELAY = 120.0
_UNAUTHORIZED = "not authorized"
_DENIALS = frozenset(
    ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
)


class Result(StrEnum):
    """What an experiment found out about its statement."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of an experiment, with what was observed."""

    result: Result
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment.

    Attributes:
        name: Name on the command line and in the report.
        statement: What this project expects of AWS.
        limit: Text of the line of ``docs/limits.md`` that the experiment settles.
        calls: The calls that it makes.
        cost: What it costs, at list prices.
        tear_down: What is deleted, and what remains.
        run: Makes the calls on a bench.

    """

    name: str
    statement: str
    limit: str
    calls: str
    cost: str
    tear_down: str
    run: Callable[[Bench], Finding]


class Bench:
    """Resources of one experiment in an account; what is made is registered for deletion."""

    def __init__(self, account: Account, stack: ExitStack) -> None:
        self.account, self._stack = account, stack
        self.suffix = secrets.token_hex(4)
        self.partition = account.caller.split(":")[1]
        self.not_deleted: list[str] = []

    def name(self, kind: str) -> str:
        """A name of this run."""
        return f"{PREFIX}-{kind}-{self.suffix}"

    def arn(self, service: str, resource: str) -> str:
        """An ARN in the account and region."""
        return (
            f"arn:{self.partition}:{service}:{self.account.region}:{self.account.number}:{resource}"
        )

    def client(self, service: str) -> Any:
        """A client with the user's credentials."""
        return self.account.client(service)

    def delete_later(self, what: str, call: Callable[..., Any], **arguments: Any) -> None:
        """Register a deletion; one that fails is reported and does not prevent the others."""

        def delete() -> None:
            try:
                call(**arguments)
            except (BotoCoreError, ClientError, WaitTimeoutError) as error:
                self.not_deleted.append(f"{what}: {error}")

        self._stack.callback(delete)

    def role(self, kind: str, trust: dict[str, Any], *statements: dict[str, Any]) -> str:
        """A role with one inline policy; returns its ARN."""
        iam, name = self.client("iam"), self.name(kind)
        trusted = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trusted))
        self.delete_later(f"role {name}", iam.delete_role, RoleName=name)
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        self.delete_later(
            f"policy of {name}", iam.delete_role_policy, RoleName=name, PolicyName="own"
        )
        return str(made["Role"]["Arn"])

    def caller(self, kind: str, *statements: dict[str, Any]) -> Callable[[str], Any]:
        """Clients of a new role of this account, that the user assumes."""
        root = {"AWS": f"arn:{self.partition}:iam::{self.account.number}:root"}
        role, sts = self.role(kind, root, *statements), self.client("sts")

        def assume() -> Any:
            try:
                return sts.assume_role(RoleArn=role, RoleSessionName="integ")["Credentials"]
            except ClientError as error:
                if not is_denial(error):
                    raise
                return None

        credentials = until(f"the role {role}", assume, seconds=IAM_DELAY)

        def client(service: str) -> Any:
            return boto3.client(
                service, region_name=self.account.region,
                endpoint_url=self.client(service).meta.endpoint_url,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            )  # fmt: skip

        return client

    def key(self, *statements: dict[str, Any]) -> str:
        """A KMS key that the account's policies govern, with further statements; its ARN."""
        kms = self.client("kms")
        root = {"AWS": f"arn:{self.partition}:iam::{self.account.number}:root"}
        own = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
        made = kms.create_key(
            Description=f"{PREFIX} {self.suffix}", Policy=document(own, *statements)
        )["KeyMetadata"]
        self.delete_later(
            f"key {made['KeyId']}", kms.schedule_key_deletion,
            KeyId=made["KeyId"], PendingWindowInDays=7,
        )  # fmt: skip
        return str(made["Arn"])

    def bucket(self) -> str:
        """An empty bucket, which is emptied and deleted."""
        s3, name = self.client("s3"), self.name("data")
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.account.region}}
        s3.create_bucket(Bucket=name, **({} if self.account.region == "us-east-1" else place))
        self.delete_later(f"bucket {name}", self._delete_bucket, name=name)
        return name

    def _delete_bucket(self, name: str) -> None:
        s3 = self.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            for each in page.get("Contents", []):
                s3.delete_object(Bucket=name, Key=each["Key"])
        s3.delete_bucket(Bucket=name)

    def settled(self, what: str, call: Callable[[], Any]) -> Any:
        """Repeat a call that a new role's missing visibility may deny, for IAM's delay at most.

        Returns:
            The answer, or the last ``ClientError`` if the call is still denied.

        """
        last: list[ClientError] = []

        def observe() -> Any:
            try:
                return [call()]
            except ClientError as error:
                # SageMaker refuses a role that it cannot assume, or that lacks a right, as invalid.
                refused = "assume" in str(error) or _UNAUTHORIZED in str(error)
                if not is_denial(error) and not refused:
                    raise
                last[:] = [error]
                return None

        try:
            (answer,) = until(what, observe, seconds=1 if self.account.local else IAM_DELAY)
        except WaitTimeoutError:
            return last[0]
        return answer


@contextmanager
def bench_of(account: Account) -> Iterator[Bench]:
    """A bench whose resources are deleted at the end, the last ones first."""
    with ExitStack() as stack:
        yield Bench(account, stack)


def run_all(
    account: Account, experiments: Sequence[Experiment], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Run experiments one after the other; none prevents the next.

    Returns:
        For each: name, statement, line of the limits, result, what was observed, what remains.

    """
    report: list[dict[str, Any]] = []
    for each in experiments:
        say(f"\n{each.name}: {each.statement}")
        with bench_of(account) as bench:
            finding = _finding(each, bench)
        for line in bench.not_deleted:
            say(f"NOT DELETED: {line}")
        say(f"{finding.result}: {finding.observed}")
        report.append({
            "name": each.name, "statement": each.statement, "limit": each.limit,
            "result": str(finding.result), "observed": finding.observed,
            "not_deleted": bench.not_deleted,
        })  # fmt: skip
    return report


def _finding(experiment: Experiment, bench: Bench) -> Finding:
    try:
        return experiment.run(bench)
    except (BotoCoreError, ClientError, WaitTimeoutError) as error:
        return Finding(result=Result.NOT_RUN, observed=f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        return Finding(result=Result.NOT_RUN, observed="interrupted")


def plan(experiments: Sequence[Experiment]) -> str:
    """What the experiments expect, call, cost and delete, as text."""
    lines = ["Experiments, before anything is deployed:"]
    for number, each in enumerate(experiments, 1):
        lines += [
            "", f"{number}. {each.name}", f"   expects    {each.statement}",
            f"   settles    docs/limits.md: {each.limit}", f"   calls      {each.calls}",
            f"   costs      {each.cost}", f"   deletes    {each.tear_down}",
        ]  # fmt: skip
    return "\n".join(lines)


def document(*statements: dict[str, Any]) -> str:
    """A policy document as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | list[str], resource: str | list[str], **conditions: Any) -> dict[str, Any]:
    """An Allow statement; conditions by operator."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": conditions} if conditions else {})


def is_denial(error: Any) -> bool:
    """Whether an error is a denial of access."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _DENIALS
