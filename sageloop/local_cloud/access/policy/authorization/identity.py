"""AWS IAM, AWS STS and AWS KMS."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    Resources,
    Rule,
    all_of,
    arns_at,
    fixed,
    no_permission,
    on,
    tag_keys,
    values,
    when_set,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules


def _entity(kind: str, path: str) -> Resources:
    """A user, role, group or instance profile by its name; the path comes from the state."""

    def resources(call: ApiCall) -> list[str]:
        name = call.text(path)
        arn = call.resolve(f"iam:{kind}", name) if name else None
        own_path = call.text("Path") or "/"
        return [arn or _iam(call, f"{kind}{own_path}{name or '*'}")]

    return resources


def _iam(call: ApiCall, resource: str) -> str:
    return call.arn("iam", resource, with_region=False)


def _new_policy(call: ApiCall) -> list[str]:
    return [_iam(call, f"policy{call.text('Path') or '/'}{call.text('PolicyName')}")]


_USER, _ROLE = _entity("user", "UserName"), _entity("role", "RoleName")
_GROUP = _entity("group", "GroupName")
_PROFILE = _entity("instance-profile", "InstanceProfileName")
_POLICY = arns_at("PolicyArn")


def _each(resources: Resources, *operations: str) -> dict[str, Rule]:
    return {operation: on(resources, f"iam:{operation}") for operation in operations}


def _pass_to_ec2(call: ApiCall) -> list[Permission]:
    context = {"iam:PassedToService": "ec2.amazonaws.com"}
    return [Permission("iam:PassRole", arn, context) for arn in _ROLE(call)]


_ON_USERS = (
    "AttachUserPolicy", "CreateAccessKey", "CreateLoginProfile", "CreateServiceSpecificCredential",
    "CreateUser", "DeactivateMFADevice", "DeleteAccessKey", "DeleteLoginProfile",
    "DeleteSSHPublicKey", "DeleteServiceSpecificCredential", "DeleteSigningCertificate",
    "DeleteUser", "DeleteUserPermissionsBoundary", "DeleteUserPolicy", "DetachUserPolicy",
    "EnableMFADevice", "GetLoginProfile", "GetSSHPublicKey", "GetUser", "GetUserPolicy",
    "ListAccessKeys", "ListAttachedUserPolicies", "ListGroupsForUser", "ListMFADevices",
    "ListSSHPublicKeys", "ListServiceSpecificCredentials", "ListSigningCertificates",
    "ListUserPolicies", "ListUserTags", "PutUserPermissionsBoundary", "PutUserPolicy",
    "ResetServiceSpecificCredential", "ResyncMFADevice", "TagUser", "UntagUser", "UpdateAccessKey",
    "UpdateLoginProfile", "UpdateSSHPublicKey", "UpdateServiceSpecificCredential",
    "UpdateSigningCertificate", "UpdateUser", "UploadSSHPublicKey", "UploadSigningCertificate",
    "ChangePassword", "GetMFADevice",
)  # fmt: skip
_ON_ROLES = (
    "AttachRolePolicy", "CreateRole", "DeleteRole", "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy", "DetachRolePolicy", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole", "ListRolePolicies", "ListRoleTags", "PutRolePermissionsBoundary",
    "PutRolePolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole",
    "UpdateRoleDescription", "DeleteServiceLinkedRole",
)  # fmt: skip
_ON_GROUPS = (
    "AddUserToGroup", "AttachGroupPolicy", "CreateGroup", "DeleteGroup", "DeleteGroupPolicy",
    "DetachGroupPolicy", "GetGroup", "GetGroupPolicy", "ListAttachedGroupPolicies",
    "ListGroupPolicies", "PutGroupPolicy", "RemoveUserFromGroup", "UpdateGroup",
)  # fmt: skip
_ON_POLICIES = (
    "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "GetPolicy", "GetPolicyVersion",
    "ListEntitiesForPolicy", "ListPolicyTags", "ListPolicyVersions", "SetDefaultPolicyVersion",
    "TagPolicy", "UntagPolicy",
)  # fmt: skip
_ON_PROFILES = (
    "CreateInstanceProfile", "DeleteInstanceProfile", "GetInstanceProfile",
    "ListInstanceProfileTags", "ListInstanceProfiles", "RemoveRoleFromInstanceProfile",
    "TagInstanceProfile", "UntagInstanceProfile",
)  # fmt: skip


def _service_role(call: ApiCall) -> list[str]:
    name = call.text("AWSServiceName")
    return [_iam(call, f"role/aws-service-role/{name}/AWSServiceRoleFor*")]


IAM = ServiceRules(
    model="iam",
    prefix="iam",
    rules={
        **_each(_USER, *_ON_USERS),
        **_each(_ROLE, *_ON_ROLES),
        **_each(_GROUP, *_ON_GROUPS),
        **_each(_POLICY, *_ON_POLICIES),
        **_each(_PROFILE, *_ON_PROFILES),
        "CreatePolicy": on(_new_policy, "iam:CreatePolicy"),
        "AddRoleToInstanceProfile": all_of(on(_PROFILE, "iam:AddRoleToInstanceProfile"),
                                         _pass_to_ec2),
        "CreateServiceLinkedRole": on(_service_role, "iam:CreateServiceLinkedRole"),
        "SimulatePrincipalPolicy": on(arns_at("PolicySourceArn"), "iam:SimulatePrincipalPolicy"),
        "GetContextKeysForPrincipalPolicy": on(
            arns_at("PolicySourceArn"), "iam:GetContextKeysForPrincipalPolicy"
        ),
        "GetAccessKeyLastUsed": on(fixed("*"), "iam:GetAccessKeyLastUsed"),
    },
    also={
        "CreateRole": when_set("Tags", on(_ROLE, "iam:TagRole")),
        "CreateUser": when_set("Tags", on(_USER, "iam:TagUser")),
        "CreatePolicy": when_set("Tags", on(_new_policy, "iam:TagPolicy")),
        "CreateInstanceProfile": when_set("Tags", on(_PROFILE, "iam:TagInstanceProfile")),
    },
    placeholders={
        "OidcProviderName": "OpenIDConnectProviderArn", "SamlProviderName": "SAMLProviderArn",
        "CertificateNameWithPath": "ServerCertificateName",
        "MfaTokenIdWithPath": "SerialNumber || VirtualMFADeviceName",
    },
    keys={
        "iam:PermissionsBoundary": "PermissionsBoundary",
        "iam:PolicyARN": "PolicyArn",
        "iam:AWSServiceName": "AWSServiceName",
    },
    state_keys=frozenset({"iam:PassedToService", "iam:ResourceTag/${TagKey}"}),
)  # fmt: skip

_SESSION = {
    "sts:ExternalId": "ExternalId",
    "sts:RoleSessionName": "RoleSessionName",
    "sts:DurationSeconds": "DurationSeconds",
    "sts:SourceIdentity": "SourceIdentity",
    "sts:TransitiveTagKeys": "TransitiveTagKeys",
}


def _federated_user(call: ApiCall) -> list[str]:
    return [call.arn("sts", f"federated-user/{call.text('Name')}", with_region=False)]


def _session_of(action: str) -> Rule:
    return all_of(
        on(arns_at("RoleArn"), f"sts:{action}", _SESSION),
        when_set("Tags", on(arns_at("RoleArn"), "sts:TagSession", _SESSION)),
        when_set("SourceIdentity", on(arns_at("RoleArn"), "sts:SetSourceIdentity", _SESSION)),
    )


STS = ServiceRules(
    model="sts",
    prefix="sts",
    rules={
        # AWS allows these to every principal, even under an explicit deny.
        "GetCallerIdentity": no_permission,
        "GetSessionToken": no_permission,
        "AssumeRole": _session_of("AssumeRole"),
        "AssumeRoleWithSAML": _session_of("AssumeRoleWithSAML"),
        "AssumeRoleWithWebIdentity": _session_of("AssumeRoleWithWebIdentity"),
        "GetFederationToken": all_of(
            on(_federated_user, "sts:GetFederationToken"),
            when_set("Tags", on(_federated_user, "sts:TagSession")),
        ),
    },
    state_keys=frozenset({*_SESSION}),
)


def _key(path: str = "KeyId") -> Resources:
    def resources(call: ApiCall) -> list[str]:
        name = call.text(path)
        arn = call.resolve("kms:key", name) if name else None
        blob = call.params.get("CiphertextBlob")
        if not name and blob is not None:
            arn = call.resolve("kms:ciphertext", blob)
        if arn or name.startswith("arn:"):
            return [arn or name]
        is_id = bool(name) and not name.startswith("alias/")
        return [call.arn("kms", f"key/{name if is_id else '*'}")]

    return resources


def _alias(call: ApiCall) -> list[str]:
    return [call.arn("kms", call.text("AliasName"))]


def _crypto_keys(call: ApiCall) -> dict[str, Any]:
    context = call.get("EncryptionContext") or {}
    keys = values(call, _KMS_KEYS)
    if call.text("KeyId").startswith("alias/"):
        keys["kms:RequestAlias"] = call.text("KeyId")
    if context:
        keys["kms:EncryptionContextKeys"] = list(context)
    return keys | {f"kms:EncryptionContext:{key}": value for key, value in context.items()}


def _crypto(action: str, path: str = "KeyId") -> Rule:
    def rule(call: ApiCall) -> list[Permission]:
        return [Permission(f"kms:{action}", arn, _crypto_keys(call)) for arn in _key(path)(call)]

    return rule


def _re_encrypt(call: ApiCall) -> list[Permission]:
    def side(action: str, path: str, context_path: str) -> Permission:
        context = call.get(context_path) or {}
        keys: dict[str, Any] = {f"kms:EncryptionContext:{k}": v for k, v in context.items()}
        if context:
            keys["kms:EncryptionContextKeys"] = list(context)
        return Permission(f"kms:{action}", _key(path)(call)[0], keys)

    return [
        side("ReEncryptFrom", "SourceKeyId", "SourceEncryptionContext"),
        side("ReEncryptTo", "DestinationKeyId", "DestinationEncryptionContext"),
    ]


def _grant(call: ApiCall) -> list[Permission]:
    constraints = call.get("Constraints") or {}
    context = values(call, {
        "kms:GrantOperations": "Operations", "kms:GranteePrincipal": "GranteePrincipal",
        "kms:RetiringPrincipal": "RetiringPrincipal",
    })  # fmt: skip
    if constraints:
        context["kms:GrantConstraintType"] = next(iter(constraints))
    # True if a service creates the grant for its caller; the integration sets it then.
    context["kms:GrantIsForAWSResource"] = False
    return [Permission("kms:CreateGrant", arn, context) for arn in _key()(call)]


def _new_key(call: ApiCall) -> list[Permission]:
    context = tag_keys(call) | values(call, _KMS_KEYS)
    tagging = [Permission("kms:TagResource", "*", context)] if call.get("Tags") else []
    return [Permission("kms:CreateKey", "*", context), *tagging]


_KMS_KEYS = {
    "kms:BypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck",
    "kms:DataKeyPairSpec": "KeyPairSpec",
    "kms:EncryptionAlgorithm": "EncryptionAlgorithm",
    "kms:KeyOrigin": "Origin",
    "kms:KeySpec": "KeySpec || CustomerMasterKeySpec",
    "kms:KeyUsage": "KeyUsage",
    "kms:MessageType": "MessageType",
    "kms:MultiRegion": "MultiRegion",
    "kms:ScheduleKeyDeletionPendingWindowInDays": "PendingWindowInDays",
    "kms:SigningAlgorithm": "SigningAlgorithm",
}
_CRYPTO = ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
           "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext",
           "GenerateMac", "VerifyMac", "Sign", "Verify", "DeriveSharedSecret")  # fmt: skip
_ON_KEYS = (
    "CancelKeyDeletion", "DeleteImportedKeyMaterial", "DescribeKey", "DisableKey",
    "DisableKeyRotation", "EnableKey", "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus",
    "GetParametersForImport", "GetPublicKey", "ImportKeyMaterial", "ListGrants",
    "ListKeyPolicies", "ListKeyRotations", "ListResourceTags", "PutKeyPolicy", "ReplicateKey",
    "RetireGrant", "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource",
    "UntagResource", "UpdateKeyDescription", "UpdatePrimaryRegion",
)  # fmt: skip
_ALIASED = _key("KeyId || TargetKeyId || AliasName")

KMS = ServiceRules(
    model="kms",
    prefix="kms",
    rules={operation: _crypto(operation) for operation in _CRYPTO}
    | {operation: on(_key(), f"kms:{operation}") for operation in _ON_KEYS}
    | {
        operation: all_of(on(_alias, f"kms:{operation}"), on(_ALIASED, f"kms:{operation}"))
        for operation in ("CreateAlias", "DeleteAlias", "UpdateAlias")
    }
    | {
        "CreateGrant": _grant,
        "CreateKey": _new_key,
        "ReEncrypt": _re_encrypt,
        # Listing the aliases of one key permissions no right on the key.
        "ListAliases": on(fixed("*"), "kms:ListAliases"),
    },
    keys=_KMS_KEYS,
    state_keys=frozenset(
        {
            "kms:CallerAccount", "kms:EncryptionContext:${EncryptionContextKey}",
            "kms:EncryptionContextKeys", "kms:GrantConstraintType", "kms:GrantIsForAWSResource",
            "kms:GrantOperations", "kms:GranteePrincipal", "kms:RequestAlias",
            "kms:RetiringPrincipal", "kms:ViaService",
        }
    ),
)  # fmt: skip
