"""Images of algorithms and frameworks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, CfnMapping, Stack
from constructs import Construct

from .._private.checks import Checks, known
from .facts import images
from .instances import is_accelerated


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmImage:
    """An image in Amazon ECR.

    Attributes:
        uri: URI of the image.
        repository_arn: ARN of the repository; empty if unknown.

    """

    uri: str
    repository_arn: str = ""

    @classmethod
    def xgboost(cls, scope: Construct, version: str) -> AlgorithmImage:
        """The built-in XGBoost image in the region of the scope's stack.

        Args:
            scope: Any construct of the stack; a stack without a fixed region gets a mapping.
            version: Version such as ``3.0-5``.

        Raises:
            ConfigurationError: If there is no image for the version or the region.

        """
        return cls.find(scope, "xgboost", version)

    @classmethod
    def find(
        cls, scope: Construct, name: str, version: str, *, instance_type: str | None = None
    ) -> AlgorithmImage:
        """An image of AWS in the region of the scope's stack.

        Args:
            scope: Any construct of the stack; a stack without a fixed region gets a mapping.
            name: ``kmeans``, ``linear-learner``, ``xgboost``, ``sklearn``, ``pytorch-training``,
                ``pytorch-inference``, ``tensorflow-training`` or ``tensorflow-inference``.
            version: Version, or an alias such as ``2.6``.
            instance_type: Instance type: frameworks have separate images for GPUs and CPUs; CPU
                by default.

        Raises:
            ConfigurationError: If there is no such image; the message lists the available ones.

        Example:
            >>> AlgorithmImage.find(stack, "pytorch-training", "2.6", instance_type="ml.g5.xlarge")

        """
        with Checks(scope) as check:
            check.one_of("name", name, images()["images"])
        release = _release(scope, name, version)
        with Checks(scope) as check:
            tag = _tag(check, f"{name} {version}", release["tags"], instance_type)
        region, repository = Stack.of(scope).region, release["repository"]
        account = _account(scope, region, name, release["registry"])
        return cls(
            uri=f"{account}.dkr.ecr.{region}.{Aws.URL_SUFFIX}/{repository}:{tag}",
            repository_arn=f"arn:{Aws.PARTITION}:ecr:{region}:{account}:repository/{repository}",
        )


def versions(name: str) -> list[str]:
    """Versions of an image, oldest first."""
    return sorted(images()["images"][name]["versions"], key=_natural)


def _natural(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _release(scope: Construct, name: str, version: str) -> Mapping[str, Any]:
    entry = images()["images"][name]
    full = entry["aliases"].get(version, version)
    with Checks(scope) as check:
        if not known(version):
            check.literal("version", version)  # type: ignore[arg-type]
        elif full not in entry["versions"]:
            listed = _listed(versions(name))
            message = f"version must be one of {listed} for {name}, got {version!r}"
            check.refuse("ValueNotAllowed", message)
    release: Mapping[str, Any] = entry["versions"][full]
    return release


def _tag(check: Checks, what: str, tags: Mapping[str, str], instance_type: str | None) -> str:
    if "any" in tags:
        return tags["any"]
    needed = "gpu" if instance_type is not None and is_accelerated(instance_type) else "cpu"
    if needed not in tags:
        message = (
            f"instance_type must have no accelerator, for which {what} has no image, "
            f"got {instance_type!r}"
        )
        check.refuse("ImageMissing", message)
    return tags.get(needed, "")


def _account(scope: Construct, region: str, name: str, registry: int) -> str:
    accounts: Mapping[str, str] = images()["registries"][registry]
    if known(region):
        with Checks(scope) as check:
            if region not in accounts:
                message = (
                    f"region must be one of {_listed(sorted(accounts))} for {name}, got {region!r}"
                )
                check.refuse("ValueNotAllowed", message)
        return accounts[region]
    # Images of the same accounts share one mapping.
    stack = Stack.of(scope)
    construct_id = f"ImageAccounts{registry}"
    mapping = stack.node.try_find_child(construct_id)
    if not isinstance(mapping, CfnMapping):
        table = {region: {"account": account} for region, account in accounts.items()}
        mapping = CfnMapping(stack, construct_id, mapping=table)
    return mapping.find_in_map(Aws.REGION, "account")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)
