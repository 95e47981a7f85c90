from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App, Environment, Stack

from constructs_lib import (
    Channel,
    ConfigurationError,
    CustomImage,
    InstanceGroup,
    KMeans,
    ResourceConfig,
    Spot,
    XGBoost,
)
from constructs_lib._private.checks import Checks

from .conftest import Ground
from .requests import request_of

_OWN = CustomImage(uri="mine:1")


def _resources(ground: Ground, **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = request_of(ground.job(
        algorithm=_OWN, compute=ResourceConfig(**options)
    ))["ResourceConfig"]  # fmt: skip
    return result


def _refused(ground: Ground, **changes: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        ground.job(**{"algorithm": _OWN, **changes})
    return str(refused.value)


@pytest.mark.feature("training: GPU families")
@pytest.mark.parametrize(
    "instance_type",
    ["ml.g5.2xlarge", "ml.g6.xlarge", "ml.p4d.24xlarge", "ml.p5.48xlarge", "ml.trn1.32xlarge",
     "ml.g4dn.xlarge", "ml.g6e.xlarge", "ml.trn2.48xlarge"],
)  # fmt: skip
@pytest.mark.feature("training: volume encryption left out where local NVMe forbids it")
def test_accelerators_have_no_volume_key(anew: Ground, instance_type: str) -> None:
    resources = _resources(anew, instance_type=instance_type)

    assert resources["InstanceType"] == instance_type
    assert "VolumeKmsKeyId" not in resources


@pytest.mark.parametrize("instance_type", ["ml.c5.xlarge", "ml.r5.large", "ml.p3.2xlarge"])
def test_types_without_local_disks_have_a_volume_key(anew: Ground, instance_type: str) -> None:
    assert "VolumeKmsKeyId" in _resources(anew, instance_type=instance_type)


@pytest.mark.feature("training: several instances")
def test_several_instances(anew: Ground) -> None:
    assert _resources(anew, instance_count=4, volume_gb=500) | {"VolumeKmsKeyId": ""} == {
        "InstanceType": "ml.m5.xlarge", "InstanceCount": 4, "VolumeSizeInGB": 500,
        "VolumeKmsKeyId": "",
    }  # fmt: skip


@pytest.mark.feature("training: heterogeneous groups")
def test_instance_groups_replace_instance_type(anew: Ground) -> None:
    groups = [InstanceGroup(name="gpus", instance_type="ml.g5.xlarge", instance_count=2),
              InstanceGroup(name="cpus", instance_type="ml.m5.large")]  # fmt: skip

    resources = _resources(anew, groups=groups)

    assert [each["InstanceGroupName"] for each in resources["InstanceGroups"]] == ["gpus", "cpus"]
    assert "InstanceType" not in resources


@pytest.mark.feature("training: warm pools")
def test_warm_pool_has_keep_alive_period(anew: Ground) -> None:
    assert _resources(anew, warm_pool_seconds=600)["KeepAlivePeriodInSeconds"] == 600


@pytest.mark.feature("training: spot with checkpoints and maximum wait")
def test_spot_has_checkpoints_and_a_maximum_wait(anew: Ground) -> None:
    spot = Spot(max_wait_seconds=7200, checkpoint_prefix="checkpoints/",
                checkpoint_local_path="/opt/ml/state")  # fmt: skip

    request = request_of(anew.job(algorithm=_OWN, spot=spot))

    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200,
    }  # fmt: skip
    assert request["CheckpointConfig"]["S3Uri"].endswith("/checkpoints/")
    assert request["CheckpointConfig"]["LocalPath"] == "/opt/ml/state"


@pytest.mark.feature("training: retry strategy")
def test_retries(anew: Ground) -> None:
    request = request_of(anew.job(retries=3))

    assert request["RetryStrategy"] == {"MaximumRetryAttempts": 3}


@pytest.mark.feature("training: fallback instance types")
def test_document_has_fallback_types(anew: Ground) -> None:
    job = anew.job(algorithm=_OWN, compute=ResourceConfig(
        instance_type="ml.g5.xlarge", fallback_instance_types=["ml.g6.xlarge", "ml.g4dn.xlarge"]
    ))  # fmt: skip

    document = job.document(start_on_deploy=False)

    assert document["fallback_instance_types"] == ["ml.g6.xlarge", "ml.g4dn.xlarge"]
    assert document["request"]["ResourceConfig"]["InstanceType"] == "ml.g5.xlarge"


@pytest.mark.feature("training: run-time limits")
def test_limits_of_run_and_pending(anew: Ground) -> None:
    request = request_of(anew.job(max_runtime_seconds=86_400, max_pending_seconds=1800))

    assert request["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 86_400, "MaxPendingTimeInSeconds": 1800,
    }  # fmt: skip


@pytest.mark.feature("bad input: spot without maximum wait")
def test_spot_without_maximum_wait_is_refused(anew: Ground) -> None:
    assert "ValueMissing: spot needs max_wait_seconds" in _refused(anew, spot=Spot())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spot": Spot(max_wait_seconds=60)},
         "spot.max_wait_seconds must be at least max_runtime_seconds (3600), got 60"),
        ({"spot": Spot(max_wait_seconds=7200, checkpoint_local_path="/x")},
         "spot.checkpoint_local_path needs spot.checkpoint_prefix"),
        ({"spot": Spot(max_wait_seconds=7200, checkpoint_prefix="/x")},
         "spot.checkpoint_prefix must be a relative S3 prefix"),
        ({"spot": Spot(max_wait_seconds=7200), "compute": ResourceConfig(warm_pool_seconds=60)},
         "warm_pool_seconds does not go with spot"),
        ({"spot": Spot(max_wait_seconds=7200),
          "algorithm": XGBoost(hyperparameters={"num_round": 1})},
         "spot.max_wait_seconds must be at most 3600 for a built-in algorithm without"),
        ({"retries": 31}, "retries must be between 1 and 30, got 31"),
        ({"max_runtime_seconds": 0}, "max_runtime_seconds must be between 1 and 2419200, got 0"),
        ({"max_pending_seconds": 60}, "max_pending_seconds must be between 1800 and 2419200"),
    ],
)  # fmt: skip
def test_conflicting_limits_are_refused(
    anew: Ground, changes: dict[str, Any], message: str
) -> None:
    assert message in _refused(anew, **changes)


def test_xgboost_with_checkpoints_may_wait_longer(anew: Ground) -> None:
    spot = Spot(max_wait_seconds=7200, checkpoint_prefix="checkpoints/")

    request_of(anew.job(spot=spot))


def test_kmeans_has_no_checkpoints_and_may_not(anew: Ground) -> None:
    reported = _refused(
        anew, algorithm=KMeans(hyperparameters={"k": 2, "feature_dim": 2}), data=None,
        channels=[Channel.store("train", prefix="x/", content_type="text/csv;label_size=0")],
        spot=Spot(max_wait_seconds=7200, checkpoint_prefix="checkpoints/"),
    )  # fmt: skip

    assert "must be at most 3600" in reported


_GROUP = InstanceGroup(name="one", instance_type="ml.m5.large")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instance_type": "m5.large"}, "must be an ML instance type such as"),
        ({"instance_type": "ml.g5.3xlarge"},
         "instance_type must be one of ml.g5.xlarge, ml.g5.2xlarge"),
        ({"instance_count": 0}, "instance_count must be between 1 and 100, got 0"),
        ({"volume_gb": 0}, "volume_gb must be between 1 and 16384, got 0"),
        ({"groups": [_GROUP], "instance_type": "ml.m5.large"}, "groups replace"),
        ({"groups": [_GROUP, _GROUP]}, "groups must have unique names, got one, one"),
        ({"groups": [InstanceGroup(name=str(n), instance_type="ml.m5.large") for n in range(6)]},
         "groups must be 1 to 5, got 6"),
        ({"groups": [_GROUP], "warm_pool_seconds": 60}, "warm_pool_seconds does not go with gro"),
        ({"groups": [_GROUP], "fallback_instance_types": ["ml.m5.xlarge"]},
         "fallback_instance_types do not go with groups"),
        ({"warm_pool_seconds": 3601}, "warm_pool_seconds must be between 0 and 3600, got 3601"),
        ({"fallback_instance_types": ["ml.m5.3xlarge"]},
         "fallback_instance_types must be one of ml.m5.large"),
        ({"fallback_instance_types": ["ml.m5.xlarge"]}, "must name each type once"),
        ({"fallback_instance_types": ["ml.m5d.xlarge"]}, "all on local disks or none"),
    ],
)  # fmt: skip
def test_invalid_instances_are_refused(anew: Ground, options: dict[str, Any], message: str) -> None:
    assert message in _refused(anew, compute=ResourceConfig(**options))


def test_unknown_instance_family_is_accepted(anew: Ground) -> None:
    job = anew.job(algorithm=_OWN, compute=ResourceConfig(instance_type="ml.z9.xlarge"))

    assert job.request()["ResourceConfig"]["InstanceType"] == "ml.z9.xlarge"


def _faults_in(region: str, compute: ResourceConfig) -> list[str]:
    stack = Stack(App(), "Test", env=Environment(region=region))
    check = Checks(stack)
    compute.check_in(check, stack)
    return [fault.message for fault in check._faults]


@pytest.mark.feature("bad input: GPU type in a region without it")
def test_a_gpu_type_in_a_region_without_it_is_refused() -> None:
    (reported,) = _faults_in("af-south-1", ResourceConfig(instance_type="ml.p4d.24xlarge"))

    assert reported.startswith("instance_type must be of a family that af-south-1 has (g4dn")
    assert "got 'ml.p4d.24xlarge', which is in ap-northeast-1" in reported
    assert "\n" not in reported


@pytest.mark.parametrize(
    ("region", "options"),
    [
        ("eu-west-1", {"instance_type": "ml.g5.xlarge"}),
        ("af-south-1", {"instance_type": "ml.m5.xlarge"}),
        ("af-south-1", {"instance_type": "ml.p4d.24xlarge", "check_region": False}),
        ("af-south-1", {"instance_type": "ml.p2.xlarge"}),
        ("moon-1", {"instance_type": "ml.p4d.24xlarge"}),
    ],
)
def test_unknown_region_is_accepted(region: str, options: dict[str, Any]) -> None:
    assert _faults_in(region, ResourceConfig(**options)) == []
