from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import Token

from constructs_lib import ConfigurationError
from constructs_lib._private.api_model import violations

from .conftest import Ground
from .requests import request_of


@pytest.mark.feature("training: any field of the API")
def test_overrides_apply_by_path_or_nested(anew: Ground) -> None:
    job = anew.job(overrides={
        "TensorBoardOutputConfig": {"S3OutputPath": "s3://b/boards"},
        "TensorBoardOutputConfig.LocalPath": "/opt/ml/output/tensorboard",
        "ResourceConfig": {"VolumeSizeInGB": 77},
        "InputDataConfig.0.InputMode": "FastFile",
        "RemoteDebugConfig.EnableRemoteDebug": True,
    })  # fmt: skip

    request = request_of(job)

    assert request["TensorBoardOutputConfig"] == {
        "S3OutputPath": "s3://b/boards", "LocalPath": "/opt/ml/output/tensorboard",
    }  # fmt: skip
    assert request["ResourceConfig"]["VolumeSizeInGB"] == 77
    assert request["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
    assert request["InputDataConfig"][0]["InputMode"] == "FastFile"


@pytest.mark.feature("training: any field of the API, checked against botocore's model")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"TensorBoardOutputConfg": {}},
         "TensorBoardOutputConfg is unknown; did you mean 'TensorBoardOutputConfig'?"),
        ({"TensorBoardOutputConfig.LocalPath": "/x"},
         "TensorBoardOutputConfig.S3OutputPath is required"),
        ({"ResourceConfig.VolumeSizeInGB": "77"},
         "ResourceConfig.VolumeSizeInGB must be a whole number, got '77'"),
        ({"RetryStrategy.MaximumRetryAttempts": 31},
         "RetryStrategy.MaximumRetryAttempts must have at most 30, got 31"),
        ({"AlgorithmSpecification.TrainingInputMode": "Fastfile"},
         "must be a value that SageMaker knows, got 'Fastfile'; did you mean 'FastFile'?"),
        ({"EnableNetworkIsolation": "yes"}, "must be true or false, got 'yes'"),
        ({"Tags": [{"Key": "", "Value": "x"}]}, "Tags.0.Key must have at least 1 characters"),
        ({"ExperimentConfig.ExperimentName": "a b"}, "must match"),
        ({"VpcConfig.Subnets.7": "x"}, "overrides: there is no member 'VpcConfig.Subnets.7'"),
        ({"TrainingJobName": "x"}, "overrides: TrainingJobName cannot be set: the trigger sets"),
        ({"RoleArn": "x"}, "overrides: RoleArn cannot be set: permissions are given"),
        ({"Environment": None}, "Environment must have a value, got None"),
    ],
)  # fmt: skip
def test_overrides_are_validated_against_api_model(
    anew: Ground, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        anew.job(overrides=overrides)

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "message"),
    [({"A" * 513: "x"}, "must have at most 512 characters, got 513"),
     ({"A": "x" * 513}, "Environment.A must have at most 512 characters, got 513"),
     ({"9": "x"}, "must match"),
     ({f"A{n}": "x" for n in range(101)}, "environment may have 100 variables, got 101")],
)  # fmt: skip
def test_invalid_environments_are_refused(
    anew: Ground, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        anew.job(environment=environment)

    assert message in str(refused.value)


@pytest.mark.feature("training: compression of output")
def test_output_may_be_left_uncompressed(anew: Ground) -> None:
    request = request_of(anew.job(output_compression="NONE"))

    assert request["OutputDataConfig"]["CompressionType"] == "NONE"


@pytest.mark.feature("training: isolation may be loosened explicitly")
def test_start_conditions_follow_isolation_of_request(anew: Ground) -> None:
    job = anew.job(network_isolation=False, encrypt_between_containers=False)

    create = next(each for each in job.start_statements()
                  if "sagemaker:CreateTrainingJob" in each.actions)  # fmt: skip

    request = request_of(job)
    assert request["EnableNetworkIsolation"] is False
    assert request["EnableInterContainerTrafficEncryption"] is False
    assert create.conditions == {"Null": {"sagemaker:VpcSubnets": "false"}}


def test_api_model_does_not_check_tokens() -> None:
    number: Any = Token.as_number({"Ref": "N"})
    request = {"TrainingJobName": Token.as_string({"Ref": "J"}), "RoleArn": "x" * 19,
               "OutputDataConfig": {"S3OutputPath": Token.as_string({"Ref": "P"})},
               "RetryStrategy": {"MaximumRetryAttempts": number}}  # fmt: skip

    reported = violations("CreateTrainingJob", request)

    assert len(reported) == 2
    assert all(each.startswith("RoleArn must") for each in reported)
