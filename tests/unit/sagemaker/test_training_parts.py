"""Parts of training jobs that need no cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud.core.faults import Faults
from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.artifacts import merged
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel, channels_of
from sageloop.local_cloud.sagemaker.training.channels.listing import Item, shard_of
from sageloop.local_cloud.sagemaker.training.channels.recordio import record
from sageloop.local_cloud.sagemaker.training.cluster import cluster_of
from sageloop.local_cloud.sagemaker.training.stopping_condition import StoppingCondition


def job(**members: Any) -> dict[str, Any]:
    return {
        "StoppingCondition": {"MaxRuntimeInSeconds": 100},
        "EnableManagedSpotTraining": False,
    } | members


def channel(*, seed: int | None = None, sharded: bool = False) -> Channel:
    kind = "ShardedByS3Key" if sharded else "FullyReplicated"
    s3 = {"S3Uri": "s3://b/p", "S3DataType": "S3Prefix", "S3DataDistributionType": kind}
    return Channel("train", "Pipe", s3, {}, None, False, "None", seed)


def test_hosts_are_sorted_by_name() -> None:
    cluster = cluster_of({"InstanceType": "ml.m5.large", "InstanceCount": 11})

    assert [host.name for host in cluster.hosts][:4] == ["algo-1", "algo-10", "algo-11", "algo-2"]
    assert len(set(cluster.addresses().values())) in (1, 11)


def test_channel_mode_defaults_to_the_job_mode() -> None:
    source = {"S3DataSource": {"S3Uri": "s3://b/p", "S3DataType": "S3Prefix"}}
    configs = [
        {"ChannelName": "a", "DataSource": source},
        {"ChannelName": "b", "DataSource": source, "InputMode": "FastFile"},
    ]
    description = job(AlgorithmSpecification={"TrainingInputMode": "Pipe"}, InputDataConfig=configs)

    assert [c.mode for c in channels_of(description)] == ["Pipe", "FastFile"]


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [None, 7])
def test_shards_of_an_epoch_contain_each_object_once(hosts: int, seed: int | None) -> None:
    sharded = channel(seed=seed, sharded=True)

    for epoch in (0, 1):
        shards = [
            shard_of(range(13), sharded, rank=r, hosts=hosts, epoch=epoch) for r in range(hosts)
        ]
        assert sorted(part for shard in shards for part in shard) == list(range(13))
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_shuffled_shards_differ_between_epochs() -> None:
    sharded = channel(seed=1, sharded=True)

    first, second = (shard_of(range(50), sharded, rank=0, hosts=2, epoch=e) for e in (0, 1))

    assert set(first) != set(second)


def test_key_outside_its_channel_is_refused() -> None:
    with pytest.raises(JobFailed, match="leaves its channel"):
        Item("b", "k", "../../etc/passwd").place(Path("/data"))


def test_record_is_padded_to_four_bytes() -> None:
    assert len(record(b"")) == 8
    assert len(record(b"12345")) == 16


def test_first_host_wins_for_equal_file_names(tmp_path: Path) -> None:
    for host in ("one", "two"):
        (tmp_path / host).mkdir()
        (tmp_path / host / "same").write_text(host)
        (tmp_path / host / host).write_text(host)

    files = merged([tmp_path / "one", tmp_path / "two"])

    assert sorted(files) == ["one", "same", "two"]
    assert files["same"].read_text() == "one"


def test_waiting_counts_only_against_max_wait_time() -> None:
    limits = {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 150}
    condition = StoppingCondition(job(EnableManagedSpotTraining=True, StoppingCondition=limits))

    assert condition.may_run() == (100, "MaxRuntimeExceeded")
    condition.wait(120)
    assert condition.may_run() == (30, "MaxWaitTimeExceeded")
    assert condition.may_wait(60) == 30
    condition.wait(30)
    assert condition.may_wait(60) == 0
    assert condition.times() == {}


def test_on_demand_job_is_billed_for_training_time() -> None:
    condition = StoppingCondition(job())

    with condition.running():
        pass

    assert condition.times() == {"TrainingTimeInSeconds": 1, "BillableTimeInSeconds": 1}


def test_spot_fault_is_triggered_by_its_line() -> None:
    faults = Faults()
    faults.interrupt_spot("job-*", when_logged="epoch [23]")

    assert not faults.spot_interrupted("job-1")
    assert not faults.spot_interrupted("job-1", "epoch 1")
    assert not faults.spot_interrupted("other", "epoch 2")
    assert faults.spot_interrupted("job-1", "epoch 2")
    assert not faults.spot_interrupted("job-1", "epoch 3")


def test_unknown_fault_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="a fault is one of call, event, process, spot"):
        Faults().inject(kind="weather", match="*")
