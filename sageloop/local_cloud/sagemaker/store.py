"""Thread-safe store of SageMaker resources and tags, with a condition that waiters use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Messages:
    """AWS's error messages and codes for a missing and for an existing resource."""

    missing: str
    exists: str
    missing_code: str = "ValidationException"
    exists_code: str = "ValidationException"


_MESSAGES = {
    "training-job": _Messages(
        "Requested resource not found.",
        "Training job names must be unique within an AWS account and region, and a training "
        "job with this name already exists ({arn})",
        exists_code="ResourceInUse",
    ),
    "hyper-parameter-tuning-job": _Messages(
        "Amazon SageMaker can't find a tuning job called {name}. Type another name.",
        "Hyperparameter tuning job names must be unique within an AWS account and region, and a "
        "hyperparameter tuning job with this name already exists ({arn})",
        missing_code="ResourceNotFound",
        exists_code="ResourceInUse",
    ),
    "processing-job": _Messages(
        "Could not find requested job with name: {name}",
        "Processing job names must be unique within an AWS account and region, and a processing "
        "job with this name already exists ({arn})",
        exists_code="ResourceInUse",
    ),
    "transform-job": _Messages(
        "Could not find requested job with name: {name}",
        "Job name must be unique within an AWS account and region, and a job with this name "
        "already exists ({arn})",
        exists_code="ResourceInUse",
    ),
    "model": _Messages(
        'Could not find model "{arn}".', 'Cannot create already existing model "{arn}".'
    ),
    "endpoint-config": _Messages(
        'Could not find endpoint configuration "{arn}".',
        'Cannot create already existing endpoint configuration "{arn}".',
    ),
    "endpoint": _Messages(
        'Could not find endpoint "{arn}".', 'Cannot create already existing endpoint "{arn}".'
    ),
    "model-package-group": _Messages(
        "ModelPackageGroup {arn} does not exist.", "Model Package Group already exists: {arn}"
    ),
    "model-package": _Messages(
        "ModelPackage {arn} does not exist.", "Model Package already exists: {arn}"
    ),
    "notebook-instance": _Messages(
        "RecordNotFound", "Cannot create a duplicate Notebook Instance ({arn})"
    ),
    "notebook-instance-lifecycle-config": _Messages(
        "Unable to describe Notebook Instance Lifecycle Config '{arn}'. "
        "(Details: Notebook Instance Lifecycle Config does not exist.)",
        "Unable to create Notebook Instance Lifecycle Config {arn}. "
        "(Details: Notebook Instance Lifecycle Config already exists.)",
    ),
}


class SageMakerStore:
    """Thread-safe documents by family and name.

    A family is the resource type in an ARN (``endpoint``, ``endpoint-config``, ``model``,
    ``training-job`` ...). Documents are copied on read and on write; :meth:`modify` changes one
    atomically. ``changed`` is notified after every change, which waiters use instead of polling.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.changed = threading.Condition(threading.RLock())
        self._families: dict[str, dict[str, Document]] = {}
        self._tags: dict[str, dict[str, str]] = {}

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource, whether or not it exists."""
        return regional_arn(
            "sagemaker", self._cloud.region, self._cloud.account_id, f"{kind}/{name}"
        )

    def create(
        self, family: str, name: str, document: Document,
        *, tags: Iterable[Mapping[str, str]] | None = None,
    ) -> str:  # fmt: skip
        """Add a resource with its tags (``[{"Key", "Value"}]``); return its ARN.

        Raises ``AwsError`` with AWS's message if the name is taken.
        """
        arn = self.arn(family, name)
        with self.changed:
            if name in self._family(family):
                raise self._error(family, name, missing=False)
            self._family(family)[name] = _copy(document)
            self._tags[arn] = {tag["Key"]: tag["Value"] for tag in tags or ()}
            self.changed.notify_all()
        return arn

    def put(self, family: str, name: str, document: Document) -> None:
        """Add or replace a resource; its tags are kept."""
        with self.changed:
            self._family(family)[name] = _copy(document)
            self._tags.setdefault(self.arn(family, name), {})
            self.changed.notify_all()

    def get(self, family: str, name: str) -> Document:
        """A copy of a resource. Raises ``AwsError`` with AWS's message if it does not exist."""
        with self.changed:
            return _copy(self._known(family, name))

    def find(self, family: str, name: str) -> Document | None:
        """A copy of a resource, or ``None`` if it does not exist."""
        with self.changed:
            document = self._family(family).get(name)
            return None if document is None else _copy(document)

    def update(self, family: str, name: str, changes: Mapping[str, Any]) -> Document:
        """Set members of a resource (``None`` removes a member); return the new copy."""

        def apply(document: Document) -> None:
            for member, value in changes.items():
                if value is None:
                    document.pop(member, None)
                else:
                    document[member] = _copy(value)

        return self.modify(family, name, apply)

    def modify(self, family: str, name: str, change: Callable[[Document], None]) -> Document:
        """Change a resource in place under the lock; return the new copy.

        If ``change`` raises an exception, the resource is not changed.
        """
        with self.changed:
            draft = _copy(self._known(family, name))
            change(draft)
            self._family(family)[name] = draft
            self.changed.notify_all()
            return _copy(draft)

    def delete(self, family: str, name: str) -> Document:
        """Delete a resource and its tags; return its last document."""
        with self.changed:
            document = self._known(family, name)
            del self._family(family)[name]
            self._tags.pop(self.arn(family, name), None)
            self.changed.notify_all()
            return document

    def list(
        self, family: str, where: Callable[[Document], bool] | None = None
    ) -> list[Document]:  # fmt: skip
        """Copies of the resources of a family that match ``where``, in order of creation."""
        with self.changed:
            matching = [d for d in self._family(family).values() if where is None or where(d)]
            return _copy(matching)

    def missing(self, family: str, name: str) -> AwsError:
        """AWS's error for a resource that does not exist."""
        return self._error(family, name, missing=True)

    def tags(self, arn: str) -> dict[str, str]:
        """Tags of a resource by key. Raises ``AwsError`` if the resource does not exist."""
        with self.changed:
            return dict(self._tags_of(arn))

    def tags_if_known(self, arn: str) -> dict[str, str]:
        """Tags of a resource by key; none if the resource does not exist."""
        with self.changed:
            return dict(self._tags.get(arn, {}))

    def add_tags(self, arn: str, tags: Iterable[Mapping[str, str]]) -> None:
        """Add tags (``[{"Key", "Value"}]``) to a resource."""
        with self.changed:
            self._tags_of(arn).update({tag["Key"]: tag["Value"] for tag in tags})
            self.changed.notify_all()

    def remove_tags(self, arn: str, keys: Iterable[str]) -> None:
        """Remove tags by key; unknown keys are ignored, as on AWS."""
        with self.changed:
            known = self._tags_of(arn)
            for key in keys:
                known.pop(key, None)
            self.changed.notify_all()

    def _family(self, family: str) -> dict[str, Document]:
        return self._families.setdefault(family, {})

    def _known(self, family: str, name: str) -> Document:
        document = self._family(family).get(name)
        if document is None:
            raise self._error(family, name, missing=True)
        return document

    def _tags_of(self, arn: str) -> dict[str, str]:
        known = self._tags.get(arn)
        if known is None:
            raise AwsError("ResourceNotFound", f"Could not find resource {arn}.")
        return known

    def _error(self, family: str, name: str, *, missing: bool) -> AwsError:
        arn = self.arn(family, name)
        messages = _MESSAGES.get(
            family, _Messages(f'Could not find {family} "{{arn}}".', f"{family} {{arn}} exists.")
        )
        if missing:
            return AwsError(messages.missing_code, messages.missing.format(arn=arn, name=name))
        return AwsError(messages.exists_code, messages.exists.format(arn=arn, name=name))


_Plain = TypeVar("_Plain")


def _copy(value: _Plain) -> _Plain:
    # Documents are plain data: dicts and lists are copied, all other values are immutable.
    return cast(_Plain, _copied(value))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value
