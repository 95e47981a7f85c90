"""Batch transform: objects become requests, responses become objects."""

from __future__ import annotations

import gzip
import json
import struct
from typing import Any

import numpy as np
import pytest
import xgboost

from tests.local.job_stage import BUCKET, ROLE, Stage, no_faults, stage, statuses
from tests.local.training_stage import XGBOOST
from tests.local.transform_stage import Batch, batch, packed

__all__ = ["batch", "no_faults", "stage"]

ROWS = "".join(f"{number},{number * 2},{number % 3}\n" for number in range(20))


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    features = np.loadtxt(ROWS.splitlines(), delimiter=",")[:, 1:]
    data = xgboost.DMatrix(features, label=np.arange(20.0))
    return xgboost.train({"max_depth": 2, "seed": 1}, data, num_boost_round=3)


@pytest.fixture(scope="module")
def xgboost_archive(stage: Stage, booster: xgboost.Booster) -> str:
    model = bytes(booster.save_raw("ubj"))
    return stage.put("models/model.tar.gz", packed({"xgboost-model": model}))


@pytest.fixture(scope="module")
def xgboost_model(stage: Stage, xgboost_archive: str) -> str:
    stage.sagemaker.create_model(
        ModelName="trees", ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": xgboost_archive},
    )  # fmt: skip
    return "trees"


def predictions(booster: xgboost.Booster) -> list[str]:
    features = np.loadtxt(ROWS.splitlines(), delimiter=",", dtype=np.float32)[:, 1:]
    return [str(p) for p in booster.inplace_predict(features).tolist()]


@pytest.mark.feature("training family: batch transform: joining")
def test_predictions_are_joined_to_their_ids(
    batch: Batch, xgboost_model: str, booster: xgboost.Booster
) -> None:
    spec = batch.request(
        xgboost_model, {"rows.csv": ROWS},
        Output={"Accept": "text/csv", "AssembleWith": "Line"},
        DataProcessing={
            "InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]",
        },
    )  # fmt: skip
    job = batch.run(spec)
    assert (job["TransformJobStatus"], job.get("FailureReason")) == ("Completed", None)
    expected = [
        f"{number},{limits_line}" for number, limits_line in enumerate(predictions(booster))
    ]
    assert batch.output(spec)["rows.csv.out"].decode().splitlines() == expected
    # The limits are those of the container because the request sets none.
    limits_line = "MaxConcurrentTransforms=2, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    assert any(line.endswith(f":[sagemaker logs]: {limits_line}") for line in batch.log(spec))
    assert statuses(batch.stage, "Transform") == ["InProgress", "InProgress", "Completed"]
    detail = batch.stage.events.sent[-1][1]
    assert (detail["ModelName"], detail["FailureReason"]) == (xgboost_model, None)


@pytest.mark.feature("batch transform: a registry model")
def test_registered_model_package_is_transformed(
    batch: Batch, xgboost_archive: str, booster: xgboost.Booster
) -> None:
    sagemaker = batch.stage.sagemaker
    sagemaker.create_model_package_group(ModelPackageGroupName="forest")
    package = sagemaker.create_model_package(
        ModelPackageGroupName="forest",
        InferenceSpecification={
            "Containers": [{"Image": XGBOOST, "ModelDataUrl": xgboost_archive}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]  # fmt: skip
    sagemaker.create_model(
        ModelName="packaged", ExecutionRoleArn=ROLE,
        PrimaryContainer={"ModelPackageName": package},
    )  # fmt: skip
    features = "".join(line.partition(",")[2] + "\n" for line in ROWS.splitlines())
    spec = batch.request("packaged", {"rows.csv": features})
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    assert batch.output(spec)["rows.csv.out"].decode().split() == predictions(booster)


@pytest.mark.feature("training family: batch transform: splitting")
@pytest.mark.parametrize(
    ("split", "strategy", "bodies"),
    [
        ("Line", "SingleRecord", ["1,2", "3,4"]),
        ("Line", "MultiRecord", ["1,2\n3,4\n"]),
        ("None", "MultiRecord", ["1,2\n3,4"]),
    ],
)
def test_batch_strategy_determines_records_per_request(
    batch: Batch, split: str, strategy: str, bodies: list[str]
) -> None:
    spec = batch.request(
        batch.model(), {"x": "1,2\n3,4"}, Input={"SplitType": split}, BatchStrategy=strategy,
        Output={"Accept": "text/csv"}, MaxPayloadInMB=1,
    )  # fmt: skip
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    requests = batch.requests()
    assert [request["body"] for request in requests] == bodies
    assert requests[0]["headers"]["Content-Type"] == "text/csv"
    assert requests[0]["headers"]["Accept"] == "text/csv"
    environment = requests[0]["env"]
    assert (environment["SAGEMAKER_BATCH"], environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"]) == (
        "true",
        "1",
    )
    assert "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS" not in environment


@pytest.mark.feature("training family: batch transform: splitting RecordIO and TFRecord")
@pytest.mark.parametrize("split", ["RecordIO", "TFRecord"])
def test_single_binary_records_are_sent_without_frame(batch: Batch, split: str) -> None:
    head = {"RecordIO": struct.pack("<II", 0xCED7230A, 5), "TFRecord": struct.pack("<QI", 5, 0)}
    tail = {"RecordIO": b"\0\0\0", "TFRecord": struct.pack("<I", 0)}
    record = head[split] + b"hello" + tail[split]
    spec = batch.request(
        batch.model(), {"x": record * 2}, BatchStrategy="SingleRecord",
        Input={"SplitType": split, "ContentType": "application/octet-stream"},
    )  # fmt: skip
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    assert [request["body"] for request in batch.requests()] == ["hello", "hello"]


@pytest.mark.feature("training family: batch transform: assembling")
def test_responses_are_assembled_in_record_order(batch: Batch) -> None:
    rows = "".join(f"{'x' * (number % 7 + 1)}\n" for number in range(50))
    spec = batch.request(
        batch.model(MODE="length"), {"deep/er/x.csv": rows}, BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=8, Output={"AssembleWith": "Line"},
    )  # fmt: skip
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    expected = "".join(f"{number % 7 + 1}\n" for number in range(50)).encode()
    assert batch.output(spec) == {"deep/er/x.csv.out": expected}


@pytest.mark.feature("training family: batch transform: several instances")
def test_objects_are_distributed_to_instances(batch: Batch) -> None:
    spec = batch.request(
        batch.model(), {f"{number}.csv": f"{number}\n" for number in range(5)}, InstanceCount=2
    )
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    assert batch.output(spec) == {f"{n}.csv.out": f"{n}\n".encode() for n in range(5)}
    streams = batch.stage.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TransformJobs",
        logStreamNamePrefix=f"{spec['TransformJobName']}/",
    )["logStreams"]
    assert sorted(s["logStreamName"].endswith("/data-log") for s in streams) == [
        False, False, True, True,
    ]  # fmt: skip


def test_compressed_manifest_objects_are_transformed(batch: Batch) -> None:
    put = batch.stage.put
    put("lists/data/a/1.csv.gz", gzip.compress(b"1\n"))
    put("lists/data/2.csv.gz", gzip.compress(b"2\n"))
    put("lists/data/3.csv.gz", gzip.compress(b"3\n"))
    entries = [{"prefix": f"s3://{BUCKET}/lists/data/"}, "a/1.csv.gz", "2.csv.gz"]
    uri = put("lists/manifest.json", json.dumps(entries))
    spec = batch.request(
        batch.model(), {}, Input={"CompressionType": "Gzip"},
        Source={"S3DataType": "ManifestFile", "S3Uri": uri},
    )  # fmt: skip
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    assert batch.output(spec) == {"a/1.csv.gz.out": b"1\n", "2.csv.gz.out": b"2\n"}


@pytest.mark.feature("training family: batch transform: joining JSON")
def test_json_lines_are_joined_under_sagemaker_output(batch: Batch) -> None:
    rows = '{"id":1,"x":"a"}\n{"id":2,"x":"bb"}\n'
    form = "application/jsonlines"
    spec = batch.request(
        batch.model(MODE="json"), {"x.jsonl": rows}, Input={"ContentType": form},
        Output={"Accept": form, "AssembleWith": "Line"},
        DataProcessing={
            "InputFilter": "$.x", "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    )  # fmt: skip
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    assert batch.output(spec)["x.jsonl.out"].decode().splitlines() == [
        '{"id":1,"SageMakerOutput":{"length":3}}', '{"id":2,"SageMakerOutput":{"length":4}}',
    ]  # fmt: skip


def test_unlimited_payload_is_sent_chunked(batch: Batch) -> None:
    body = "".join(f"{number}\n" for number in range(40_000))
    spec = batch.request(batch.model(), {"x": body}, MaxPayloadInMB=0)
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    (request,) = batch.requests()
    assert request["headers"]["Transfer-Encoding"] == "chunked"
    assert batch.output(spec)["x.out"].decode() == request["body"] == body


def test_execution_parameters_are_used_as_defaults(batch: Batch) -> None:
    offered = {"BatchStrategy": "SINGLE_RECORD", "MaxConcurrentTransforms": 3}
    spec = batch.request(batch.model(OFFERED=json.dumps(offered)), {"x": "1\n2\n"})
    batch.run(spec)
    assert sorted(request["body"] for request in batch.requests()) == ["1", "2"]
    limits_line = "MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD"
    assert any(line.endswith(limits_line) for line in batch.log(spec))


def test_data_capture_manifests_list_input_and_output(batch: Batch) -> None:
    spec = batch.request(
        batch.model(), {"a": "1\n", "b": "2\n"},
        DataCaptureConfig={"DestinationS3Uri": f"s3://{BUCKET}/captured"},
    )  # fmt: skip
    batch.run(spec)
    manifests: dict[str, Any] = {
        key.split("/")[0]: json.loads(body) for key, body in batch.stage.under("captured/").items()
    }
    prefix = f"s3://{BUCKET}/{spec['TransformJobName']}"
    assert manifests == {
        "input": [{"prefix": f"{prefix}/in/"}, "a", "b"],
        "output": [{"prefix": f"{prefix}/out/"}, "a.out", "b.out"],
    }


def test_output_is_encrypted_with_the_kms_key(batch: Batch) -> None:
    spec = batch.request(batch.model(), {"a": "1\n"}, Output={"KmsKeyId": "alias/outputs"})
    batch.run(spec)
    key = f"{spec['TransformJobName']}/out/a.out"
    head = batch.stage.s3.head_object(Bucket=BUCKET, Key=key)
    assert head["ServerSideEncryption"] == "aws:kms"
