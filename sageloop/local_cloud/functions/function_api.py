"""Operations on functions and versions: create, read, update, publish, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.access.enforcement.service_acts import can_assume
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.functions import validation
from sageloop.local_cloud.functions.errors import conflict, invalid, stale_revision
from sageloop.local_cloud.functions.model import Function, Version
from sageloop.local_cloud.functions.names import LATEST, FunctionRef, parse_reference
from sageloop.local_cloud.functions.paging import page
from sageloop.local_cloud.functions.role_permissions import RolePermissions

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.functions.code import CodeStore
    from sageloop.local_cloud.functions.layer_api import LayerRepository
    from sageloop.local_cloud.functions.model import FunctionRepository
    from sageloop.local_cloud.functions.runner import Runner

_LAMBDA = "lambda.amazonaws.com"
_CODE = ("ZipFile", "S3Bucket", "S3Key", "S3ObjectVersion", "ImageUri", "SourceKMSKeyArn")


def reference_of(call: Call) -> FunctionRef:
    """The function that a request names."""
    return parse_reference(
        call.params["FunctionName"], qualifier=call.params.get("Qualifier"), region=call.region
    )


class FunctionApi:
    """The API of functions and versions."""

    def __init__(
        self, cloud: Cloud, repository: FunctionRepository, *, code: CodeStore,
        layers: LayerRepository, runner: Runner, warm_up: Callable[[], None],
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._repository = repository
        self._code = code
        self._layer_repository = layers
        self._runner = runner
        self._warm_up = warm_up
        self._permissions = RolePermissions(cloud)

    @operation("CreateFunction")
    def create_function(self, call: Call) -> dict[str, Any]:
        """Create a function from its package."""
        members = call.params
        validation.refuse_unsupported(members, call.operation)
        ref = reference_of(call)
        validation.check_name(ref.name)
        settings = validation.settings_of(members, name=ref.name)
        arn = self._repository.arn(ref)
        self._check_dependencies(settings, arn)
        version = Version(
            ref.name, arn, LATEST, settings, self._code.fetch(members["Code"], call),
            self._layers(members), self._cloud.clock.now(),
        )  # fmt: skip
        validation.check_unpacked(version.package, version.layers)
        function = Function(ref.region, ref.name, arn, version, tags=members.get("Tags", {}))
        if not self._repository.add(function):
            raise conflict(f"Function already exist: {ref.name}")
        self._warm_up()
        published = self._publish(function, None) if members.get("Publish") else version
        return _described(function, published)

    @operation("GetFunction")
    def get_function(self, call: Call) -> dict[str, Any]:
        """A function's configuration, the location of its code, its tags and concurrency."""
        ref = reference_of(call)
        function = self._repository.get(ref)
        version = self._repository.version(function, ref.qualifier)
        reserved = function.reserved
        location = self._code.location(version.package)
        return {
            "Configuration": version.configuration(function.arn_of(ref.qualifier)),
            "Code": {"RepositoryType": "S3", "Location": location},
            "Tags": function.tags or None,
            "Concurrency": None if reserved is None else {"ReservedConcurrentExecutions": reserved},
        }  # fmt: skip

    @operation("GetFunctionConfiguration")
    def get_function_configuration(self, call: Call) -> dict[str, Any]:
        """A function's configuration."""
        ref = reference_of(call)
        function = self._repository.get(ref)
        version = self._repository.version(function, ref.qualifier)
        return version.configuration(function.arn_of(ref.qualifier))

    @operation("UpdateFunctionCode")
    def update_function_code(self, call: Call) -> dict[str, Any]:
        """Replace the code of ``$LATEST``."""
        validation.refuse_unsupported(call.params, call.operation)
        function = self._unqualified(call)
        package = self._code.fetch({k: call.params.get(k) for k in _CODE}, call)
        changes: dict[str, Any] = {"package": package}
        if call.params.get("Architectures"):
            architectures = call.params["Architectures"]
            changes["settings"] = {**function.latest.settings, "Architectures": architectures}
        if call.params.get("DryRun"):
            return _described(function, replace(function.latest, **changes))
        return self._change(function, call, changes)

    @operation("UpdateFunctionConfiguration")
    def update_function_configuration(self, call: Call) -> dict[str, Any]:
        """Change members of ``$LATEST``'s configuration; the others stay."""
        validation.refuse_unsupported(call.params, call.operation)
        function = self._unqualified(call)
        settings = validation.settings_of(
            {**function.latest.settings, **call.params}, name=function.name
        )
        self._check_dependencies(settings, function.arn)
        changes: dict[str, Any] = {"settings": settings}
        if call.params.get("Layers") is not None:
            changes["layers"] = self._layers(call.params)
        return self._change(function, call, changes)

    @operation("DeleteFunction")
    def delete_function(self, call: Call) -> dict[str, Any]:
        """Delete a function, or one version of it."""
        ref = reference_of(call)
        function = self._repository.get(ref)
        if ref.qualifier is None:
            self._repository.remove(function)
            self._runner.retire_function(function)
            return {"StatusCode": 204}
        if ref.qualifier == LATEST:
            raise invalid("$LATEST version cannot be deleted without deleting the function.")
        users = [a.name for a in function.aliases.values() if a.version == ref.qualifier]
        if users:
            raise conflict(
                f"Cannot delete version {ref.qualifier}, it is referenced by alias {users[0]}"
            )
        with self._repository.lock:
            version = function.versions.pop(ref.qualifier, None)
        if version is not None:
            self._runner.retire(version)
        return {"StatusCode": 204}

    @operation("ListFunctions")
    def list_functions(self, call: Call) -> dict[str, Any]:
        """Functions of the region, with all versions on request."""
        functions = []
        for function in self._repository.of_region(call.region):
            functions.append(function.latest.configuration(function.arn))
            if call.params.get("FunctionVersion") == "ALL":
                functions += [_described(function, v) for v in function.versions.values()]
        return page("Functions", functions, call)

    @operation("PublishVersion")
    def publish_version(self, call: Call) -> dict[str, Any]:
        """Publish ``$LATEST`` as the next version."""
        validation.refuse_unsupported(call.params, call.operation)
        function = self._unqualified(call)
        _check_revision(function, call)
        expected = call.params.get("CodeSha256")
        if expected and expected != function.latest.package.sha256:
            raise invalid(
                f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST "
                f"({function.latest.package.sha256}). Please try again with the CodeSHA256 in "
                "$LATEST."
            )  # fmt: skip
        return _described(function, self._publish(function, call.params.get("Description")))

    @operation("ListVersionsByFunction")
    def list_versions_by_function(self, call: Call) -> dict[str, Any]:
        """``$LATEST`` and every published version."""
        function = self._repository.get(reference_of(call))
        versions = [function.latest, *function.versions.values()]
        return page(
            "Versions", [v.configuration(function.arn_of(v.number)) for v in versions], call
        )

    def _unqualified(self, call: Call) -> Function:
        ref = reference_of(call)
        function = self._repository.get(ref)
        if ref.qualifier not in (None, LATEST):
            raise invalid(f"{call.operation} cannot be applied to the qualifier {ref.qualifier}.")
        return function

    def _change(self, function: Function, call: Call, changes: dict[str, Any]) -> dict[str, Any]:
        with self._repository.lock:
            _check_revision(function, call)
            before = function.latest
            validation.check_unpacked(
                changes.get("package", before.package), changes.get("layers", before.layers)
            )
            function.latest = Version(
                **{
                    "name": before.name, "arn": before.arn, "number": LATEST,
                    "settings": before.settings, "package": before.package,
                    "layers": before.layers, "modified": self._cloud.clock.now(), **changes,
                }
            )  # fmt: skip
        self._runner.retire(before)
        shown = function.latest
        if call.params.get("Publish"):
            shown = self._publish(function, None)
        return _described(function, shown)

    def _publish(self, function: Function, description: str | None) -> Version:
        with self._repository.lock:
            last = function.versions.get(str(function.last_number))
            if last is not None and last.content() == function.latest.content():
                return last
            function.last_number += 1
            settings = dict(function.latest.settings)
            if description is not None:
                settings["Description"] = description
            made = Version(
                function.name, function.arn, str(function.last_number), settings,
                function.latest.package, function.latest.layers, self._cloud.clock.now(),
            )  # fmt: skip
            function.versions[made.number] = made
            return made

    def _layers(self, members: Mapping[str, Any]) -> tuple[Any, ...]:
        arns = members.get("Layers") or []
        validation.check_layers(arns)
        return tuple(self._layer_repository.get(arn) for arn in arns)

    def _check_dependencies(self, settings: dict[str, Any], arn: str) -> None:
        if not can_assume(self._cloud, _LAMBDA, settings["Role"], arn):
            raise invalid("The role defined for the function cannot be assumed by Lambda.")
        region = arn.split(":")[3]
        self._permissions.check(settings, arn)
        vpc = settings.get("VpcConfig")
        if vpc:
            vpc["VpcId"] = self._vpc_of(vpc["SubnetIds"], region)
            vpc.setdefault("SecurityGroupIds", [])
            vpc.setdefault("Ipv6AllowedForDualStack", False)

    def _vpc_of(self, subnets: list[str], region: str) -> str:
        ec2 = self._cloud.client("ec2", principal=INTERNAL, region=region)
        try:
            descriptions = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
        except ClientError as error:
            raise invalid(f"Error occurred while DescribeSubnets. {error}") from error
        return str(descriptions[0]["VpcId"])


def _described(function: Function, version: Version) -> dict[str, Any]:
    qualifier = None if version.number == LATEST else version.number
    return version.configuration(function.arn_of(qualifier))


def _check_revision(function: Function, call: Call) -> None:
    expected = call.params.get("RevisionId")
    if expected and expected != function.latest.revision:
        raise stale_revision()
