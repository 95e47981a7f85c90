from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from constructs_lib import (
    Channel,
    ConfigurationError,
    CustomImage,
    InstanceGroup,
    KMeans,
    LinearLearner,
    MetricDefinition,
    ResourceConfig,
    Spot,
    XGBoost,
)

from .conftest import Ground
from .requests import request_of

_OWN = CustomImage(uri="mine:1")
_TRAIN = Channel.store("train", prefix="digits/")


def _channel(ground: Ground, channel: Channel, **changes: Any) -> dict[str, Any]:
    job = ground.job(**{"algorithm": _OWN, "data": None, "channels": [channel], **changes})
    (result,) = request_of(job)["InputDataConfig"]
    return dict(result)


def _refused(ground: Ground, **changes: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        ground.job(**{"algorithm": _OWN, "data": None, "channels": [_TRAIN], **changes})
    return str(refused.value)


@pytest.mark.feature("training: channel from a store's prefix")
def test_a_prefix_of_the_store_becomes_a_channel(anew: Ground) -> None:
    channel = _channel(anew, Channel.store("train", prefix="digits/", content_type="text/csv"))

    assert channel["ChannelName"] == "train"
    assert channel["ContentType"] == "text/csv"
    assert channel["DataSource"]["S3DataSource"] == {
        "S3DataType": "S3Prefix", "S3Uri": "s3://token/digits/",
        "S3DataDistributionType": "FullyReplicated",
    }  # fmt: skip


@pytest.mark.feature("training: channel from another bucket")
def test_another_bucket_becomes_a_channel(anew: Ground) -> None:
    bucket = s3.Bucket.from_bucket_name(anew.stack, "Theirs", "theirs")

    channel = _channel(anew, Channel.bucket("train", bucket=bucket, prefix="digits/"))

    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://theirs/digits/"


@pytest.mark.feature("training: channel from a file system")
@pytest.mark.parametrize(("make", "kind"), [(Channel.efs, "EFS"), (Channel.fsx, "FSxLustre")])
def test_a_file_system_becomes_a_channel(anew: Ground, make: Any, kind: str) -> None:
    channel = _channel(
        anew, make("train", file_system_id="fs-0123456789abcdef0", directory="/digits")
    )

    assert channel["DataSource"]["FileSystemDataSource"] == {
        "FileSystemId": "fs-0123456789abcdef0", "FileSystemType": kind,
        "FileSystemAccessMode": "ro", "DirectoryPath": "/digits",
    }  # fmt: skip


@pytest.mark.feature("training: File, FastFile and Pipe")
@pytest.mark.parametrize("mode", ["FastFile", "Pipe"])
def test_a_channel_has_its_own_input_mode(anew: Ground, mode: str) -> None:
    assert _channel(anew, Channel.store("train", prefix="x/", input_mode=mode))["InputMode"] == mode


def test_default_input_mode_is_that_of_job(anew: Ground) -> None:
    job = anew.job(algorithm=_OWN, data=None, channels=[_TRAIN], input_mode="FastFile")

    request = request_of(job)

    assert request["AlgorithmSpecification"]["TrainingInputMode"] == "FastFile"
    assert "InputMode" not in request["InputDataConfig"][0]


@pytest.mark.feature("training: sharding")
def test_sharded_channel_has_sharded_distribution(anew: Ground) -> None:
    channel = _channel(anew, Channel.store("train", prefix="x/", sharded=True))

    assert channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "ShardedByS3Key"


@pytest.mark.feature("training: shuffling")
def test_a_channel_is_shuffled_by_a_seed(anew: Ground) -> None:
    channel = _channel(anew, Channel.store("train", prefix="x/", shuffle_seed=7))

    assert channel["ShuffleConfig"] == {"Seed": 7}


def test_a_pipe_may_be_compressed_and_wrapped(anew: Ground) -> None:
    channel = _channel(anew, Channel.store(
        "train", prefix="x/", input_mode="Pipe", compression="Gzip", record_wrapper="RecordIO"
    ))  # fmt: skip

    assert (channel["CompressionType"], channel["RecordWrapperType"]) == ("Gzip", "RecordIO")


def test_an_augmented_manifest_streams_attributes(anew: Ground) -> None:
    channel = _channel(anew, Channel.store(
        "train", prefix="x.manifest", data_type="AugmentedManifestFile", input_mode="Pipe",
        attribute_names=["image-ref", "label"], reads=["images/"],
    ))  # fmt: skip

    assert channel["DataSource"]["S3DataSource"]["AttributeNames"] == ["image-ref", "label"]


def test_channel_has_instance_groups(anew: Ground) -> None:
    compute = ResourceConfig(groups=[InstanceGroup(name="gpus", instance_type="ml.g5.xlarge")])

    channel = _channel(
        anew, Channel.store("train", prefix="x/", instance_groups=["gpus"]), compute=compute
    )

    assert channel["DataSource"]["S3DataSource"]["InstanceGroupNames"] == ["gpus"]


def test_channels_follow_date_partitioned_dataset(anew: Ground) -> None:
    job = anew.job(algorithm=_OWN, channels=[Channel.store("more", prefix="more/")])

    request = request_of(job)

    names = [each["ChannelName"] for each in request["InputDataConfig"]]
    assert names == ["train", "validation", "more"]


def test_document_without_dataset_has_no_data(anew: Ground) -> None:
    job = anew.job(algorithm=_OWN, data=None, channels=[_TRAIN])

    assert job.document(start_on_deploy=False)["data"] is None


@pytest.mark.feature("bad input: channel without data")
def test_a_job_without_data_is_refused(anew: Ground) -> None:
    assert "ChannelWithoutData: data or channels is needed" in _refused(anew, channels=[])


def test_a_channel_without_a_prefix_is_refused(anew: Ground) -> None:
    channels = [Channel.store("train", prefix="")]

    assert "ChannelWithoutData: channel train: prefix must say" in _refused(anew, channels=channels)


@pytest.mark.feature("bad input: 64-character names")
def test_a_channel_with_65_characters_is_refused(anew: Ground) -> None:
    reported = _refused(anew, channels=[Channel.store("c" * 65, prefix="x/")])

    assert "the name of a channel must have at most 64 characters, got 65" in reported


_FILE_SYSTEM: dict[str, Any] = {"file_system_id": "fs-0123456789abcdef0", "directory": "/d"}


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (Channel.store("a b", prefix="x/"), "the name of a channel must match"),
        (Channel.store("t", prefix="x/", input_mode="Stream"),
         "channel t: input_mode must be one of FastFile, File, Pipe, got 'Stream'"),
        (Channel.store("t", prefix="x/", compression="Gzip"),
         "channel t: compression Gzip is allowed only with input_mode Pipe, got File"),
        (Channel.store("t", prefix="x/", record_wrapper="RecordIO"),
         "channel t: record_wrapper RecordIO is allowed only with input_mode Pipe, got File"),
        (Channel.store("t", prefix="x/", data_type="S3Object"), "data_type must be one of"),
        (Channel.store("t", prefix="x", data_type="AugmentedManifestFile", attribute_names=["a"]),
         "AugmentedManifestFile needs input_mode Pipe, got File"),
        (Channel.store("t", prefix="x/", attribute_names=["a"]), "attribute_names are 1 to 16"),
        (Channel.store("t", prefix="x/", instance_groups=["gpus"]),
         "channel t: instance_groups must be of none, got 'gpus'"),
        (Channel.efs("t", **{**_FILE_SYSTEM, "file_system_id": "efs-1"}),
         "channel t: file_system_id must match"),
        (Channel.efs("t", **{**_FILE_SYSTEM, "directory": "d"}), "directory must match"),
        (Channel.efs("t", **_FILE_SYSTEM, input_mode="Pipe"),
         "channel t: a file system needs input_mode File, got Pipe"),
        (Channel.fsx("t", **_FILE_SYSTEM, sharded=True), "channel t: sharded is for data in S3"),
    ],
)  # fmt: skip
def test_invalid_channels_are_refused(anew: Ground, channel: Channel, message: str) -> None:
    assert message in _refused(anew, channels=[channel])


def test_names_of_channels_are_unique(anew: Ground) -> None:
    assert "channels has train twice" in _refused(anew, channels=[_TRAIN, _TRAIN])


def test_channels_are_twenty_at_most(anew: Ground) -> None:
    many = [Channel.store(f"c{n}", prefix="x/") for n in range(21)]

    assert "channels may be 20, got 21" in _refused(anew, channels=many)


@pytest.mark.feature("training: channels and content types of algorithms")
@pytest.mark.parametrize(
    ("algorithm", "channels", "message"),
    [
        (XGBoost(hyperparameters={"num_round": 1}),
         [Channel.store("validation", prefix="x/", content_type="text/csv")],
         "XGBoost needs a channel 'train', got validation"),
        (XGBoost(hyperparameters={"num_round": 1}),
         [Channel.store("train", prefix="x/", content_type="application/json")],
         "content_type of channel 'train' must be one of text/csv, "),
        (XGBoost(hyperparameters={"num_round": 1}), [_TRAIN], "got none"),
        (KMeans(hyperparameters={"k": 2, "feature_dim": 2}),
         [Channel.store("train", prefix="x/", content_type="text/csv;label_size=0"),
          Channel.store("validation", prefix="x/", content_type="text/csv")],
         "channel must be one of test, train, got 'validation'"),
    ],
)  # fmt: skip
def test_unknown_channels_of_algorithm_are_refused(
    anew: Ground, algorithm: Any, channels: list[Channel], message: str
) -> None:
    assert message in _refused(anew, algorithm=algorithm, channels=channels)


@pytest.mark.parametrize(
    ("algorithm", "content_type"),
    [(KMeans(hyperparameters={"k": 2, "feature_dim": 2}), "text/csv;label_size=0"),
     (LinearLearner(hyperparameters={"predictor_type": "regressor"}),
      "application/x-recordio-protobuf")],
)  # fmt: skip
def test_unsupported_content_types_are_refused(
    anew: Ground, algorithm: Any, content_type: str
) -> None:
    channels = [Channel.store(name, prefix="x/", content_type=content_type)
                for name in ("train", "test")]  # fmt: skip

    request = request_of(anew.job(
        algorithm=algorithm, data=None, channels=channels, compute=ResourceConfig(instance_count=2)
    ))  # fmt: skip

    assert {each["ContentType"] for each in request["InputDataConfig"]} == {content_type}


def _actions(statements: Any, stack: Stack) -> dict[str, list[str]]:
    """Actions with the resources they are allowed on, as texts."""
    result: dict[str, list[str]] = {}
    for statement in statements:
        reported = stack.resolve(statement.to_json())
        actions = (
            reported["Action"] if isinstance(reported["Action"], list) else [reported["Action"]]
        )
        resources = (
            reported["Resource"]
            if isinstance(reported["Resource"], list)
            else [reported["Resource"]]
        )
        for action in actions:
            result.setdefault(action, []).extend(
                json.dumps(each).split('"/')[-1].rstrip('"]}') for each in resources
            )
    return result


@pytest.mark.feature("training: role reads exactly its channels")
def test_role_reads_channels_only(anew: Ground) -> None:
    key = kms.Key(anew.stack, "TheirKey")
    bucket = s3.Bucket.from_bucket_name(anew.stack, "Theirs", "theirs")
    job = anew.job(algorithm=_OWN, data=None, channels=[
        Channel.store("train", prefix="digits/"),
        Channel.bucket("more", bucket=bucket, prefix="more/", key=key),
        Channel.efs("files", **_FILE_SYSTEM),
    ])  # fmt: skip

    allowed = _actions(job.specification.read_statements(job), anew.stack)

    objects = {each.split(":::")[-1] for each in allowed["s3:GetObject"]}
    assert objects == {"digits/*", "theirs/more/*"}
    assert allowed["elasticfilesystem:DescribeMountTargets"][0].endswith("fs-0123456789abcdef0")
    assert not [each for each in allowed if each.startswith("s3:Put") or "*" in each]


@pytest.mark.feature("training: role writes exactly its outputs")
def test_role_writes_outputs_and_checkpoints_only(anew: Ground) -> None:
    spot = Spot(max_wait_seconds=3600, checkpoint_prefix="checkpoints/")
    job = anew.job(algorithm=_OWN, spot=spot, output_prefix="models/digits/")

    allowed = _actions(job.specification.write_statements(), anew.stack)

    assert allowed["s3:PutObject"] == ["models/digits/*", "checkpoints/*"]
    assert allowed["s3:GetObject"] == ["checkpoints/*"]
    assert allowed["s3:DeleteObject"] == ["checkpoints/*"]


def test_request_has_metric_definitions(anew: Ground) -> None:
    metric = MetricDefinition(name="validation:accuracy", regex=r"accuracy=([0-9.]+)")

    request = request_of(anew.job(algorithm=_OWN, metric_definitions=[metric]))

    assert request["AlgorithmSpecification"]["MetricDefinitions"] == [
        {"Name": "validation:accuracy", "Regex": "accuracy=([0-9.]+)"}
    ]


@pytest.mark.feature("training: metric definitions")
@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([MetricDefinition(name="a", regex="(")], "metric a: regex '(' is not a regular"),
        ([MetricDefinition(name="a", regex="x")], "metric a: regex 'x' needs a group"),
        ([MetricDefinition(name="a", regex="(x)")] * 2, "metric_definitions has a twice"),
        ([MetricDefinition(name="a" * 256, regex="(x)")], "must have at most 255 characters"),
        ([MetricDefinition(name="a", regex="(" + "x" * 500 + ")")], "at most 500 characters"),
        ([MetricDefinition(name=f"m{n}", regex="(x)") for n in range(41)],
         "metric_definitions may be 40, got 41"),
    ],
)  # fmt: skip
def test_invalid_metric_definitions_are_refused(
    anew: Ground, metrics: list[MetricDefinition], message: str
) -> None:
    assert message in _refused(anew, metric_definitions=metrics)


def test_metric_definitions_of_built_in_algorithms_are_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="metric_definitions must be empty: XGBoost"):
        anew.job(metric_definitions=[MetricDefinition(name="a", regex="(x)")])
