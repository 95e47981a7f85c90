"""Data of training jobs: input modes, sharding, shuffling, manifests, file systems."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    aws,
    channel,
    model,
    program,
    put,
    request,
    run,
    world,
)

from sageloop.local_cloud.sagemaker import isolation

needs_mounts = pytest.mark.skipif(
    not isolation.available(), reason="read-only mounts are not available on this machine"
)
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
VPC = {"SecurityGroupIds": ["sg-12345678"], "Subnets": ["subnet-12345678"]}
BASE = """
import json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
host = json.loads((base / "input/config/resourceconfig.json").read_text())["current_host"]
data = base / "input/data"
"""
FILES = (
    BASE
    + """
found = {str(p.relative_to(data)): p.read_text() for p in data.rglob("*") if p.is_file()}
(base / f"model/{host}").write_text(json.dumps(found))
"""
)
PIPES = (
    BASE
    + """
epochs = [(data / f"train_{n}").read_bytes() for n in range(int(os.environ.get("EPOCHS", 1)))]
for number, read in enumerate(epochs):
    (base / f"model/{host}-{number}").write_bytes(read)
"""
)
LETTERS = {f"set/{letter}": letter.encode() for letter in "abcdefgh"}


def pipe(name: str = "train", uri: str = "s3://training-tests/set/", **s3: Any) -> dict[str, Any]:
    return channel(name, uri, **s3) | {"InputMode": "Pipe"}


def read_by(aws: SimpleNamespace) -> dict[str, dict[str, str]]:
    return {host: json.loads(body) for host, body in model(aws).items()}


@pytest.mark.feature("training: FastFile")
@needs_mounts
def test_fast_file_channel_is_read_only(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **LETTERS)
    image = program(
        FILES + "try:\n    (data / 'train/a').write_text('spoilt')\n"
        "except OSError as error:\n    print('refused:', error)\n"
        "else:\n    raise SystemExit(6)\n"
    )
    data = [channel("train", "s3://training-tests/set/") | {"InputMode": "FastFile"}]

    for name in ("job", "again"):
        job = run(aws, request(name, image, InputDataConfig=data))
        assert job["TrainingJobStatus"] == "Completed"
        assert json.loads(model(aws, name)["algo-1"])["train/c"] == "c"


def test_fast_file_reads_changed_objects(aws: SimpleNamespace, program: Any) -> None:
    data = [channel("train", "s3://training-tests/set/") | {"InputMode": "FastFile"}]
    for name, body in (("first", b"1"), ("second", b"2")):
        put(aws, **{"set/a": body})
        run(aws, request(name, program(FILES), InputDataConfig=data))

    assert json.loads(model(aws, "first")["algo-1"]) == {"train/a": "1"}
    assert json.loads(model(aws, "second")["algo-1"]) == {"train/a": "2"}


@pytest.mark.feature("training: Pipe")
def test_pipe_streams_all_objects_in_each_epoch(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **LETTERS)
    spec = request("job", program(PIPES), InputDataConfig=[pipe()], Environment={"EPOCHS": "3"})

    job = run(aws, spec)

    assert job["TrainingJobStatus"] == "Completed"
    assert set(model(aws).values()) == {b"abcdefgh"}
    assert len(model(aws)) == 3


def test_pipe_mode_of_the_job_applies_to_its_channels(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **LETTERS)
    image = program(
        PIPES + "(base / 'model/mode').write_text((base / 'input/config/inputdataconfig.json')"
        ".read_text())\n"
    )
    spec = request("job", image, InputDataConfig=[channel("train", "s3://training-tests/set/")])
    spec["AlgorithmSpecification"]["TrainingInputMode"] = "Pipe"

    run(aws, spec)

    assert model(aws)["algo-1-0"] == b"abcdefgh"
    assert json.loads(model(aws)["mode"])["train"]["TrainingInputMode"] == "Pipe"


def test_unread_pipe_is_closed_with_its_container(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **{"set/a": b"x" * 3_000_000})
    image = program(BASE + "(data / 'train_0').open('rb').read(10)\n")
    data = [pipe(), pipe("other")]

    job = run(aws, request("job", image, InputDataConfig=data))

    assert job["TrainingJobStatus"] == "Completed"


@pytest.mark.feature("training: Pipe with gzip")
def test_pipe_decompresses_gzip(aws: SimpleNamespace, program: Any) -> None:
    twice = gzip.compress(b"one,") + gzip.compress(b"two,")
    put(aws, **{"set/a.gz": twice, "set/b.gz": gzip.compress(b"three")})
    data = [pipe() | {"CompressionType": "Gzip"}]

    run(aws, request("job", program(PIPES), InputDataConfig=data))

    assert model(aws)["algo-1-0"] == b"one,two,three"


def test_pipe_with_invalid_gzip_fails_the_job(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **{"set/a.gz": b"plain"})
    data = [pipe() | {"CompressionType": "Gzip"}]

    job = run(aws, request("job", program(PIPES + "__import__('signal').pause()"),
                           InputDataConfig=data))  # fmt: skip

    reason = "ClientError: s3://training-tests/set/a.gz is not compressed with gzip"
    assert job["FailureReason"].startswith(reason)


@pytest.mark.feature("training: Pipe with RecordIO")
def test_pipe_wraps_each_object_as_a_record(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **{"set/a": b"one", "set/b": b"four"})
    data = [pipe() | {"RecordWrapperType": "RecordIO"}]

    run(aws, request("job", program(PIPES), InputDataConfig=data))

    first = struct.pack("<II", 0xCED7230A, 3) + b"one\0"
    assert model(aws)["algo-1-0"] == first + struct.pack("<II", 0xCED7230A, 4) + b"four"


@pytest.mark.feature("training: augmented manifest")
def test_augmented_manifest_streams_attributes_in_order(aws: SimpleNamespace, program: Any) -> None:
    lines = [
        {"image-ref": "s3://training-tests/set/a", "other": 0, "label": 1},
        {"label": {"x": 2}, "image-ref": "s3://training-tests/set/b"},
    ]
    put(aws, manifest="\n".join(map(json.dumps, lines)).encode(), **LETTERS)
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["image-ref", "label"]}
    data = [pipe(uri="s3://training-tests/manifest", **source)]

    run(aws, request("job", program(PIPES), InputDataConfig=data))

    assert model(aws)["algo-1-0"] == b'a1b{"x": 2}'


def test_lines_of_an_augmented_manifest_end_with_lf_or_crlf(
    aws: SimpleNamespace, program: Any
) -> None:
    """Other line separators of Unicode may be in a text.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sms-input-data-input-manifest.html
    """
    lines = ['{"source": "a\u2028b\x85"}', '{"source": "c"}', ""]
    put(aws, manifest="\r\n".join(lines).encode())
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source"]}
    data = [pipe(uri="s3://training-tests/manifest", **source)]

    run(aws, request("job", program(PIPES), InputDataConfig=data))

    assert model(aws)["algo-1-0"].decode() == "a\u2028b\x85c"


def test_augmented_manifest_that_is_not_utf8_fails_the_job(
    aws: SimpleNamespace, program: Any
) -> None:
    put(aws, manifest='{"source": "é"}'.encode("latin-1"))
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source"]}
    data = [pipe(uri="s3://training-tests/manifest", **source)]

    job = run(aws, request("job", program(PIPES), InputDataConfig=data))

    assert job["TrainingJobStatus"] == "Failed"
    assert "is not UTF-8" in job["FailureReason"]


@pytest.mark.feature("training: sharding")
def test_shards_are_disjoint_and_complete(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **LETTERS)
    data = [
        channel("part", "s3://training-tests/set/", S3DataDistributionType="ShardedByS3Key"),
        channel("whole", "s3://training-tests/set/"),
    ]

    run(aws, request("job", program(FILES), ResourceConfig=TWO, InputDataConfig=data))

    read = read_by(aws)
    parts = [{k for k in files if k.startswith("part/")} for files in read.values()]
    assert [len(part) for part in parts] == [4, 4]
    assert parts[0].isdisjoint(parts[1])
    assert all(len(files) == 12 for files in read.values())


@pytest.mark.feature("training: shuffling")
def test_shuffled_pipe_depends_on_epoch_and_seed(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **LETTERS)
    read = {}
    for name, seed in (("one", 1), ("same", 1), ("two", 2)):
        data = [pipe() | {"ShuffleConfig": {"Seed": seed}}]
        spec = request(name, program(PIPES), InputDataConfig=data, Environment={"EPOCHS": "2"})
        run(aws, spec)
        read[name] = model(aws, name)

    assert read["one"] == read["same"] != read["two"]
    assert read["one"]["algo-1-0"] != read["one"]["algo-1-1"]
    assert sorted(read["one"]["algo-1-0"]) == list(b"abcdefgh")


@pytest.mark.feature("training: file system")
@needs_mounts
@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_file_system_channel_is_a_local_directory(
    aws: SimpleNamespace, program: Any, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "share/rows").mkdir(parents=True)
    (tmp_path / "share/rows/a.csv").write_text("1,2")
    systems = aws.cloud.service("sagemaker").training.file_systems
    systems.register("fs-0123abcd", tmp_path / "share")
    source = {
        "FileSystemId": "fs-0123abcd", "FileSystemAccessMode": mode, "FileSystemType": "EFS",
        "DirectoryPath": "/rows",
    }  # fmt: skip
    data = [{"ChannelName": "train", "DataSource": {"FileSystemDataSource": source}}]
    image = program(
        FILES + "try:\n    (data / 'train/new').write_text('by the job')\n"
        "except OSError:\n    print('read-only')\n"
    )

    job = run(aws, request("job", image, InputDataConfig=data, VpcConfig=VPC))

    systems.unregister("fs-0123abcd")
    assert job["TrainingJobStatus"] == "Completed"
    assert read_by(aws)["algo-1"] == {"train/a.csv": "1,2"}
    assert (tmp_path / "share/rows/new").exists() == (mode == "rw")


@pytest.mark.feature("training: large objects")
def test_large_object_is_read_with_the_role(aws: SimpleNamespace, program: Any) -> None:
    body = b"0123456789abcdef" * (1 << 20) + b"end"
    put(aws, **{"set/large": body})
    image = program(
        BASE + "import hashlib\n"
        "(base / 'model/sum').write_text(hashlib.sha256((data / 'train/large').read_bytes())"
        ".hexdigest())\n"
    )
    data = [channel("train", "s3://training-tests/set/")]

    run(aws, request("job", image, InputDataConfig=data))

    import hashlib

    assert model(aws)["sum"].decode() == hashlib.sha256(body).hexdigest()
    reads = aws.cloud.recorder.calls(after=aws.started, action="s3:GetObject")
    assert any("assumed-role/training-tests/" in call.principal for call in reads)


def test_denied_large_object_fails_the_job(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **{"set/large": b"x" * (20 << 20)})
    aws.cloud.faults.inject(
        kind="call", match="s3:GetObject", code="AccessDenied", status=403, message="Access Denied"
    )
    data = [channel("train", "s3://training-tests/set/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    reason = "ClientError: Data download failed:AccessDenied (403): Access Denied"
    assert job["FailureReason"] == reason


@pytest.mark.feature("bad input: channel without data")
@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_channel_without_objects_starts_no_container(
    aws: SimpleNamespace, program: Any, mode: str
) -> None:
    data = [channel("train", "s3://training-tests/nothing/") | {"InputMode": mode}]

    job = run(aws, request("job", program("print('ran')"), InputDataConfig=data))

    assert job["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")
    assert "Training" not in [t["Status"] for t in job["SecondaryStatusTransitions"]]
