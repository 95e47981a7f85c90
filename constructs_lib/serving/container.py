"""Container definition of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.checks import Checks
from .._private.repositories import repository_arn_of
from ..training.custom import CustomImage
from ..training.images import AlgorithmImage
from .artifact import ModelArtifact
from .inference_code import InferenceCode

_ENVIRONMENT = 100
_LENGTH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContainer:
    """Image, artifact and environment of a container.

    Attributes:
        image: An AWS image (``AlgorithmImage.find``), a ``CustomImage`` or a URI; ``None`` for a
            model package, which has its image.
        artifact: Artifact of the model; ``None`` for an image that contains the model.
        code: Inference code for a framework image.
        environment: Environment variables, at most 100.
        hostname: Name of the container, for ``TargetContainerHostname``.
        multi_model: Whether the artifact is a prefix with one archive for each model.
        cache: Whether a multi-model container caches models; ``True`` by default.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html

    Example:
        >>> image = AlgorithmImage.find(stack, "pytorch-inference", "2.6")
        >>> ModelContainer(image=image, artifact=ModelArtifact.from_folder("models/digits"),
        ...                code=InferenceCode(folder="src/digits"))

    """

    image: AlgorithmImage | CustomImage | str | None = None
    artifact: ModelArtifact | None = None
    code: InferenceCode | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    hostname: str | None = None
    multi_model: bool = False
    cache: bool | None = None

    @property
    def uri(self) -> str | None:
        """Address of the image."""
        if isinstance(self.image, AlgorithmImage | CustomImage):
            return self.image.uri
        return self.image

    @property
    def repository_arn(self) -> str:
        """The image's repository; empty if unknown."""
        if isinstance(self.image, AlgorithmImage | CustomImage) and self.image.repository_arn:
            return self.image.repository_arn
        return repository_arn_of(self.uri or "")

    def check(self, check: Checks, *, isolated: bool) -> None:
        """Refuse values that SageMaker does not accept."""
        package = self.artifact is not None and self.artifact.is_package
        if package and self.image is not None:
            check.refuse("ImageTwice", "a model package brings its image: leave image out, got "
                         f"{self.uri!r}")  # fmt: skip
        if not package:
            if self.uri is None:
                check.refuse("ImageMissing", "a container needs an image, or the artifact of a "
                             "model package")  # fmt: skip
            else:
                check.matches("container.image", self.uri, r"\S+", 255)
        if self.hostname is not None:
            check.name("container.hostname", self.hostname)
        self._check_environment(check)
        self._check_many(check)
        if self.code is not None:
            folder = self.artifact is not None and self.artifact.is_folder
            self.code.check(check, isolated=isolated, packable=folder)

    def _check_environment(self, check: Checks) -> None:
        if len(self.environment) > _ENVIRONMENT:
            check.refuse("ValueOutOfRange", f"container.environment must have at most "
                         f"{_ENVIRONMENT} variables, got {len(self.environment)}")  # fmt: skip
        for name, value in self.environment.items():
            check.matches("container.environment", name, r"[a-zA-Z_][a-zA-Z0-9_]*", _LENGTH)
            check.matches(f"container.environment.{name}", value, r"[\s\S]*", _LENGTH)

    def _check_many(self, check: Checks) -> None:
        if not self.multi_model:
            if self.cache is not None:
                check.refuse("ValueNotAllowed", "container.cache is for multi_model=True")
            return
        if self.artifact is None or self.artifact.is_folder or self.artifact.is_package:
            check.refuse("ArtifactNotAllowed", "a multi-model container needs a prefix of "
                         "archives: ModelArtifact.from_store(store, 'models/')")  # fmt: skip
        elif not self.artifact.is_prefix:
            check.refuse("ArtifactNotAllowed", "a multi-model container's artifact must be a "
                         "prefix ending in '/', got one archive")  # fmt: skip

    def bind(self, scope: Construct) -> tuple[dict[str, Any], list[iam.PolicyStatement]]:
        """A ``ContainerDefinition``, and the statements that its role needs."""
        packed = self.artifact is not None and self.artifact.is_folder
        container: dict[str, Any] = {} if self.uri is None else {"Image": self.uri}
        statements: list[iam.PolicyStatement] = []
        environment = dict(self.environment)
        if self.artifact is not None:
            code = self.code.files() if self.code is not None and packed else ()
            bound = self.artifact.bind(scope, multi_model=self.multi_model, code=code)
            container |= bound.container
            statements += bound.statements
        if self.code is not None:
            environment = self.code.environment(scope, packed=packed) | environment
            statements += [] if packed else self.code.statements(scope)
        container |= {} if self.hostname is None else {"ContainerHostname": self.hostname}
        container |= {"Environment": environment} if environment else {}
        return container | self._many(), statements

    def _many(self) -> dict[str, Any]:
        if not self.multi_model:
            return {}
        if self.cache is None:
            return {"Mode": "MultiModel"}
        setting = "Enabled" if self.cache else "Disabled"
        return {"Mode": "MultiModel", "MultiModelConfig": {"ModelCacheSetting": setting}}
