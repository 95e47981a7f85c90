"""Inference code of one's own in a framework's image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.checks import Checks
from ..training.script import check_source
from ..training.source import SourceCode

_FOLDER = "/opt/ml/model/code"
_LOG_LEVEL = "20"


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceCode:
    """A folder with the functions ``model_fn``, ``input_fn``, ``predict_fn`` and ``output_fn``.

    In a model without a network the code is packed into the archive of a folder
    (``ModelArtifact.from_folder``); an archive that is already made has to bring its own.

    Attributes:
        folder: The folder.
        entry_point: The script that has the functions, relative to the folder.
        exclude: Patterns in Git's way.

    Raises:
        ConfigurationError: If the folder or the entry point is missing.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/adapt-inference-container.html

    Example:
        >>> InferenceCode(folder="src/digits", entry_point="inference.py")

    """

    folder: str | Path
    entry_point: str = "inference.py"
    exclude: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check what can be known before anything is packed."""
        self._source()

    def check(self, check: Checks, *, isolated: bool, packable: bool) -> None:
        """Refuse code that the container could not get or prepare.

        Args:
            check: Where it is said.
            isolated: Whether the container has no network.
            packable: Whether the artifact is packed here.

        """
        check_source(check, self._source(), isolated=isolated)
        if isolated and not packable:
            check.refuse("CodeNotAllowed", "code cannot reach a container without a network unless "
                         "it is packed with the artifact: use ModelArtifact.from_folder, put it "
                         "into code/ of the archive, or set network_isolation=False")  # fmt: skip

    def files(self) -> list[tuple[str, Path]]:
        """Names and paths of the files."""
        return list(self._source().files())

    def environment(self, scope: Construct, *, packed: bool) -> dict[str, str]:
        """What tells the container where the code is."""
        address = _FOLDER
        if not packed:
            asset = self._source().asset(scope)
            address = f"s3://{asset.s3_bucket_name}/{asset.s3_object_key}"
        return {
            "SAGEMAKER_CONTAINER_LOG_LEVEL": _LOG_LEVEL,
            "SAGEMAKER_PROGRAM": self.entry_point,
            "SAGEMAKER_REGION": Stack.of(scope).region,
            "SAGEMAKER_SUBMIT_DIRECTORY": address,
        }

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """What the model's role must be allowed to read the code apart from the artifact."""
        return self._source().statements(scope)

    def _source(self) -> SourceCode:
        return SourceCode(folder=self.folder, entry_point=self.entry_point, exclude=self.exclude)
