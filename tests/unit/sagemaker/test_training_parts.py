"""The decisions of the training runner, without a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud.core.faults import Faults
from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.allowance import Allowance
from sageloop.local_cloud.sagemaker.training.artifacts import merged
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel, channels_of
from sageloop.local_cloud.sagemaker.training.channels.listing import Item, dealt
from sageloop.local_cloud.sagemaker.training.channels.recordio import record
from sageloop.local_cloud.sagemaker.training.cluster import cluster_of


def job(**members: Any) -> dict[str, Any]:
    return {
        "StoppingCondition": {"MaxRuntimeInSeconds": 100},
        "EnableManagedSpotTraining": False,
    } | members


def channel(*, seed: int | None = None, sharded: bool = False) -> Channel:
    kind = "ShardedByS3Key" if sharded else "FullyReplicated"
    s3 = {"S3Uri": "s3://b/p", "S3DataType": "S3Prefix", "S3DataDistributionType": kind}
    return Channel("train", "Pipe", s3, {}, None, False, "None", seed)


def test_hosts_are_in_order_of_their_names() -> None:
    cluster = cluster_of({"InstanceType": "ml.m5.large", "InstanceCount": 11})

    assert [host.name for host in cluster.hosts][:4] == ["algo-1", "algo-10", "algo-11", "algo-2"]
    assert len(set(cluster.addresses().values())) in (1, 11)


def test_channel_has_its_own_mode_or_the_jobs() -> None:
    source = {"S3DataSource": {"S3Uri": "s3://b/p", "S3DataType": "S3Prefix"}}
    given = [
        {"ChannelName": "a", "DataSource": source},
        {"ChannelName": "b", "DataSource": source, "InputMode": "FastFile"},
    ]
    made = job(AlgorithmSpecification={"TrainingInputMode": "Pipe"}, InputDataConfig=given)

    assert [c.mode for c in channels_of(made)] == ["Pipe", "FastFile"]


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [None, 7])
def test_shards_of_an_epoch_are_all_objects_once(hosts: int, seed: int | None) -> None:
    made = channel(seed=seed, sharded=True)

    for epoch in (0, 1):
        shards = [dealt(range(13), made, rank=r, hosts=hosts, epoch=epoch) for r in range(hosts)]
        assert sorted(part for shard in shards for part in shard) == list(range(13))
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_shuffled_shards_move_between_hosts_from_epoch_to_epoch() -> None:
    made = channel(seed=1, sharded=True)

    first, second = (dealt(range(50), made, rank=0, hosts=2, epoch=e) for e in (0, 1))

    assert set(first) != set(second)


def test_key_that_leaves_its_channel_is_refused() -> None:
    with pytest.raises(JobFailed, match="leaves its channel"):
        Item("b", "k", "../../etc/passwd").place(Path("/data"))


def test_record_is_padded_to_four_bytes() -> None:
    assert len(record(b"")) == 8
    assert len(record(b"12345")) == 16


def test_two_hosts_files_of_one_name_leave_the_first_hosts(tmp_path: Path) -> None:
    for host in ("one", "two"):
        (tmp_path / host).mkdir()
        (tmp_path / host / "same").write_text(host)
        (tmp_path / host / host).write_text(host)

    found = merged([tmp_path / "one", tmp_path / "two"])

    assert sorted(found) == ["one", "same", "two"]
    assert found["same"].read_text() == "one"


def test_waiting_counts_against_the_maximum_wait_only() -> None:
    limits = {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 150}
    allowance = Allowance(job(EnableManagedSpotTraining=True, StoppingCondition=limits))

    assert allowance.may_run() == (100, "MaxRuntimeExceeded")
    allowance.wait(120)
    assert allowance.may_run() == (30, "MaxWaitTimeExceeded")
    assert allowance.may_wait(60) == 30
    allowance.wait(30)
    assert allowance.may_wait(60) == 0
    assert allowance.times() == {}


def test_on_demand_job_is_billed_what_it_trains() -> None:
    allowance = Allowance(job())

    with allowance.running():
        pass

    assert allowance.times() == {"TrainingTimeInSeconds": 1, "BillableTimeInSeconds": 1}


def test_spot_fault_waits_for_its_line() -> None:
    faults = Faults()
    faults.interrupt_spot("job-*", when_logged="epoch [23]")

    assert not faults.spot_interrupted("job-1")
    assert not faults.spot_interrupted("job-1", "epoch 1")
    assert not faults.spot_interrupted("other", "epoch 2")
    assert faults.spot_interrupted("job-1", "epoch 2")
    assert not faults.spot_interrupted("job-1", "epoch 3")


def test_fault_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="a fault is one of call, event, process, spot"):
        Faults().inject(kind="weather", match="*")
