"""AWS Systems Manager parameters and AWS Secrets Manager secrets."""

from __future__ import annotations

import json
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    Update,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.calls import invoke
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

_PARAMETER = "AllowedPattern DataType Description Policies Tier Type Value"


def _parameter_attributes(context: ProviderContext) -> dict[str, Any]:
    return {"Type": context.properties["Type"], "Value": context.properties["Value"]}


def _put_parameter(context: ProviderContext) -> None:
    desired = {k: v for k, v in context.properties.items() if k in _PARAMETER.split()}
    context.call("PutParameter", Name=context.id, Overwrite=True, **desired)


def _generate(context: ProviderContext, params: dict[str, Any]) -> None:
    generation = dict(params.pop("GenerateSecretString", None) or {})
    if "SecretString" in params or "GenerateSecretString" not in context.properties:
        return
    template = generation.pop("SecretStringTemplate", None)
    key = generation.pop("GenerateStringKey", None)
    answer = invoke(context.request.client("secretsmanager"), "GetRandomPassword", generation)
    password = answer["RandomPassword"]
    params["SecretString"] = (
        password if template is None else json.dumps({**json.loads(template), key: password})
    )


def _generate_again(context: ProviderContext) -> None:
    params = {"GenerateSecretString": context.properties.get("GenerateSecretString")}
    if params["GenerateSecretString"] is not None:
        _generate(context, params)
        context.call("PutSecretValue", SecretId=context.id, **params)


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::SSM::Parameter": ApiResource(
        service="ssm",
        create_call="PutParameter",
        name=Name(property="Name", param="Name", max_length=1011),
        takes=takes(_PARAMETER),
        more_attributes=_parameter_attributes,
        steps=(Step(properties=_PARAMETER, apply=_put_parameter, on_create=False),),
        tagging=Tagging(
            tag="AddTagsToResource", untag="RemoveTagsFromResource",
            on={"ResourceType": "Parameter", "ResourceId": "{id}"},
        ),
        delete_call="DeleteParameter",
        delete_on={"Name": "{id}"},
        gone=names("ParameterNotFound"),
    ),
    "AWS::SecretsManager::Secret": ApiResource(
        service="secretsmanager",
        create_call="CreateSecret",
        name=Name(property="Name", param="Name", max_length=512),
        takes=takes("Description GenerateSecretString KmsKeyId SecretString"),
        prepare=_generate,
        ref="ARN",
        attributes={"Id": "{id}"},
        steps=(Step(properties="GenerateSecretString", apply=_generate_again, on_create=False),),
        updates=(
            Update(call="UpdateSecret", on={"SecretId": "{id}"},
                   takes=takes("Description KmsKeyId SecretString"), reset={"Description": ""}),
        ),
        tagging=Tagging(on={"SecretId": "{id}"}),
        delete_call="DeleteSecret",
        delete_on={"SecretId": "{id}", "ForceDeleteWithoutRecovery": True},
        gone=names("ResourceNotFoundException"),
    ),
}  # fmt: skip
