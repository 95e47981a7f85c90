"""Custom images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.checks import Checks, known, text_of
from .._private.repositories import repository_arn_of
from .algorithm import Algorithm, Program, SpecifiedJob
from .images import AlgorithmImage
from .script import check_source, check_values, encoded, script_program
from .source import SourceCode

_LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomImage(Algorithm):
    """A custom image, in Amazon ECR or a registry that SageMaker can access.

    Attributes:
        uri: URI of the image.
        repository_arn: ARN of its ECR repository, for the permissions of the job's role.
        hyperparameters: Hyperparameters; values other than strings are encoded as JSON, and
            all values with a ``source``.
        source: Code for an image that has SageMaker's training toolkit; none by default. A
            ``RetrainingLoop`` does not support jobs with a source.
        entrypoint: Entry point in place of that of the image, 1 to 100 items.
        arguments: Arguments of the entry point, 1 to 100.

    Raises:
        ConfigurationError: If the URI is empty or too long, or a hyperparameter cannot be encoded.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html

    Example:
        >>> CustomImage(uri="111122223333.dkr.ecr.eu-west-1.amazonaws.com/mine:1",
        ...             entrypoint=["python3", "/app/train.py"])

    """

    uri: str
    repository_arn: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    source: SourceCode | None = None
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the image, the hyperparameters and the command line."""
        with Checks("CustomImage") as check:
            check.matches("uri", self.uri, r"\S+", 255)
            check_values(check, self.hyperparameters)
            for label, words in (("entrypoint", self.entrypoint), ("arguments", self.arguments)):
                if isinstance(words, str):
                    check.refuse("TypeNotAllowed", f"{label} must be a list, got {words!r}")
                    continue
                if len(words) > 100:
                    check.refuse("ValueOutOfRange", f"{label} must be 1 to 100, got {len(words)}")
                for word in words:
                    check.matches(label, word, r"[\s\S]*", _LIMIT)

    @classmethod
    def from_repository(
        cls, repository: ecr.IRepository, *, tag: str = "latest", **options: Any
    ) -> CustomImage:
        """An image of an ECR repository; options are the attributes."""
        uri = repository.repository_uri_for_tag(tag)
        return cls(uri=uri, repository_arn=repository.repository_arn, **options)

    @classmethod
    def from_asset(
        cls, scope: Construct, construct_id: str, *, folder: str, **options: Any
    ) -> CustomImage:
        """An image that is built from a folder with a ``Dockerfile`` at deployment.

        Args:
            scope: Parent of the asset.
            construct_id: Id of the asset among its siblings.
            folder: The folder; building needs Docker on the deploying machine.
            options: The attributes.

        """
        asset = ecr_assets.DockerImageAsset(scope, construct_id, directory=folder)
        return cls(uri=asset.image_uri, repository_arn=asset.repository.repository_arn, **options)

    @property
    def serves(self) -> bool:
        """Whether the image can serve the artifact; one with a source cannot."""
        return self.source is None

    def image(self, scope: Construct, instance_type: str | None = None) -> AlgorithmImage:
        """The image."""
        del scope, instance_type
        arn = self.repository_arn or repository_arn_of(self.uri)
        return AlgorithmImage(uri=self.uri, repository_arn=arn)

    def program(self, scope: Construct, *, isolated: bool, instance_type: str = "") -> Program:
        """The hyperparameters, and the command, if it is configured."""
        del instance_type
        own = self.hyperparameters
        if self.source is not None:
            made = script_program(scope, self.source, own, isolated=isolated)
            hyperparameters, channels = made.hyperparameters, made.channels
        else:
            hyperparameters = {name: _plain(own[name]) for name in sorted(own)}
            channels = ()
        return Program(
            hyperparameters=hyperparameters, channels=channels, entrypoint=self.entrypoint,
            arguments=self.arguments,
        )  # fmt: skip

    def check(self, check: Checks, job: SpecifiedJob) -> None:
        """Refuse requirements that an isolated container cannot install."""
        if self.source is not None:
            check_source(check, self.source, isolated=job.network_isolation)

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements to read the code's archive, if there is one."""
        return [] if self.source is None else self.source.statements(scope)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not known(value):
        return text_of(value)
    return encoded(value)
