"""The S3 calls of the deployed loop: callers, actions and headers.

Actions of functions are those of ``lambda/permissions.json``; keys and headers of jobs and models
are those of the documents in the templates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.synthesis import ROOT
from tests.security.checks.access import Caller, Stacks
from tests.security.checks.flatten import as_list
from tests.security.checks.uploads import ENCRYPTION, KEY_ID

_HASH = "0123456789ab"
_DAY = "dt=2026-11-30/rows.csv"
_LISTED = "s3:prefix"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to S3."""

    label: str
    caller: Caller
    action: str
    bucket: str
    key: str | None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Prefixes of the bucket, from the documents of the templates."""

    data: str
    manifest: str
    models: str
    capture: str
    ground_truth: str


class Loop:
    """The loop of an app's templates."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks
        self.job = self._document("Custom::TrainingJob")
        self.serving = self._document("Custom::ChampionEndpoint")
        names = {self._bucket_name(bucket): bucket for bucket in stacks.named("AWS::S3::Bucket")}
        self.store = names[str(self.job["data"]["bucket"])]
        self.logs = next(bucket for bucket in names.values() if bucket != self.store)
        self.key = str(stacks.combined.named(self._default_key(), self.store))
        self.places = self._places()

    def functions(self) -> dict[str, str]:
        """Functions by the folder of their code, from the description of their security group."""
        result = {}
        for name, function in self.stacks.combined.of("AWS::Lambda::Function"):
            group = self.stacks.combined.named(function["VpcConfig"]["SecurityGroupIds"][0], name)
            assert group is not None
            described = str(self.stacks.combined.flat[group]["GroupDescription"])
            result[described.removeprefix("Function ")] = name
        return result

    def calls(self) -> Iterator[Call]:
        """Every call of functions, jobs, models and the notebook."""
        yield from self._of_functions()
        places = self.places
        yield from self._of_role(
            "training job", self.job["request"]["RoleArn"],
            reads=[places.manifest, f"{places.data}{_DAY}", self._run("train")],
            lists=[places.data], writes=[f"{places.models}{self.run}/output/model.tar.gz"],
            output=self.job["request"]["OutputDataConfig"],
        )  # fmt: skip
        yield from self._of_role(
            "model", self.serving["model"]["ExecutionRoleArn"],
            reads=[f"{places.models}{self.run}/output/model.tar.gz"], lists=[places.models],
            writes=[f"{places.capture}{self.serving['endpoint_name']}/AllTraffic/2026/11/30/12/0.jsonl"],
            output=self.serving["config"]["DataCaptureConfig"],
        )  # fmt: skip
        yield from self._of_role(
            "notebook", self._notebook_role(), reads=[f"{places.data}{_DAY}"], lists=[places.data]
        )

    def outputs(self) -> list[Mapping[str, Any]]:
        """Every part of a request with an output location of SageMaker."""
        return [output for document in (self.job, self.serving) for output in _outputs(document)]

    def _of_functions(self) -> Iterator[Call]:
        keys = self.function_keys()
        for folder, name in self.functions().items():
            role = self.stacks.combined.named(self.stacks.combined.flat[name]["Role"], name)
            assert role is not None
            for action, texts in keys.get(folder, {}).items():
                for text in texts:
                    yield self._call(folder, self.stacks.role(role), action, text)

    @property
    def run(self) -> str:
        """The name of a run of the job."""
        return f"{self.job['job']}-{_HASH}"

    def function_keys(self) -> dict[str, dict[str, list[str]]]:
        """Keys, or prefixes of lists, by folder and action."""
        places = self.places
        artifact = f"{places.models}{self.run}/output/model.tar.gz"
        captured = f"{places.capture}{self.serving['endpoint_name']}/"
        ground_truth = f"{places.ground_truth}2026/11/30/12/"
        write = {"s3:ListBucket": [places.data], "s3:PutObject": [self._run("train")]}
        return {
            "start_training": {"s3:GetObject": [places.manifest], **write},
            "job_resource": write,
            "on_job_change": {
                "s3:GetObject": [self._run("validation"), f"{places.data}{_DAY}", artifact],
            },
            "reconcile": {"s3:ListBucket": [artifact]},
            "evaluate": {
                "s3:GetObject": [f"{captured}a.jsonl", f"{ground_truth}a.jsonl"],
                "s3:ListBucket": [captured, ground_truth],
            },
        }  # fmt: skip

    def _of_role(
        self, label: str, arn: str, *, reads: list[str], lists: list[str],
        writes: list[str] | None = None, output: Mapping[str, Any] | None = None,
    ) -> Iterator[Call]:  # fmt: skip
        caller = self.stacks.role(self.stacks.role_named(arn))
        for action, texts in (("s3:GetObject", reads), ("s3:ListBucket", lists)):
            for text in texts:
                yield self._call(label, caller, action, text)
        for key in writes or []:
            # A large object is created with headers; its parts are uploaded without.
            for headers in (_headers(output or {}), {}):
                yield self._call(label, caller, "s3:PutObject", key, headers)

    def _call(
        self, label: str, caller: Caller, action: str, text: str,
        headers: Mapping[str, str] | None = None,
    ) -> Call:  # fmt: skip
        lists = action == "s3:ListBucket"
        return Call(
            label=f"{label}: {action} {text}", caller=caller, action=action, bucket=self.store,
            key=None if lists else text, context={_LISTED: text} if lists else headers or {},
        )  # fmt: skip

    def _run(self, part: str) -> str:
        return f"{self.places.data}runs/{self.run}/{part}.manifest"

    def _places(self) -> Places:
        evaluate = self.functions()["evaluate"]
        environment = self.stacks.combined.flat[evaluate]["Environment"]["Variables"]
        ground_truth = self.stacks.literal(evaluate, environment["GROUND_TRUTH_URI"])
        return Places(
            data=self.job["data"]["prefix"],
            manifest=self.job["data"]["manifest_key"],
            models=_key(self.job["request"]["OutputDataConfig"]["S3OutputPath"]),
            capture=_key(self.serving["config"]["DataCaptureConfig"]["DestinationS3Uri"]),
            ground_truth=_key(ground_truth),
        )

    def _document(self, kind: str) -> dict[str, Any]:
        ((name, properties),) = list(self.stacks.combined.of(kind))
        document: dict[str, Any] = json.loads(self.stacks.literal(name, properties["Document"]))
        return document

    def _bucket_name(self, bucket: str) -> str:
        return self.stacks.arn(bucket).rpartition(":")[2]

    def _default_key(self) -> str:
        encryption = self.stacks.combined.flat[self.store]["BucketEncryption"]
        (rule,) = encryption["ServerSideEncryptionConfiguration"]
        return str(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])

    def _notebook_role(self) -> str:
        ((name, notebook),) = list(self.stacks.combined.of("AWS::SageMaker::NotebookInstance"))
        return str(self.stacks.literal(name, notebook["RoleArn"]))


def actions_of_functions() -> dict[str, set[str]]:
    """The actions of S3 that the code of each function uses."""
    known = json.loads((ROOT / "lambda" / "permissions.json").read_text(encoding="utf-8"))
    result = {}
    for folder, entry in known.items():
        # A retraining loop has a dataset, no channels of another kind.
        used = entry if isinstance(entry, list) else {k: entry[k] for k in entry if k != "channels"}
        parts = [used] if isinstance(used, list) else used.values()
        actions = {each for part in parts for each in as_list(part) if each.startswith("s3:")}
        if actions:
            result[folder] = actions
    return result


def _headers(output: Mapping[str, Any]) -> dict[str, str]:
    """The headers of SageMaker's outputs: SSE-KMS with the key, or with AWS's if it has none."""
    key = output.get("KmsKeyId")
    return {ENCRYPTION: "aws:kms", **({} if key is None else {KEY_ID: str(key)})}


def _outputs(value: Any) -> Iterator[Mapping[str, Any]]:
    """Parts of a document with an output location and a member for a key."""
    if isinstance(value, list):
        for each in value:
            yield from _outputs(each)
    elif isinstance(value, Mapping):
        if value.keys() & {"DestinationS3Uri", "S3OutputPath"}:
            yield value
        for each in value.values():
            yield from _outputs(each)


def _key(uri: str) -> str:
    """The prefix of a URI, with a trailing slash."""
    return uri.removeprefix("s3://").split("/", 1)[1].rstrip("/") + "/"
