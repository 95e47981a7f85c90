"""Operations on aliases, which are names of versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.functions.errors import conflict, invalid, not_found, stale_revision
from sageloop.local_cloud.functions.function_api import reference_of
from sageloop.local_cloud.functions.model import Alias, Function
from sageloop.local_cloud.functions.paging import page

if TYPE_CHECKING:
    from sageloop.local_cloud.functions.model import FunctionRepository

_NAME = re.compile(r"(?!^[0-9]+$)[a-zA-Z0-9-_]{1,128}")


class AliasApi:
    """The API of aliases."""

    def __init__(self, repository: FunctionRepository) -> None:
        self._repository = repository

    @operation("CreateAlias")
    def create_alias(self, call: Call) -> dict[str, Any]:
        """Create an alias of a version."""
        function = self._repository.get(reference_of(call))
        name = call.params["Name"]
        if not _NAME.fullmatch(name):
            raise AwsError(
                "ValidationException",
                f"1 validation error detected: Value '{name}' at 'name' failed to satisfy "
                f"constraint: Member must satisfy regular expression pattern: {_NAME.pattern}",
            )
        with self._repository.lock:
            if name in function.aliases:
                raise conflict(f"Alias already exists: {function.arn}:{name}")
            return self._put(function, name, call.params, None)

    @operation("GetAlias")
    def get_alias(self, call: Call) -> dict[str, Any]:
        """One alias."""
        return self._find(call)[1].described()

    @operation("UpdateAlias")
    def update_alias(self, call: Call) -> dict[str, Any]:
        """Change an alias's version."""
        with self._repository.lock:
            function, alias = self._find(call)
            if call.params.get("RevisionId") not in (None, alias.revision):
                raise stale_revision()
            return self._put(function, alias.name, call.params, alias)

    @operation("DeleteAlias")
    def delete_alias(self, call: Call) -> None:
        """Delete an alias; no error if it does not exist."""
        function = self._repository.get(reference_of(call))
        with self._repository.lock:
            function.aliases.pop(call.params["Name"], None)
            function.policies.pop(call.params["Name"], None)

    @operation("ListAliases")
    def list_aliases(self, call: Call) -> dict[str, Any]:
        """Aliases of a function, or of one version."""
        function = self._repository.get(reference_of(call))
        version = call.params.get("FunctionVersion")
        aliases = [a for _, a in sorted(function.aliases.items()) if version in (None, a.version)]
        return page("Aliases", [a.described() for a in aliases], call)

    def _find(self, call: Call) -> tuple[Function, Alias]:
        function = self._repository.get(reference_of(call))
        alias = function.aliases.get(call.params["Name"])
        if alias is None:
            raise not_found(f"Alias not found: {function.arn}:{call.params['Name']}")
        return function, alias

    def _put(
        self, function: Function, name: str, members: Mapping[str, Any], old: Alias | None
    ) -> dict[str, Any]:
        version = members.get("FunctionVersion") or (old.version if old else "")
        description = members.get("Description")
        weights: Mapping[str, float] = old.weights if old else {}
        if members.get("RoutingConfig") is not None:
            weights = members["RoutingConfig"].get("AdditionalVersionWeights") or {}
        for number in (version, *weights):
            if number != "$LATEST" and number not in function.versions:
                raise not_found(f"Function not found: {function.arn}:{number}")
        if len(weights) > 1 or not all(0 <= w <= 1 for w in weights.values()):
            raise invalid(
                f"One additional version with a weight of 0 to 1 is allowed, got {weights}"
            )
        if description is None:
            description = old.description if old else ""
        made = Alias(name, f"{function.arn}:{name}", version, description, dict(weights))
        function.aliases[name] = made
        return made.described()
