"""Variants: what is rendered, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib import (
    ConfigurationError,
    EnhancedMetrics,
    InstancePool,
    ManagedInstanceScaling,
    Variant,
)

from .conftest import Ground
from .serving import (
    config_of,
    container,
    endpoint,
    model,
)


@pytest.mark.feature("serving constructs: several weighted variants with different models")
def test_variants_share_the_traffic_by_weight(anew: Ground) -> None:
    other = model(anew, "Other")
    variants = [Variant(name="A", weight=0.9), Variant(name="B", model=other, weight=0.1)]

    made = endpoint(anew, variants=variants)

    assert [v["InitialVariantWeight"] for v in config_of(made)["ProductionVariants"]] == [0.9, 0.1]
    names = [v["ModelName"] for v in made.request["ProductionVariants"]]
    assert names[1] == other.model_name != names[0]


@pytest.mark.feature("serving constructs: a weight of 0 stays 0")
def test_variant_without_traffic_has_weight_zero(anew: Ground) -> None:
    made = endpoint(anew, variants=[Variant(name="A"), Variant(name="B", weight=0)])

    assert made.request["ProductionVariants"][1]["InitialVariantWeight"] == 0


@pytest.mark.feature("serving constructs: weights changed at run time, retained by an update")
@pytest.mark.parametrize("keep", [True, False])
def test_update_retains_weights_with_retain_weights_only(anew: Ground, keep: bool) -> None:
    made = endpoint(anew, retain_weights=keep)

    excluded = anew.stack.resolve(made.resource.exclude_retained_variant_properties)
    reported = {each["variantPropertyType"] for each in excluded}
    assert made.resource.retain_all_variant_properties is True
    assert ("DesiredWeight" in reported) is not keep


@pytest.mark.feature("bad input: weights that sum to zero")
def test_weights_that_sum_to_zero_are_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="weights of variants must not all be zero"):
        endpoint(anew, variants=[Variant(name="A", weight=0), Variant(name="B", weight=0)])


@pytest.mark.feature("serving constructs: shadow variant")
def test_shadow_variant_is_rendered(anew: Ground) -> None:
    made = endpoint(anew, shadow=Variant(name="Shadow", model=model(anew, "Other"), weight=0.5))

    (shadow,) = config_of(made)["ShadowProductionVariants"]

    assert (shadow["VariantName"], shadow["InitialVariantWeight"]) == ("Shadow", 0.5)


@pytest.mark.feature("serving constructs: instance pools")
def test_variant_has_instance_pools(anew: Ground) -> None:
    pools = [InstancePool(instance_type="ml.m5.large", priority=2),
             InstancePool(instance_type="ml.m6i.large", priority=1)]  # fmt: skip

    variant = Variant(pools=pools, provision_seconds=600)
    (rendered,) = config_of(endpoint(anew, variants=[variant]))["ProductionVariants"]

    assert "InstanceType" not in rendered
    assert [pool["Priority"] for pool in rendered["InstancePools"]] == [2, 1]
    assert variant.instance_types == ["ml.m6i.large", "ml.m5.large"]
    assert rendered["VariantInstanceProvisionTimeoutInSeconds"] == 600


@pytest.mark.feature("serving constructs: routing, time-outs, volume and core dumps")
def test_variant_has_routing_and_timeouts(anew: Ground) -> None:
    variant = Variant(
        routing="LEAST_OUTSTANDING_REQUESTS", startup_seconds=600, download_seconds=900,
        volume_gb=100, core_dump_prefix="dumps/",
    )  # fmt: skip

    (rendered,) = config_of(endpoint(anew, variants=[variant]))["ProductionVariants"]

    assert rendered["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    assert rendered["ContainerStartupHealthCheckTimeoutInSeconds"] == 600
    assert rendered["ModelDataDownloadTimeoutInSeconds"] == 900
    assert rendered["VolumeSizeInGB"] == 100
    assert "DestinationS3Uri" in rendered["CoreDumpConfig"]


@pytest.mark.feature("serving constructs: enhanced metrics")
def test_enhanced_metrics_and_their_frequency(anew: Ground) -> None:
    config = config_of(endpoint(anew, metrics=EnhancedMetrics(frequency_seconds=10)))

    assert config["MetricsConfig"] == {
        "EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10,
    }  # fmt: skip


def test_instance_storage_has_no_key(anew: Ground) -> None:
    made = endpoint(anew, variants=[Variant(instance_type="ml.g5.xlarge")])

    assert "KmsKeyId" not in config_of(made)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (Variant(routing="NEAREST"), "variant.routing must be one of KV_AWARE"),
        (Variant(startup_seconds=30), "variant.startup_seconds must be between 60 and 3600"),
        (Variant(download_seconds=59), "variant.download_seconds must be between 60 and 3600"),
        (Variant(provision_seconds=60), "variant.provision_seconds must be between 300 and 3600"),
        (Variant(volume_gb=513), "variant.volume_gb must be between 1 and 512"),
        (Variant(volume_gb=10, instance_type="ml.g5.xlarge"), "has instance storage"),
        (Variant(instance_type="ml.m5.huge"), "variant.instance_type must be one of ml.m5.large"),
        (
            Variant(pools=[InstancePool(instance_type="ml.m5.large", priority=1)] * 2),
            "pools must have unique priorities",
        ),
        (
            Variant(
                instance_type="ml.m5.large",
                pools=[InstancePool(instance_type="ml.m5.large", priority=1)],
            ),
            "variant.instance_type and pools are mutually exclusive",
        ),
        (
            Variant(managed_scaling=ManagedInstanceScaling()),
            "managed_scaling needs inference components",
        ),
    ],
)
def test_variant_refuses(anew: Ground, variant: Variant, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, variants=[variant])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": [Variant(name=f"V{n}") for n in range(11)]}, "variants must be 10 at most"),
        ({"variants": [Variant(), Variant()]}, "variants must have unique names"),
        ({"metrics": EnhancedMetrics(frequency_seconds=15)}, "must be one of 10, 30, 60"),
        (
            {"variants": [Variant(name="A"), Variant(name="B")], "shadow": Variant(name="S")},
            "a shadow variant needs exactly one production variant, got 2",
        ),
        (
            {"shadow": Variant(name="S", instance_type="ml.inf1.xlarge")},
            "ml.inf1 cannot have or be a shadow",
        ),
    ],
)
def test_conflicting_variants_are_refused(
    anew: Ground, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, **changes)


def test_a_pipeline_cannot_be_shadowed(anew: Ground) -> None:
    pipeline = model(anew, containers=[container(anew), container(anew)])

    with pytest.raises(ConfigurationError, match="a model of several containers cannot have"):
        endpoint(anew, model=pipeline, shadow=Variant(name="S"))


def test_variant_has_a_limit_of_its_start_by_default(anew: Ground) -> None:
    (rendered,) = config_of(endpoint(anew, variants=[Variant()]))["ProductionVariants"]

    assert rendered["ContainerStartupHealthCheckTimeoutInSeconds"] == 300
