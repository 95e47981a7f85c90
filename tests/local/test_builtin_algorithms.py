"""K-means, linear learner and XGBoost: jobs, and endpoints of their models, through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from roles import USER
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    ROLE,
    XGBOOST,
    aws,
    channel,
    messages,
    request,
    run,
    world,
)

from sageloop.local_cloud.images.formats import matrix

KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
LINEAR_LEARNER = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
RECORDIO = "application/x-recordio-protobuf"
RANDOM = np.random.default_rng(11)
ROWS = (
    RANDOM.normal(0, 1, (300, 2)) + np.array([[0, 0], [9, 9], [0, 9]])[np.arange(300) % 3]
).astype(np.float32)


def of(name: str, key: str, content_type: str, **s3: Any) -> dict[str, Any]:
    return channel(name, f"s3://{BUCKET}/{key}", **s3) | {"ContentType": content_type}


def metrics(job: dict[str, Any]) -> dict[str, float]:
    return {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}


@pytest.mark.feature("training: K-means")
def test_kmeans_trains_on_recordio_and_reports_metrics(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a", Body=matrix.write_recordio(ROWS))
    made = request(
        "clusters", KMEANS,
        HyperParameters={"k": "3", "feature_dim": "2", "eval_metrics": '["msd", "ssd"]'},
        InputDataConfig=[of("train", "train", RECORDIO), of("test", "train", RECORDIO)],
    )  # fmt: skip

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    reported = metrics(job)
    assert reported["test:ssd"] == pytest.approx(600, rel=0.2)
    assert reported["test:msd"] == pytest.approx(reported["train:msd"])
    assert "local implementation" in messages(aws, "clusters")[0]


@pytest.mark.feature("training: linear learner")
def test_linear_learner_trains_and_reports_metrics(aws: SimpleNamespace) -> None:
    rows = "".join(f"{int(a + b > 9)},{a},{b}\n" for a, b in ROWS)
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=rows.encode())
    made = request(
        "lines", LINEAR_LEARNER,
        HyperParameters={"predictor_type": "binary_classifier"},
        InputDataConfig=[of(name, "train", "text/csv") for name in ("train", "validation")],
    )  # fmt: skip

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    reported = metrics(job)
    assert reported["validation:binary_classification_accuracy"] > 0.97
    assert reported["validation:objective_loss"] < 0.1


@pytest.mark.feature("bad input: hyperparameter of K-means")
def test_invalid_hyperparameter_is_the_failure_reason(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a", Body=matrix.write_recordio(ROWS))
    made = request(
        "wrong", KMEANS, HyperParameters={"k": "three", "feature_dim": "2"},
        InputDataConfig=[of("train", "train", RECORDIO)],
    )  # fmt: skip

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Failed"
    assert "Hyperparameter k: could not parse value: 'three'" in job["FailureReason"]
    assert job["FailureReason"].endswith("exit code: 2")


@pytest.mark.slow
@pytest.mark.feature("training: built-in algorithms on several hosts")
@pytest.mark.parametrize(
    ("image", "parameters", "metric"),
    [
        (KMEANS, {"k": "3", "feature_dim": "2"}, "train:msd"),
        (LINEAR_LEARNER, {"predictor_type": "regressor"}, "train:mse"),
        (XGBOOST, {"num_round": "5", "eval_metric": "rmse"}, "train:rmse"),
    ],
    ids=["kmeans", "linear-learner", "xgboost"],
)
def test_two_hosts_train_on_their_shards(
    aws: SimpleNamespace, image: str, parameters: dict[str, str], metric: str
) -> None:
    labels = ROWS @ np.array([1.0, 2.0], np.float32)
    for number, part in enumerate((slice(0, 120), slice(120, 300))):
        body = matrix.write_recordio(ROWS[part], labels[part])
        aws.s3.put_object(Bucket=BUCKET, Key=f"train/{number}", Body=body)
    sharded = of("train", "train", RECORDIO, S3DataDistributionType="ShardedByS3Key")
    made = request("both", image, HyperParameters=parameters, InputDataConfig=[sharded])
    made["ResourceConfig"] |= {"InstanceCount": 2}

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert metric in metrics(job)


@pytest.fixture
def endpoint(aws: SimpleNamespace) -> Iterator[Any]:
    """Deploys a job's model; returns a function that invokes it."""
    from sageloop.local_cloud.sagemaker.runtime import SageMakerRuntimeService

    if "sagemaker-runtime" not in aws.cloud.front.services:
        aws.cloud.add([SageMakerRuntimeService(aws.cloud)])
    runtime = aws.cloud.client("sagemaker-runtime", principal=USER)
    sagemaker = aws.sagemaker

    def deployed(job: dict[str, Any]) -> Any:
        image = job["AlgorithmSpecification"]["TrainingImage"]
        url = job["ModelArtifacts"]["S3ModelArtifacts"]
        sagemaker.create_model(
            ModelName="m", ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": image, "ModelDataUrl": url},
        )  # fmt: skip
        variant = {
            "VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        }  # fmt: skip
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        described = aws.cloud.service("sagemaker").hosting.wait_endpoint("e")
        assert described["EndpointStatus"] == "InService", described.get("FailureReason")

        def invoke(body: bytes, accept: str = "application/json") -> str:
            answer = runtime.invoke_endpoint(
                EndpointName="e", Body=body, ContentType="text/csv", Accept=accept
            )
            assert answer["ContentType"].partition(";")[0] == accept
            return str(answer["Body"].read().decode())

        return invoke

    yield deployed
    sagemaker.delete_endpoint(EndpointName="e")
    aws.cloud.service("sagemaker").hosting.wait_endpoint("e")
    sagemaker.delete_endpoint_config(EndpointConfigName="c")
    sagemaker.delete_model(ModelName="m")
    assert aws.cloud.settle(180) == []


@pytest.mark.slow
@pytest.mark.feature("responses: K-means")
def test_trained_kmeans_model_is_served(aws: SimpleNamespace, endpoint: Any) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a", Body=matrix.write_recordio(ROWS))
    made = request(
        "clusters", KMEANS, HyperParameters={"k": "3", "feature_dim": "2"},
        InputDataConfig=[of("train", "train", RECORDIO)],
    )  # fmt: skip

    answer = json.loads(endpoint(run(aws, made))(b"9,9\n9.5,9\n0,0\n"))

    near = [prediction["closest_cluster"] for prediction in answer["predictions"]]
    assert near[0] == near[1] != near[2]
    assert answer["predictions"][0]["distance_to_cluster"] < 1


@pytest.mark.feature("responses: linear learner")
def test_trained_linear_model_is_served_in_aws_formats(aws: SimpleNamespace, endpoint: Any) -> None:
    rows = "".join(f"{int(a + b > 9)},{a},{b}\n" for a, b in ROWS)
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=rows.encode())
    made = request(
        "lines", LINEAR_LEARNER, HyperParameters={"predictor_type": "binary_classifier"},
        InputDataConfig=[of("train", "train", "text/csv")],
    )  # fmt: skip

    invoke = endpoint(run(aws, made))

    high, low = json.loads(invoke(b"9,9\n0,0\n"))["predictions"]
    assert (high["predicted_label"], low["predicted_label"]) == (1, 0)
    assert low["score"] < 0.5 < high["score"]
    lines = invoke(b"9,9\n0,0\n", "application/jsonlines").splitlines()
    assert [json.loads(line) for line in lines] == [high, low]


@pytest.mark.slow
@pytest.mark.feature("responses: XGBoost")
def test_trained_xgboost_model_is_served_in_aws_formats(
    aws: SimpleNamespace, endpoint: Any
) -> None:
    rows = "".join(f"{a + b},{a},{b}\n" for a, b in ROWS)
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=rows.encode())
    made = request(
        "trees", XGBOOST, HyperParameters={"num_round": "20", "eta": "0.5"},
        InputDataConfig=[of("train", "train", "text/csv")],
    )  # fmt: skip

    invoke = endpoint(run(aws, made))

    high, low = (float(each) for each in invoke(b"9,9\n0,0\n", "text/csv").split(","))
    assert high > low + 10
    scores = [
        prediction["score"] for prediction in json.loads(invoke(b"9,9\n0,0\n"))["predictions"]
    ]
    assert scores == pytest.approx([high, low])
