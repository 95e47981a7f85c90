from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Token
from aws_cdk import aws_ecr as ecr

from constructs_lib import (
    Algorithm,
    Channel,
    ConfigurationError,
    CustomImage,
    Distribution,
    InstanceGroup,
    PyTorch,
    ResourceConfig,
    SKLearn,
    SourceCode,
    TensorFlow,
    TrainingRole,
    XGBoost,
    XGBoostScript,
)

from .conftest import Ground
from .requests import request_of

_DATA: dict[str, Any] = {"data": None, "channels": [Channel.store("train", prefix="digits/")]}
_FRAMEWORKS = {
    "scikit-learn": (SKLearn, "sagemaker-scikit-learn:1.4-2-cpu-py3"),
    "PyTorch": (PyTorch, "pytorch-training:2.6.0-cpu-py312"),
    "TensorFlow": (TensorFlow, "tensorflow-training:2.19.0-cpu-py312"),
    "XGBoost script mode": (XGBoostScript, "sagemaker-xgboost:3.0-5"),
}


@pytest.fixture
def source(tmp_path: Path) -> SourceCode:
    """A folder with one script."""
    (tmp_path / "train.py").write_text("print('trained')\n")
    return SourceCode(folder=tmp_path)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.feature(f"training: {name}")) for name in _FRAMEWORKS],
)
def test_a_frameworks_script_runs_in_its_image(anew: Ground, source: SourceCode, name: str) -> None:
    make, image = _FRAMEWORKS[name]
    algorithm = make(source=source, hyperparameters={"epochs": 3})

    request = request_of(anew.job(algorithm=algorithm, **_DATA))

    assert request["AlgorithmSpecification"]["TrainingImage"].endswith(f"/{image}")
    assert request["HyperParameters"]["epochs"] == "3"
    assert request["HyperParameters"]["sagemaker_program"] == '"train.py"'


@pytest.mark.feature("training: hyperparameters of any JSON value")
def test_hyperparameters_are_written_as_json(anew: Ground, source: SourceCode) -> None:
    provided = {"lr": 0.1, "name": "abc", "deep": True, "none": None, "sizes": [1, 2],
             "net": {"width": 4}}  # fmt: skip

    request = request_of(
        anew.job(algorithm=PyTorch(source=source, hyperparameters=provided), **_DATA)
    )

    reported = request["HyperParameters"]
    assert {name: json.loads(reported[name]) for name in provided} == provided
    assert reported["name"] == '"abc"'
    assert reported["sagemaker_container_log_level"] == "20"
    assert json.loads(reported["sagemaker_region"])


@pytest.mark.feature("training: code as a channel under isolation")
def test_code_is_channel_with_network_isolation(anew: Ground, source: SourceCode) -> None:
    request = request_of(anew.job(algorithm=PyTorch(source=source), **_DATA))

    channel = request["InputDataConfig"][-1]
    key = source.asset(anew.stack).s3_object_key
    s3 = channel["DataSource"]["S3DataSource"]
    assert channel["ChannelName"] == "code"
    assert s3["S3DataType"] == "S3Prefix"
    assert s3["S3Uri"].endswith(f"/{key}")
    reported = json.loads(request["HyperParameters"]["sagemaker_submit_directory"])
    assert reported == f"/opt/ml/input/data/code/{key}"


@pytest.mark.feature("training: code from S3 without isolation")
def test_code_is_downloaded_without_network_isolation(anew: Ground, source: SourceCode) -> None:
    request = request_of(
        anew.job(algorithm=PyTorch(source=source), network_isolation=False, **_DATA)
    )

    assert [each["ChannelName"] for each in request["InputDataConfig"]] == ["train"]
    reported = json.loads(request["HyperParameters"]["sagemaker_submit_directory"])
    assert reported.startswith("s3://")
    assert request["EnableNetworkIsolation"] is False


@pytest.mark.feature("training: requirements.txt refused under isolation")
@pytest.mark.parametrize("make", [PyTorch, lambda source: CustomImage(uri="mine:1", source=source)])
def test_requirements_are_refused_under_isolation(
    anew: Ground, source: SourceCode, make: Callable[..., Algorithm]
) -> None:
    (Path(source.folder) / "requirements.txt").write_text("polars\n")

    with pytest.raises(
        ConfigurationError, match=r"RequirementsNotAllowed: requirements.txt cannot"
    ):
        anew.job(algorithm=make(source=source), **_DATA)


def test_requirements_are_accepted_without_isolation(anew: Ground, source: SourceCode) -> None:
    (Path(source.folder) / "requirements.txt").write_text("polars\n")

    anew.job(algorithm=PyTorch(source=source), network_isolation=False, **_DATA)


def test_role_reads_code_archive_only(ground: Ground, source: SourceCode) -> None:
    job = ground.job(algorithm=PyTorch(source=source), **_DATA)

    statements = source.statements(job)

    key = source.asset(ground.stack).s3_object_key
    reported = [ground.stack.resolve(each.to_json()) for each in statements]
    assert reported[0]["Condition"] == {"StringEquals": {"s3:prefix": key}}
    assert json.dumps(reported[1]["Resource"]).count("*") == 0
    assert json.dumps(reported[1]["Resource"]).endswith(f'/{key}"]]}}')
    policy = json.dumps(ground.template().find_resources("AWS::IAM::ManagedPolicy"))
    assert f"/{key}" in policy


@pytest.mark.parametrize("kind", [PyTorch, TensorFlow])
@pytest.mark.feature("training: distribution by MPI")
def test_mpi_is_configured_by_hyperparameters(
    anew: Ground, source: SourceCode, kind: type[PyTorch]
) -> None:
    spread = Distribution.mpi(processes_per_host=4, custom_mpi_options="-verbose")

    request = request_of(anew.job(
        algorithm=kind(source=source, distribution=spread),
        compute=ResourceConfig(instance_count=2),
        **_DATA,
    ))  # fmt: skip

    reported = request["HyperParameters"]
    assert reported["sagemaker_mpi_enabled"] == "true"
    assert reported["sagemaker_mpi_num_of_processes_per_host"] == "4"
    assert reported["sagemaker_mpi_custom_mpi_options"] == '"-verbose"'


@pytest.mark.feature("training: distribution by torchrun")
def test_torchrun_is_configured_by_hyperparameters(anew: Ground, source: SourceCode) -> None:
    algorithm = PyTorch(source=source, distribution=Distribution.torchrun())

    request = request_of(
        anew.job(algorithm=algorithm, compute=ResourceConfig(instance_count=2), **_DATA)
    )

    assert request["HyperParameters"]["sagemaker_torch_distributed_enabled"] == "true"
    assert request["ResourceConfig"]["InstanceCount"] == 2


@pytest.mark.feature("training: distribution by SageMaker data parallel")
def test_data_parallel_runs_on_the_types_that_have_it(anew: Ground, source: SourceCode) -> None:
    algorithm = PyTorch(source=source, distribution=Distribution.data_parallel())

    request = request_of(
        anew.job(
            algorithm=algorithm, compute=ResourceConfig(instance_type="ml.p4d.24xlarge"), **_DATA
        )
    )

    assert request["HyperParameters"]["sagemaker_distributed_dataparallel_enabled"] == "true"


def test_data_parallel_is_refused_on_other_types(anew: Ground, source: SourceCode) -> None:
    algorithm = PyTorch(source=source, distribution=Distribution.data_parallel())

    with pytest.raises(ConfigurationError, match=r"data_parallel needs one of .*'ml.g5.xlarge'"):
        anew.job(algorithm=algorithm, compute=ResourceConfig(instance_type="ml.g5.xlarge"), **_DATA)


def test_unknown_instance_groups_of_distribution_are_refused(
    anew: Ground, source: SourceCode
) -> None:
    algorithm = PyTorch(source=source, distribution=Distribution.torchrun(instance_groups=["gpus"]))
    compute = ResourceConfig(groups=[InstanceGroup(name="cpus", instance_type="ml.m5.xlarge")])

    with pytest.raises(ConfigurationError, match=r"instance_groups must be of cpus, got 'gpus'"):
        anew.job(algorithm=algorithm, compute=compute, **_DATA)


@pytest.mark.parametrize("make", [SKLearn, XGBoostScript, TensorFlow])
def test_a_distribution_that_the_image_lacks_is_refused(
    source: SourceCode, make: type[SKLearn]
) -> None:
    with pytest.raises(ConfigurationError, match=r"distribution must be of .*got 'torchrun'"):
        make(source=source, distribution=Distribution.torchrun())


def test_scikit_learn_runs_on_one_instance(anew: Ground, source: SourceCode) -> None:
    with pytest.raises(ConfigurationError, match=r"SKLearn runs on 1 instance, got 2"):
        anew.job(
            algorithm=SKLearn(source=source), compute=ResourceConfig(instance_count=2), **_DATA
        )


@pytest.mark.parametrize(
    ("provided", "message"),
    [
        ({"sagemaker_program": "x"}, "'sagemaker_program' is SageMaker's own"),
        ({"when": {1, 2}}, "when must be a value of JSON, got {1, 2}"),
        ({"lr": float("nan")}, "lr must be a value of JSON, got nan"),
        ({"text": "x" * 2500}, "text must have at most 2500 characters as JSON, got 2502"),
    ],
)
def test_hyperparameters_of_a_script_must_be_json(
    source: SourceCode, provided: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PyTorch(source=source, hyperparameters=provided)

    assert message in str(refused.value)


def test_tokens_are_preserved(anew: Ground, source: SourceCode) -> None:
    number: Any = Token.as_number({"Ref": "Epochs"})
    text = Token.as_string({"Ref": "Name"})

    program = PyTorch(source=source, hyperparameters={"n": number, "t": [text]}).program(
        anew.stack, isolated=True
    )

    assert anew.stack.resolve(program.hyperparameters["n"]) == {"Ref": "Epochs"}
    assert anew.stack.resolve(program.hyperparameters["t"]) == {
        "Fn::Join": ["", ['["', {"Ref": "Name"}, '"]']]
    }


@pytest.mark.feature("training: a custom image")
def test_custom_image_has_command_line(anew: Ground) -> None:
    algorithm = CustomImage(
        uri="111122223333.dkr.ecr.eu-west-1.amazonaws.com/mine:1", entrypoint=["python3", "t.py"],
        arguments=["--deep"], hyperparameters={"name": "abc", "n": 3, "sizes": [1]},
    )  # fmt: skip

    request = request_of(anew.job(algorithm=algorithm, **_DATA))

    assert request["AlgorithmSpecification"]["ContainerEntrypoint"] == ["python3", "t.py"]
    assert request["AlgorithmSpecification"]["ContainerArguments"] == ["--deep"]
    assert request["HyperParameters"] == {"n": "3", "name": "abc", "sizes": "[1]"}


def test_custom_image_has_code(anew: Ground, source: SourceCode) -> None:
    algorithm = CustomImage(uri="mine:1", source=source, hyperparameters={"name": "abc"})

    request = request_of(anew.job(algorithm=algorithm, **_DATA))

    assert request["HyperParameters"]["name"] == '"abc"'
    assert request["InputDataConfig"][-1]["ChannelName"] == "code"


def test_role_can_pull_image_of_repository(anew: Ground) -> None:
    repository = ecr.Repository.from_repository_name(anew.stack, "Repository", "mine")
    image = CustomImage.from_repository(repository, tag="7")

    role = anew.job(algorithm=image, **_DATA).specification.role

    assert image.uri.endswith("mine:7")
    assert role.policy is not None
    statements = anew.stack.resolve(role.policy.document)["Statement"]
    (pull,) = [each for each in statements if "ecr:BatchGetImage" in each["Action"]]
    assert pull["Resource"] == anew.stack.resolve(repository.repository_arn)


def test_role_pulls_an_image_that_it_knows_by_one_statement(anew: Ground) -> None:
    image = XGBoost(hyperparameters={"num_round": 1}).image(anew.stack)
    role = TrainingRole(anew.stack, "Mine", repository_arns=[image.repository_arn])

    anew.job(role=role)

    assert role.policy is not None
    statements = anew.stack.resolve(role.policy.document)["Statement"]
    assert len([each for each in statements if "ecr:BatchGetImage" in each["Action"]]) == 1


def test_image_without_uri_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"uri must match"):
        CustomImage(uri="")
