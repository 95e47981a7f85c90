"""Several variants behind one endpoint: weights, routing, shadows, instance pools."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from hosting_stage import CAPTURE, Stage, fresh, opened, refusal

__all__ = ["opened"]


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    with fresh(opened) as stage:
        stage.model("summer")
        yield stage


def variant(name: str, model: str, weight: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "VariantName": name, "ModelName": model, "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large", "InitialVariantWeight": weight, **more,
    }  # fmt: skip


def several(stage: Stage, *variants: dict[str, Any], name: str = "several", **more: Any) -> None:
    stage.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=list(variants), **more
    )


def shadowed(
    stage: Stage, *, share: float = 1.0, name: str = "shadowed", model: str = "summer", **more: Any
) -> None:
    several(
        stage, variant("AllTraffic", "winter", 2.0), name=name,
        ShadowProductionVariants=[variant("shadow", model, 2.0 * share)], **more,
    )  # fmt: skip


def answers(stage: Stage, number: int) -> Counter[str]:
    return Counter(stage.invoke("model") for _ in range(number))


@pytest.mark.feature("serving: weights")
def test_variant_with_weight_0_gets_only_targeted_requests(stage: Stage) -> None:
    several(stage, variant("w", "winter", 1.0), variant("s", "summer", 0.0))
    described = stage.endpoint("several")

    assert [v["CurrentWeight"] for v in described["ProductionVariants"]] == [1.0, 0.0]
    assert answers(stage, 200) == {"winter": 200}
    assert stage.invoke("model", TargetVariant="s") == "summer"


@pytest.mark.slow
@pytest.mark.feature("serving: weights updated without a deployment")
def test_weight_update_changes_traffic_shares(stage: Stage) -> None:
    several(stage, variant("w", "winter", 9.0), variant("s", "summer", 1.0))
    stage.endpoint("several")
    before = answers(stage, 400)

    stage.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=stage.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "w", "DesiredWeight": 1.0}, {"VariantName": "s", "DesiredWeight": 3.0}
        ],
    )  # fmt: skip
    stage.wait_until_stable()
    after = answers(stage, 400)

    assert 15 <= before["summer"] <= 75  # 40 of 400, four deviations either way
    assert 265 <= after["summer"] <= 335


@pytest.mark.slow
@pytest.mark.feature("bad input: weights that sum to zero")
def test_weights_that_sum_to_zero_are_refused(stage: Stage) -> None:
    zero = [variant("w", "winter", 0.0), variant("s", "summer", 0.0)]
    code, message = refusal(
        stage.sagemaker.create_endpoint_config, EndpointConfigName="z", ProductionVariants=zero
    )
    assert code == "ValidationException"
    assert "must be greater than 0; got 0 for w, s" in message
    several(stage, variant("w", "winter"), variant("s", "summer", 0.0))
    stage.endpoint("several")

    code, message = refusal(
        stage.sagemaker.update_endpoint_weights_and_capacities, EndpointName=stage.name,
        DesiredWeightsAndCapacities=[{"VariantName": "w", "DesiredWeight": 0.0}],
    )  # fmt: skip

    assert "must be greater than 0" in message
    assert stage.wait_until_stable()["ProductionVariants"][0]["CurrentWeight"] == 1.0


@pytest.mark.feature("serving: least outstanding requests")
def test_least_outstanding_routing_avoids_the_busy_instance(stage: Stage) -> None:
    routing = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    several(stage, variant("v", "winter", InitialInstanceCount=2, RoutingConfig=routing))
    stage.endpoint("several")
    busy = threading.Thread(target=stage.invoke, args=("sleep 1",))
    busy.start()
    live = stage.hosting._lifecycle.live(stage.name)
    while not any(i.outstanding for v in live.variants for i in v.instances):
        time.sleep(0.005)

    chosen = {stage.invoke("pid") for _ in range(20)}

    busy.join()
    assert len(chosen) == 1


@pytest.mark.feature("serving: random routing")
def test_random_routing_uses_all_instances(stage: Stage) -> None:
    several(stage, variant("v", "winter", InitialInstanceCount=2))
    stage.endpoint("several")

    counts = Counter(stage.invoke("pid") for _ in range(100))

    assert len(counts) == 2
    assert min(counts.values()) > 25


@pytest.mark.feature("serving: shadow variant")
def test_shadow_responses_are_only_measured_and_captured(stage: Stage) -> None:
    shadowed(stage, DataCaptureConfig=CAPTURE)
    described = stage.endpoint("shadowed")

    assert answers(stage, 20) == {"winter": 20}

    assert stage.cloud.settle(180) == []
    assert described["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert described["ProductionVariants"][0]["VariantName"] == "AllTraffic"
    assert stage.total("Invocations") == 20
    assert stage.total("Invocations", VariantName="shadow") == 20
    assert stage.total("ModelLatency", VariantName="shadow") > 0
    keys = [
        o["Key"] for o in stage.s3.list_objects_v2(Bucket="data", Prefix="captured")["Contents"]
    ]
    captured = [k for k in keys if f"/{stage.name}/shadow/" in k]
    assert captured
    text = stage.s3.get_object(Bucket="data", Key=captured[0])["Body"].read().decode()
    assert "summer" in text


def test_shadow_gets_its_share_of_production_traffic(stage: Stage) -> None:
    shadowed(stage, share=0.25)
    stage.endpoint("shadowed")

    answers(stage, 200)

    assert stage.cloud.settle(180) == []
    assert 25 <= stage.total("Invocations", VariantName="shadow") <= 75


@pytest.mark.feature("load: a failed shadow does not affect callers")
def test_failed_shadow_does_not_affect_callers(stage: Stage) -> None:
    stage.model("failing", FAILS="500")
    shadowed(stage, model="failing")
    stage.endpoint("shadowed")

    assert answers(stage, 10) == {"winter": 10}

    assert stage.cloud.settle(180) == []
    assert stage.total("Invocation5XXErrors", VariantName="shadow") == 10
    assert stage.total("Invocation5XXErrors") == 0


@pytest.mark.feature("load: a slow shadow gets all copies")
def test_slow_shadow_gets_all_copies_without_delaying_callers(stage: Stage) -> None:
    stage.model("slow", SLOW="0.2")
    shadowed(stage, model="slow")
    stage.endpoint("shadowed")

    answers(stage, 60)

    behind = stage.total("Invocations", VariantName="shadow")
    assert stage.cloud.settle(180) == []
    assert behind < 60 == stage.total("Invocations", VariantName="shadow")


def test_restarting_shadow_gets_all_copies(stage: Stage) -> None:
    stage.model("marked", MARK="shadow")
    shadowed(stage, model="marked")
    stage.endpoint("shadowed")
    processes = map(psutil.Process, stage.cloud.processes.running())
    (of_shadow,) = (p for p in processes if p.environ().get("MARK") == "shadow")
    of_shadow.kill()

    answers(stage, 20)

    assert stage.cloud.settle(180) == []
    assert stage.total("Invocations", VariantName="shadow") == 20


def test_update_replaces_production_and_shadow_variants(stage: Stage) -> None:
    shadowed(stage)
    stage.endpoint("shadowed")
    several(
        stage, variant("AllTraffic", "summer"), name="swapped",
        ShadowProductionVariants=[variant("shadow", "winter", InitialInstanceCount=2)],
    )  # fmt: skip

    stage.sagemaker.update_endpoint(
        EndpointName=stage.name, EndpointConfigName="swapped",
        DeploymentConfig={"BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": 60,
        }},
    )  # fmt: skip
    pending = stage.until(
        lambda d: "Baking" in str(d.get("PendingDeploymentSummary"))
    )["PendingDeploymentSummary"]  # fmt: skip
    assert pending["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 2
    stage.cloud.clock.advance(60)
    described = stage.wait_until_stable()

    assert answers(stage, 5) == {"summer": 5}
    assert described["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert len(stage.cloud.processes.running()) == 3
    assert stage.cloud.settle(180) == []
    assert stage.total("Invocations", VariantName="shadow", EndpointConfigName="swapped") == 5


def test_shadow_is_scaled_and_sampled_without_a_deployment(stage: Stage) -> None:
    shadowed(stage)
    stage.endpoint("shadowed")

    stage.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=stage.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "shadow", "DesiredWeight": 0.0, "DesiredInstanceCount": 2}
        ],
    )
    described = stage.wait_until_stable()
    answers(stage, 20)

    assert stage.cloud.settle(180) == []
    assert described["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert stage.total("Invocations", VariantName="shadow") == 0


def test_shadow_for_two_production_variants_is_refused(stage: Stage) -> None:
    code, message = refusal(
        stage.sagemaker.create_endpoint_config, EndpointConfigName="x",
        ProductionVariants=[variant("a", "winter"), variant("b", "summer")],
        ShadowProductionVariants=[variant("s", "summer")],
    )  # fmt: skip

    assert code == "ValidationException"
    assert "one variant for one production variant, got 1 for 2" in message


def pooled(**overridden: Any) -> dict[str, Any]:
    pooled_variant = variant("v", "winter", InitialInstanceCount=2)
    del pooled_variant["InstanceType"]
    pooled_variant["InstancePools"] = [
        {"InstanceType": "ml.c5.large", "Priority": 2, "ModelNameOverride": "summer"},
        {"InstanceType": "ml.m5.large", "Priority": 1},
    ]
    return pooled_variant | overridden


@pytest.mark.feature("serving: instance pools")
def test_pools_are_used_by_priority_and_capacity(stage: Stage) -> None:
    several(stage, pooled())
    stage.cloud.faults.refuse_capacity("ml.m5.large", times=1)

    described = stage.endpoint("several")

    assert described["ProductionVariants"][0]["InstancePools"] == [
        {"InstanceType": "ml.m5.large", "CurrentInstanceCount": 1},
        {"InstanceType": "ml.c5.large", "CurrentInstanceCount": 1},
    ]
    assert set(answers(stage, 60)) == {"winter", "summer"}


def test_pools_without_any_capacity_fail_the_endpoint(stage: Stage) -> None:
    several(stage, pooled())
    stage.cloud.faults.refuse_capacity("ml.*", times=None)

    described = stage.endpoint("several")

    assert described["EndpointStatus"] == "Failed"
    assert "InsufficientInstanceCapacity" in described["FailureReason"]


def test_pools_with_an_instance_type_are_refused(stage: Stage) -> None:
    create = stage.sagemaker.create_endpoint_config
    both = pooled(InstanceType="ml.m5.large")
    _, message = refusal(create, EndpointConfigName="x", ProductionVariants=[both])
    assert "not both" in message

    twice = pooled(InstancePools=[{"InstanceType": "ml.m5.large", "Priority": 1},
                                  {"InstanceType": "ml.c5.large", "Priority": 1}])  # fmt: skip
    _, message = refusal(create, EndpointConfigName="x", ProductionVariants=[twice])
    assert "Priority" in message


def test_managed_instance_scaling_of_a_variant_with_a_model_is_refused(stage: Stage) -> None:
    managed = variant("v", "winter", ManagedInstanceScaling={
        "Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2})  # fmt: skip

    code, message = refusal(
        stage.sagemaker.create_endpoint_config, EndpointConfigName="x",
        ProductionVariants=[managed],
    )  # fmt: skip

    assert (code, message) == (
        "ValidationException",
        "ManagedInstanceScaling is only supported for inference component endpoints.",
    )


@pytest.mark.feature("serving: enhanced metrics")
def test_enhanced_metrics_are_published_for_each_instance(stage: Stage) -> None:
    metrics = {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10}
    several(
        stage, variant("AllTraffic", "winter", InitialInstanceCount=2), MetricsConfig=metrics
    )  # fmt: skip
    described = stage.endpoint("several")

    answers(stage, 40)

    live = stage.hosting._lifecycle.live(stage.name)
    ids = [i.id for v in live.variants for i in v.instances]
    each = [stage.total("Invocations", InstanceId=i) for i in ids]
    assert described["MetricsConfig"] == metrics
    assert sum(each) == stage.total("Invocations") == 40
    assert min(each) > 0
    assert stage.total("InvocationsPerInstance") == 20


def test_unsupported_publish_frequency_is_refused(stage: Stage) -> None:
    _, message = refusal(
        lambda: several(
            stage, variant("v", "winter"), MetricsConfig={"MetricPublishFrequencyInSeconds": 15}
        )
    )
    assert "must be one of 10, 30, 60, 120, 180, 240, 300, got 15" in message
