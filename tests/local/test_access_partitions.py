"""Access is decided in every partition: ARNs of policies and of requests have the region's."""

from __future__ import annotations

import json

import pytest
from deployed import function_template
from roles import FUNCTION, LAMBDA, role_properties

from sageloop.local_cloud.assembly import deploy_template
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

CODE = """
import boto3

def handler(event, context):
    return boto3.client("dynamodb").get_item(TableName=event["table"], Key={"id": {"S": "1"}})
"""
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    },
}
NAMED = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_role_of_a_stack_reads_the_table_that_its_policy_names(region: str, partition: str) -> None:
    read = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": {"Fn::Sub": NAMED}}
    properties = role_properties(LAMBDA, *FUNCTION)
    properties["Policies"].append({
        "PolicyName": "read",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [read]},
    })  # fmt: skip
    template = function_template(
        CODE, Table=TABLE, Role={"Type": "AWS::IAM::Role", "Properties": properties}
    )
    template["Outputs"] |= {
        "Table": {"Value": {"Ref": "Table"}}, "Arn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}},
    }  # fmt: skip
    with LocalCloud.start(region=region) as cloud:
        outputs = deploy_template(cloud, "s", template)

        response = cloud.client("lambda").invoke(
            FunctionName=outputs["Function"], Payload=json.dumps({"table": outputs["Table"]})
        )

        assert "FunctionError" not in response, response["Payload"].read()
        assert cloud.denials() == []
    assert outputs["Arn"].startswith(f"arn:{partition}:lambda:{region}:")
