"""Inference code for framework images."""

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

    For a model without network access the code is packed into the archive of a folder
    (``ModelArtifact.from_folder``); an existing archive must contain its code.

    Attributes:
        folder: The folder.
        entry_point: Script with the functions, relative to the folder.
        exclude: Patterns of files to exclude, in the syntax of ``.gitignore``.

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
        """Check folder and entry point."""
        self._source()

    def check(self, check: Checks, *, isolated: bool, packable: bool) -> None:
        """Refuse code that the container cannot download.

        Args:
            check: Collects the errors.
            isolated: Whether the container has no network.
            packable: Whether the artifact is packed at synthesis.

        """
        check_source(check, self._source(), isolated=isolated)
        if isolated and not packable:
            check.refuse("CodeNotAllowed", "a container without network access cannot download "
                         "code: use ModelArtifact.from_folder, put it "
                         "into code/ of the archive, or set network_isolation=False")  # fmt: skip

    def files(self) -> list[tuple[str, Path]]:
        """Names and paths of the files."""
        return list(self._source().files())

    def environment(self, scope: Construct, *, packed: bool) -> dict[str, str]:
        """Environment variables with the location of the code."""
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
        """Statements that allow the model's role to read the code."""
        return self._source().statements(scope)

    def _source(self) -> SourceCode:
        return SourceCode(folder=self.folder, entry_point=self.entry_point, exclude=self.exclude)
