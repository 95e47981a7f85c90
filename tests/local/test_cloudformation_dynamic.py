"""Dynamic references: where they are resolved, when they are read again, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.cloudformation_harness import Bench, bench, custom, made, template, thing
from tests.local.roles import CLOUDFORMATION, USER, delete_role, make_role, trust

__all__ = ["bench", "made"]


@pytest.fixture
def ssm(bench: Bench) -> Iterator[Any]:
    """A client of Systems Manager; its parameters do not outlive the test."""
    client = bench.cloud.client("ssm", principal=USER)
    yield client
    for one in client.describe_parameters()["Parameters"]:
        client.delete_parameter(Name=one["Name"])


@pytest.fixture
def secrets(bench: Bench) -> Iterator[Any]:
    """A client of Secrets Manager; its secrets do not outlive the test."""
    client = bench.cloud.client("secretsmanager", principal=USER)
    yield client
    for one in client.list_secrets()["SecretList"]:
        client.delete_secret(SecretId=one["ARN"], ForceDeleteWithoutRecovery=True)


def store(ssm: Any, value: str, name: str = "/word", kind: str = "String") -> None:
    ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def size(bench: Bench) -> Any:
    """What the provider received last."""
    return bench.things.requests[-1].properties["Size"]


def refusal(bench: Bench, resources: dict[str, Any], **more: Any) -> str:
    """The error of a stack that must not exist afterwards."""
    with pytest.raises(ClientError) as error:
        bench.cfn.create_stack(StackName="s", TemplateBody=template(resources, **more))
    with pytest.raises(ClientError, match="does not exist"):
        bench.stack("s")
    assert error.value.response["Error"]["Code"] == "ValidationError"
    return str(error.value.response["Error"]["Message"])


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("{{resolve:ssm:/word}}", "second"),
        ("{{resolve:ssm:/word:1}}", "first"),
        ("a={{resolve:ssm:/word:1}}_b={{resolve:ssm:/word:2}}", "a=first_b=second"),
        ("{{resolve:ssm:/list}}", "a, b ,c"),
        ({"Fn::Sub": ["{{resolve:ssm:${N}}}", {"N": "/word"}]}, "second"),
        ({"Fn::Join": ["", ["{{resolve:ssm:", {"Ref": "Name"}, "}}"]]}, "second"),
    ],
)
def test_plain_parameter_is_resolved_in_properties(
    bench: Bench, ssm: Any, reference: Any, expected: str
) -> None:
    store(ssm, "first")
    store(ssm, "second")
    store(ssm, "a, b ,c", name="/list", kind="StringList")
    names = {"Name": {"Type": "String", "Default": "/word"}}

    assert bench.create("s", {"A": thing(Size=reference)}, Parameters=names) == "CREATE_COMPLETE"
    assert size(bench) == expected


def test_outputs_conditions_and_metadata_keep_the_reference(bench: Bench, ssm: Any) -> None:
    store(ssm, "word")
    reference = "{{resolve:ssm:/word}}"
    resource = thing() | {"Metadata": {"M": reference}, "Condition": "C"}

    status = bench.create(
        "s", {"A": resource, "B": thing()}, Outputs={"O": {"Value": reference}},
        Conditions={"C": {"Fn::Equals": [reference, "word"]}},
    )  # fmt: skip

    assert status == "CREATE_COMPLETE"
    assert bench.outputs("s") == {"O": reference}
    assert bench.events("s", "A") == []


def test_update_reads_the_latest_plain_parameter_again(bench: Bench, ssm: Any) -> None:
    store(ssm, "old")
    resources = {"A": thing(Size="{{resolve:ssm:/word}}")}
    bench.create("s", resources)
    store(ssm, "new")

    assert bench.update("s", resources) == "UPDATE_COMPLETE"
    assert size(bench) == "new"
    with pytest.raises(ClientError, match="No updates are to be performed"):
        bench.update("s", resources)


def test_change_set_contains_the_changed_value_of_a_plain_parameter(bench: Bench, ssm: Any) -> None:
    store(ssm, "old")
    resources = {"A": thing(Size="{{resolve:ssm:/word}}")}
    bench.create("s", resources)
    store(ssm, "new")

    (change,) = bench.change_set("s", resources)["Changes"]

    (detail,) = change["ResourceChange"]["Details"]
    assert (detail["Target"]["BeforeValue"], detail["Target"]["AfterValue"]) == ("old", "new")


def test_update_reads_a_secret_only_with_its_resource(bench: Bench, secrets: Any) -> None:
    secrets.create_secret(Name="word", SecretString="old")
    reference = "{{resolve:secretsmanager:word}}"
    bench.create("s", {"A": thing(Size=reference)})
    secrets.put_secret_value(SecretId="word", SecretString="new")

    bench.update("s", {"A": thing(Size=reference), "B": thing()})
    assert [r.logical_id for r in bench.things.requests] == ["A", "B"]

    bench.update("s", {"A": thing(Size=reference, Fail="no"), "B": thing()})
    assert size(bench) == "new"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("json", '{"user": "u2", "flag": true}'),
        ("json:SecretString", '{"user": "u2", "flag": true}'),
        ("json:SecretString:user", "u2"),
        ("json:SecretString:flag", "true"),
        ("json:SecretString:user:AWSPREVIOUS", "u1"),
        ("json::user::", "u2"),
        ("ARN:SecretString:user", "u2"),
    ],
)
def test_secret_is_resolved_by_key_and_stage(
    bench: Bench, secrets: Any, reference: str, expected: str
) -> None:
    arn = secrets.create_secret(Name="json", SecretString='{"user": "u1"}')["ARN"]
    secrets.put_secret_value(SecretId="json", SecretString='{"user": "u2", "flag": true}')

    bench.create(
        "s", {"A": thing(Size=f"{{{{resolve:secretsmanager:{reference.replace('ARN', arn)}}}}}")}
    )

    assert size(bench) == expected
    events = bench.cfn.describe_stack_events(StackName="s")["StackEvents"]
    assert not any(expected in e.get("ResourceProperties", "") for e in events)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("word:SecretString:user", "Could not parse SecretString JSON"),
        ("json:SecretString:no", "Could not find a value associated with JSONKey in SecretString"),
        ("none", "can't find the specified secret"),
        ("json:SecretBinary:user", "after the secret's id come SecretString"),
        ("word\\", "must not end with a backslash"),
    ],
)
def test_secret_that_cannot_be_resolved_fails_the_resource(
    bench: Bench, secrets: Any, reference: str, reason: str
) -> None:
    secrets.create_secret(Name="json", SecretString='{"user": "u1"}')
    secrets.create_secret(Name="word", SecretString="plain")

    status = bench.create("s", {"A": thing(Size=f"{{{{resolve:secretsmanager:{reference}}}}}")})

    assert status == "ROLLBACK_COMPLETE"
    assert reason in bench.reason("s", "A", "CREATE_FAILED")


def test_custom_resource_receives_plain_values_and_references_to_secrets(
    bench: Bench, ssm: Any, secrets: Any
) -> None:
    store(ssm, "plain")
    secrets.create_secret(Name="word", SecretString="secret")
    reference = "{{resolve:secretsmanager:word}}"

    bench.create("s", {"C": custom(Plain="{{resolve:ssm:/word}}", Secret=reference)})

    (event,) = bench.functions.events
    properties = event["ResourceProperties"]
    assert (properties["Plain"], properties["Secret"]) == ("plain", reference)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("{{resolve:ssm:/none}}", "Parameters: [ssm:/none] cannot be found."),
        ("{{resolve:ssm:/word:9}}", "Parameters: [ssm:/word:9] cannot be found."),
        (
            "{{resolve:ssm:/word:prod}}",
            "Incorrect format is used in the following SSM reference: [{{resolve:ssm:/word:prod}}]",
        ),
        (
            "{{resolve:ssm:/hidden:1}}",
            "Non-secure ssm prefix was used for secure parameter /hidden",
        ),
        (
            "{{resolve:ssm-secure:/hidden}}",
            "SSM Secure reference is not supported in: [Test::Unit::Thing/Properties/Size/Deep]",
        ),
        (
            "{{resolve:vault:/word}}",
            "Dynamic reference to vault is not supported; supported are ssm, ssm-secure, "
            "secretsmanager",
        ),
    ],
)
def test_reference_is_refused_before_a_stack_exists(
    bench: Bench, ssm: Any, reference: str, message: str
) -> None:
    store(ssm, "word")
    store(ssm, "word", name="/hidden", kind="SecureString")

    assert refusal(bench, {"A": thing(Size={"Deep": [reference]})}) == message
    assert bench.things.requests == []


def test_secure_string_is_refused_in_a_custom_resource(bench: Bench, ssm: Any) -> None:
    store(ssm, "word", name="/hidden", kind="SecureString")

    message = refusal(bench, {"C": custom(Secret="{{resolve:ssm-secure:/hidden}}")})

    assert message == "SSM Secure reference is not supported in: [Custom::Thing/Properties/Secret]"


def test_secure_string_is_resolved_where_aws_supports_it(ssm: Any, bench: Bench) -> None:
    from sageloop.local_cloud.cloudformation.dynamic import check_dynamic, resolve_secrets

    store(ssm, "hidden", name="/hidden", kind="SecureString")
    user = {"LoginProfile": {"Password": "{{resolve:ssm-secure:/hidden:1}}"}}

    check_dynamic("AWS::IAM::User", user)
    resolved = resolve_secrets(user, lambda service: bench.cloud.client(service, principal=USER))

    assert resolved == {"LoginProfile": {"Password": "hidden"}}


def test_deleted_parameter_and_secret_do_not_prevent_update_and_deletion(
    bench: Bench, ssm: Any, secrets: Any
) -> None:
    store(ssm, "word")
    secrets.create_secret(Name="word", SecretString="secret")
    references = {"Size": "{{resolve:ssm:/word}}", "Fail": "{{resolve:secretsmanager:word}}"}
    bench.create("s", {"A": thing(**references), "B": thing(**references)})
    ssm.delete_parameter(Name="/word")
    secrets.delete_secret(SecretId="word", ForceDeleteWithoutRecovery=True)

    assert bench.update("s", {"A": thing(Size="new")}) == "UPDATE_COMPLETE"
    assert bench.delete("s") == "DELETE_COMPLETE"
    assert bench.things.alive == {}


def test_rolled_back_update_needs_the_former_secret(bench: Bench, secrets: Any) -> None:
    secrets.create_secret(Name="word", SecretString="secret")
    bench.create("s", {"A": thing(Size="{{resolve:secretsmanager:word}}")})
    secrets.delete_secret(SecretId="word", ForceDeleteWithoutRecovery=True)

    status = bench.update(
        "s", {"A": thing(Size="new"), "B": thing(Fail="create", depends_on=["A"])}
    )

    assert status == "UPDATE_ROLLBACK_FAILED"
    assert "Could not resolve" in bench.reason("s", "A", "UPDATE_FAILED")


def test_more_than_sixty_references_are_refused(bench: Bench, ssm: Any) -> None:
    store(ssm, "word")
    several = {f"T{n}": thing(Size="{{resolve:ssm:/word}}" * 20) for n in range(3)}
    assert bench.create("full", several) == "CREATE_COMPLETE"

    message = refusal(bench, several | {"More": thing(Size="{{resolve:ssm:/word}}")})

    assert message.endswith("has 61 dynamic references, of at most 60")


def test_parameters_are_read_as_the_role_of_the_request(bench: Bench, ssm: Any) -> None:
    store(ssm, "word")
    iam = bench.cloud.client("iam", principal=USER)
    role = make_role(iam, "deployer", trust(CLOUDFORMATION))
    body = json.dumps({"Resources": {"A": thing(Size="{{resolve:ssm:/word}}")}})

    with pytest.raises(ClientError, match="deployer/service is not authorized to perform: ssm:Get"):
        bench.cfn.create_change_set(
            StackName="s", ChangeSetName="set", ChangeSetType="CREATE", TemplateBody=body,
            RoleARN=role,
        )  # fmt: skip

    with pytest.raises(ClientError, match="does not exist"):
        bench.stack("s")
    delete_role(iam, "deployer")
