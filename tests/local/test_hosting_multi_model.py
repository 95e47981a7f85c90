"""Multi-model endpoints through boto3: models that are loaded on demand."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_stage import ROLE, Stage, fresh, open_stage, refusal

from sageloop.local_cloud import images
from sageloop.local_cloud.sagemaker.hosting.timing import Timing

OWN = "000000000000.dkr.ecr.us-east-1.amazonaws.com/many:1"
ACCOUNT = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
XGBOOST = f"{ACCOUNT}/sagemaker-xgboost:1.7-1"
SCIKIT_LEARN = f"{ACCOUNT}/sagemaker-scikit-learn:1.2-1-cpu-py3"
MANY = "serving: multi-model endpoint"
PRESSURE = "serving: memory pressure unloads models"
MEGABYTE = 1024 * 1024
_SCRIPT = """
import json
from pathlib import Path
import words

def model_fn(model_dir):
    return (Path(model_dir) / "name.txt").read_text()

def input_fn(data, content_type):
    return data

def predict_fn(data, model):
    return f"{words.HELLO} {data} from {model}"

def output_fn(prediction, accept):
    return prediction, "text/csv"
"""


class Models:
    """An S3 prefix with models, and endpoints that serve them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.hosting = stage.hosting

    def put(self, name: str, **files: bytes) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            for path, content in ({"name.txt": name.encode()} | files).items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self.stage.s3.put_object(Bucket="data", Key=f"many/{name}.tar.gz", Body=packed.getvalue())

    def endpoint(
        self, image: str = OWN, count: int = 1, *, cached: bool = True, **environment: str
    ) -> None:
        setting = {"ModelCacheSetting": "Enabled" if cached else "Disabled"}
        self.stage.sagemaker.create_model(
            ModelName="many", ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": image, "Mode": "MultiModel", "ModelDataUrl": "s3://data/many/",
                "MultiModelConfig": setting, "Environment": environment,
            },
        )  # fmt: skip
        self.stage.config("many", "many", count)
        described = self.stage.endpoint("many")
        assert described["EndpointStatus"] == "InService", described["FailureReason"]

    def invoke(self, name: str, body: str = "who") -> str:
        return self.stage.invoke(body, TargetModel=f"{name}.tar.gz")

    def on_disk(self) -> int:
        """The models on the endpoint's disks."""
        assert self.stage.cloud.settle(180) == []
        below = self.stage.cloud.work_dir / "sagemaker" / "endpoints" / self.stage.name
        return len([path for path in below.glob("*/models/*") if path.is_dir()])

    def invocation_error(self, name: str, body: str = "who") -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            self.invoke(name, body)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    program = [sys.executable, "-IS", str(Path(__file__).with_name("multi_model_server.py"))]
    images.register(OWN, serving=program)
    with open_stage() as opened:
        yield opened
    images.unregister(OWN)


@pytest.fixture
def models(stage: Stage) -> Iterator[Models]:
    with fresh(stage):
        yield Models(stage)
        stage.hosting.instance_types.reset()


@pytest.mark.feature(MANY)
def test_models_of_a_prefix_are_invoked_by_name(models: Models) -> None:
    models.put("a")
    models.put("deep/b")
    models.endpoint()
    assert models.invoke("a") == "a"
    assert models.invoke("deep/b") == "deep/b"
    assert models.invoke("deep/b", "target") == "deep/b.tar.gz"
    assert models.invoke("a", "flag") == "true"


def test_model_uploaded_later_is_served_without_a_deployment(models: Models) -> None:
    models.endpoint()
    models.put("later")
    assert models.invoke("later") == "later"


@pytest.mark.slow
@pytest.mark.feature("serving: fifty models behind one endpoint")
def test_fifty_digit_models_are_served_by_one_process(models: Models) -> None:
    import numpy as np
    import xgboost
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    boosters = []
    for number in range(50):
        chosen = slice(number, None, 7)
        table = xgboost.DMatrix(pixels[chosen], label=digits[chosen] == number % 10)
        rows = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
        booster = xgboost.train(rows, table, num_boost_round=3)
        models.put(f"digit-{number}", **{"xgboost-model": bytes(booster.save_raw("ubj"))})
        boosters.append(booster)
    models.endpoint(XGBOOST)
    row = ",".join(str(value) for value in pixels[3])
    for number, booster in enumerate(boosters):
        expected = float(booster.predict(xgboost.DMatrix(np.asarray([pixels[3]])))[0])
        assert float(models.invoke(f"digit-{number}", row)) == pytest.approx(expected, rel=1e-4)
    assert models.stage.total("ModelCacheHit") == 0
    assert models.invoke("digit-7", row)
    assert models.stage.total("ModelCacheHit") == 1


@pytest.mark.feature("serving: script-mode models behind one endpoint")
def test_scripts_of_models_are_isolated(models: Models) -> None:
    for name in ("hello", "salut"):
        words = f"HELLO = {name!r}\n".encode()
        script = {"code/inference.py": _SCRIPT.encode(), "code/words.py": words}
        models.put(name, **script)
    models.endpoint(SCIKIT_LEARN, SAGEMAKER_PROGRAM="inference.py")
    assert models.invoke("hello", "x") == "hello x from hello"
    assert models.invoke("salut", "y") == "salut y from salut"
    assert models.invoke("hello", "z") == "hello z from hello"


@pytest.mark.feature(PRESSURE)
def test_least_recently_used_model_is_unloaded_if_container_has_no_memory(models: Models) -> None:
    for name in "abc":
        models.put(name)
    models.endpoint(MOST="2")
    models.invoke("a")
    models.invoke("b")
    models.invoke("a")
    assert models.invoke("c", "models") == "2"
    hits = models.stage.total("ModelCacheHit")
    models.invoke("a")
    assert models.stage.total("ModelCacheHit") == hits + 1
    models.invoke("b")
    assert models.stage.total("ModelCacheHit") == hits + 1
    assert models.stage.total("ModelUnloadingTime") > 0


@pytest.mark.feature(PRESSURE)
def test_models_over_the_instance_memory_are_unloaded(models: Models) -> None:
    models.hosting.instance_types.change("ml.m5.large", memory_mb=75)
    for name in "abc":
        models.put(name, weights=bytes(20 * MEGABYTE))
    models.endpoint()
    assert models.invoke("a", "models") == "1"
    assert models.invoke("b", "models") == "2"
    assert models.invoke("c", "models") == "2"


def test_model_too_large_for_the_instance_is_a_model_error(models: Models) -> None:
    models.hosting.instance_types.change("ml.m5.large", memory_mb=16)
    models.put("big", weights=bytes(17 * MEGABYTE))
    models.endpoint()
    code, message = models.invocation_error("big")
    assert code == "ModelError"
    assert "(507)" in message
    assert "no loaded model can be unloaded" in message


def test_model_is_unloaded_after_its_request_without_caching(models: Models) -> None:
    models.put("a")
    models.endpoint(cached=False)
    models.invoke("a")
    assert models.stage.cloud.settle(180) == []
    models.invoke("a")
    assert models.stage.total("ModelCacheHit") == 0


@pytest.mark.feature("bad input: an unknown target model")
def test_unknown_target_model_is_refused_with_aws_message(models: Models) -> None:
    models.endpoint()
    assert models.invocation_error("nowhere") == (
        "ValidationError",
        "Failed to download model data(bucket: data, key: many/nowhere.tar.gz). Please ensure "
        "that there is an object located at the URL and that the role passed to CreateModel has "
        "permissions to download the model.",
    )
    models.put("nowhere")
    assert models.invoke("nowhere") == "nowhere"


@pytest.mark.feature("bad input: a target model that is no archive")
def test_target_model_that_is_no_archive_is_a_model_error(models: Models) -> None:
    models.endpoint()
    models.stage.s3.put_object(Bucket="data", Key="many/odd.tar.gz", Body=b"not an archive")
    code, message = models.invocation_error("odd")
    assert code == "ModelError"
    assert "not a valid tar.gz archive" in message


@pytest.mark.feature("bad input: a target model that does not load")
def test_model_that_fails_to_load_is_a_model_error(models: Models) -> None:
    models.put("odd", broken=b"")
    models.endpoint()
    code, message = models.invocation_error("odd")
    assert code == "ModelError"
    assert 'Received server error (500) from primary with message "the model does not' in message


@pytest.mark.feature("bad input: a request without a target model")
def test_request_without_target_model_is_refused(models: Models) -> None:
    models.endpoint()
    invoke = models.stage.runtime.invoke_endpoint
    code, message = refusal(invoke, EndpointName=models.stage.name, Body="x")
    assert code == "ValidationError"
    assert message.endswith("is missing a target model header.")


def test_target_model_is_refused_by_single_model_endpoint(models: Models) -> None:
    models.stage.endpoint("one")
    code, message = models.invocation_error("a")
    name = models.stage.name
    assert code == "ValidationError"
    assert message == (
        f"Endpoint {name} is not a multi-model endpoint and does not support target model header."
    )


def test_image_without_multi_model_support_is_refused(models: Models) -> None:
    models.stage.sagemaker.create_model(
        ModelName="many", ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": f"{ACCOUNT}/kmeans:1", "Mode": "MultiModel", "ModelDataUrl": "s3://data/many/",
        },
    )  # fmt: skip
    models.stage.config("many", "many")
    create = models.stage.sagemaker.create_endpoint
    code, message = refusal(create, EndpointName="x", EndpointConfigName="many")
    assert code == "ValidationException"
    assert "com.amazonaws.sagemaker.capabilities.multi-models=true" in message


def test_container_without_model_list_fails_the_endpoint(models: Models) -> None:
    models.hosting.timing = Timing(startup_cap=1, terminate=2)
    with pytest.raises(AssertionError, match="did not pass the ping health check"):
        models.endpoint(LISTS="no")


@pytest.mark.feature("serving: requests are routed to the instance that has the model")
def test_requests_are_routed_to_the_instance_with_the_model(models: Models) -> None:
    for name in "abcdef":
        models.put(name)
    models.endpoint(count=2)
    where = {name: {models.invoke(name, "pid") for _ in range(5)} for name in "abcdef"}
    assert all(len(pids) == 1 for pids in where.values())
    assert models.stage.total("ModelCacheHit") == 24


def test_restarted_container_loads_its_models_again(models: Models) -> None:
    models.put("a")
    models.endpoint()
    models.invoke("a")
    assert models.invocation_error("a", "die")[0] == "ModelError"
    assert models.stage.cloud.settle(180) == []
    assert models.invoke("a") == "a"


def test_slow_model_is_not_ready_and_continues_loading(models: Models) -> None:
    models.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2, invocation=0.5)
    models.put("a", slow=b"")
    models.endpoint()
    runtime: Any = models.stage.runtime
    code, _ = refusal(
        runtime.invoke_endpoint, EndpointName=models.stage.name, Body="who", TargetModel="a.tar.gz"
    )
    assert code == "ModelNotReadyException"
    assert models.stage.cloud.settle(180) == []
    assert models.invoke("a") == "a"


def test_timed_out_load_is_cleaned_up_and_repeated(models: Models) -> None:
    models.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2, model_load=1.0)
    models.put("a", slow=b"")
    models.put("b")
    models.endpoint()

    code, message = models.invocation_error("a")

    assert (code, "timed out" in message) == ("ModelError", True)
    assert models.invoke("b", "models") == "1"  # models in the container
    assert models.on_disk() == 1
    models.put("a")
    assert models.invoke("a") == "a"
    assert models.invoke("a", "models") == "2"
    assert models.on_disk() == 2


@pytest.mark.feature("serving: metrics of multi-model endpoints")
def test_model_loading_time_is_published_in_microseconds(models: Models) -> None:
    models.put("a")
    models.endpoint()
    models.invoke("a")
    for name in ("ModelLoadingWaitTime", "ModelDownloadingTime", "ModelLoadingTime"):
        assert models.stage.total(name) > 0
    models.stage.cloud.clock.advance(61)
    assert models.stage.cloud.settle(180) == []
    now = models.stage.cloud.clock.now()
    units = models.stage.cloudwatch.get_metric_statistics(
        Namespace="/aws/sagemaker/Endpoints", MetricName="LoadedModelCount", Period=86400 * 365,
        StartTime=now.replace(year=2020), EndTime=now.replace(year=now.year + 1),
        Statistics=["Maximum"],
        Dimensions=[{"Name": "EndpointName", "Value": models.stage.name},
                    {"Name": "VariantName", "Value": "AllTraffic"}],
    )["Datapoints"]  # fmt: skip
    assert [point["Maximum"] for point in units] == [1.0]


def test_batch_transform_of_a_multi_model_container_is_refused(models: Models) -> None:
    models.endpoint()
    code, message = refusal(
        models.stage.sagemaker.create_transform_job, TransformJobName="many", ModelName="many",
        TransformInput={"DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://data/in"}}},
        TransformOutput={"S3OutputPath": "s3://data/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )  # fmt: skip
    assert code == "ValidationException"
    assert "does not support multi-model containers" in message
