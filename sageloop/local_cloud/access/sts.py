"""AWS STS: keys for sessions of roles and users, and the identity of the caller.

Trust policies are evaluated before a call gets here; for federated identities here, by the identity
provider in the token. Keys expire by the wall clock, with which clients compare.

https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import re
import time as wall
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from moto.core.utils import get_service_model

from sageloop.local_cloud.access.caller import (
    USER_NAME,
    Caller,
    CallerKind,
    role_session,
    unique_id,
)
from sageloop.local_cloud.access.federation import FederatedIdentity, Federation
from sageloop.local_cloud.access.session_limits import SessionLimits, session_limits
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.access.parts import StsParts
    from sageloop.local_cloud.core.operations import Call

_HOUR, _HALF_DAY, _DAY_AND_A_HALF = 3600, 43_200, 129_600
_SHORTEST = 900
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_FEDERATED_NAME = re.compile(r"[\w+=,.@-]{2,32}", re.ASCII)


class Sts:
    """The operations of STS for the keys of one cloud and the roles of its IAM."""

    def __init__(self, cloud: StsParts) -> None:
        self._cloud = cloud
        self._keys = cloud.keys
        self._federation = Federation(cloud)
        for name, operation in {
            "GetCallerIdentity": self.get_caller_identity,
            "GetSessionToken": self.get_session_token,
            "GetFederationToken": self.get_federation_token,
            "GetAccessKeyInfo": self.get_access_key_info,
            "AssumeRole": self.assume_role,
            "AssumeRoleWithWebIdentity": self.assume_role_with_web_identity,
            "AssumeRoleWithSAML": self.assume_role_with_saml,
        }.items():
            cloud.front.add_operation("sts", name, partial(_complete, operation))

    def get_caller_identity(self, call: Call) -> dict[str, Any]:
        """Account, user id and ARN of the caller."""
        caller = call.caller
        return {
            "UserId": self._user_id(caller), "Account": caller.account_id, "Arn": caller.arn,
        }  # fmt: skip

    def get_access_key_info(self, call: Call) -> dict[str, Any]:
        """The account of a key. Raises ``AwsError`` for a key of another cloud."""
        key = self._keys.find(call.params["AccessKeyId"])
        if key is None:
            raise AwsError("ValidationError", "The access key ID is not known to this account.")
        return {"Account": key.caller.account_id}

    def get_session_token(self, call: Call) -> dict[str, Any]:
        """Keys of a session of the calling user."""
        _refuse_sessions(call, "GetSessionToken")
        seconds = _seconds(call, default=_HALF_DAY, most=_DAY_AND_A_HALF)
        return {"Credentials": self._credentials(call.caller, seconds)}

    def get_federation_token(self, call: Call) -> dict[str, Any]:
        """Keys of a session with a name from the request."""
        _refuse_sessions(call, "GetFederationToken")
        name = _matching(call, "Name", _FEDERATED_NAME)
        partition = call.caller.arn.split(":")[1]
        limits = session_limits(call, self._cloud)
        caller = Caller(
            kind=CallerKind.FEDERATED_USER, account_id=call.account_id, session_name=name,
            arn=f"arn:{partition}:sts::{call.account_id}:federated-user/{name}",
            federated_by=call.caller, session_policies=limits.policies, session_tags=limits.tags,
        )  # fmt: skip
        seconds = _seconds(call, default=_HALF_DAY, most=_DAY_AND_A_HALF)
        return {
            "Credentials": self._credentials(caller, seconds),
            "FederatedUser": {"FederatedUserId": self._user_id(caller), "Arn": caller.arn},
            **limits.answer,
        }

    def assume_role(self, call: Call) -> dict[str, Any]:
        """Keys of a session of a role."""
        role = self._role(call)
        longest = int(role.max_session_duration or _HOUR)
        if call.caller.kind is CallerKind.ASSUMED_ROLE:
            longest = _HOUR  # role chaining: an hour at most
        seconds = _seconds(call, default=_HOUR, most=longest)
        return self._session(call, role, seconds, session_limits(call, self._cloud))

    def assume_role_with_web_identity(self, call: Call) -> dict[str, Any]:
        """Keys of a session of a role, for a token of an identity provider."""
        role = self._role(call)
        identity = self._federation.of_token(call.params["WebIdentityToken"])
        self._federation.check_trust(call, identity, role)
        longest = int(role.max_session_duration or _HOUR)
        seconds = _seconds(call, default=_HOUR, most=longest)
        return self._session(call, role, seconds, self._limits(call, identity)) | {
            "SubjectFromWebIdentityToken": identity.subject, "Audience": identity.audience,
            "Provider": identity.provider,
        }  # fmt: skip

    def assume_role_with_saml(self, call: Call) -> dict[str, Any]:
        """Keys of a session of a role, for a SAML assertion."""
        role = self._role(call)
        session = self._federation.of_assertion(
            call.params["SAMLAssertion"], call.params["PrincipalArn"], role
        )
        longest = int(role.max_session_duration or _HOUR)
        seconds = _seconds(call, default=_HOUR, most=longest)
        call.params["RoleSessionName"] = session.subject
        self._federation.check_trust(call, session, role)
        return self._session(call, role, seconds, self._limits(call, session)) | {
            "Subject": session.subject, "SubjectType": "persistent", "Issuer": session.provider,
            "Audience": session.audience,
        }  # fmt: skip

    def _limits(self, call: Call, identity: FederatedIdentity) -> SessionLimits:
        return session_limits(
            call, self._cloud, claimed=identity.tags, claimed_transitive=identity.transitive
        )

    def _session(
        self, call: Call, role: Any, seconds: int, limits: SessionLimits
    ) -> dict[str, Any]:
        name = _matching(call, "RoleSessionName", _SESSION_NAME)
        caller = replace(
            role_session(str(role.arn), name), session_policies=limits.policies,
            session_tags=limits.tags, transitive_tag_keys=limits.transitive,
        )  # fmt: skip
        return {
            "Credentials": self._credentials(caller, seconds),
            "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{name}", "Arn": caller.arn},
            **limits.answer,
        }

    def _credentials(self, caller: Caller, seconds: int) -> dict[str, Any]:
        made = self._keys.issue(replace(caller, access_key_id=None), seconds=seconds)
        return {
            "AccessKeyId": made.access_key,
            "SecretAccessKey": made.secret_key,
            "SessionToken": made.token,
            "Expiration": datetime.fromtimestamp(int(wall.time()) + seconds, UTC),
        }

    def _role(self, call: Call) -> Any:
        arn = str(call.params["RoleArn"])
        role = self._cloud.iam_role(arn)
        if role is None:
            raise AwsError(
                "AccessDenied",
                f"User: {call.caller.arn} is not authorized to perform: sts:{call.operation} on "
                f"resource: {arn}",
                403,
            )
        return role

    def _user_id(self, caller: Caller) -> str:
        account_id = caller.account_id
        if caller.kind is CallerKind.ROOT:
            return account_id
        if caller.kind is CallerKind.FEDERATED_USER:
            return f"{account_id}:{caller.session_name}"
        if caller.role_arn is not None:
            role = self._cloud.iam_role(caller.role_arn)
            known = unique_id("AROA", caller.role_arn) if role is None else str(role.id)
            return f"{known}:{caller.session_name}"
        if caller.kind is CallerKind.IAM_USER:
            user = self._cloud.iam_user(caller.arn)
            return unique_id("AIDA", caller.arn) if user is None else str(user.id)
        return unique_id("AIDA", f"{account_id} {USER_NAME}")


def _complete(operation: Callable[[Call], dict[str, Any]], call: Call) -> dict[str, Any]:
    shape = get_service_model("sts").operation_model(call.operation).input_shape
    for member in shape.required_members if shape is not None else ():
        if member not in call.params:
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value null at '{member[0].lower()}{member[1:]}' "
                "failed to satisfy constraint: Member must not be null",
            )
    return operation(call)


def _refuse_sessions(call: Call, operation: str) -> None:
    key = call.caller.access_key_id
    session = call.caller.kind in (CallerKind.ASSUMED_ROLE, CallerKind.FEDERATED_USER)
    with_token = "HTTP_X_AMZ_SECURITY_TOKEN" in call.request.environ
    if session or (with_token and key is not None and key.startswith("LKIA")):
        raise AwsError("AccessDenied", f"Cannot call {operation} with session credentials", 403)


def _seconds(call: Call, *, default: int, most: int) -> int:
    seconds = call.params.get("DurationSeconds")
    if seconds is None:
        return min(default, most)
    if seconds < _SHORTEST:
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to "
            f"satisfy constraint: Member must have value greater than or equal to {_SHORTEST}",
        )
    if seconds > most:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            if call.operation.startswith("AssumeRole")
            else f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to "
            f"satisfy constraint: Member must have value less than or equal to {most}",
        )
    return int(seconds)


def _matching(call: Call, member: str, pattern: re.Pattern[str]) -> str:
    text = str(call.params.get(member, ""))
    if pattern.fullmatch(text) is None:
        where = member[0].lower() + member[1:]
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value '{text}' at '{where}' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]* and have a "
            f"length of 2 to {32 if member == 'Name' else 64}",
        )
    return text
