"""Facts about instance types; unknown families are accepted.

See https://docs.aws.amazon.com/sagemaker/latest/dg/instance-types-az.html
"""

from __future__ import annotations

from .._private.api_model import enumeration
from .._private.checks import Checks, known
from .facts import instances

_LOCAL_DISK = {"g4dn", "g4ad", "g5", "g6", "g6e", "gr6", "p3dn", "p4d", "p4de", "p5", "p5e",
               "p5en", "trn1", "trn1n", "trn2"}  # fmt: skip
_NEURON = ("trn", "inf")
_GPU = ("g", "p")
_DATA_PARALLEL = {"ml.p3.16xlarge", "ml.p3dn.24xlarge", "ml.p4d.24xlarge", "ml.p4de.24xlarge",
                  "ml.p5.48xlarge", "ml.p5e.48xlarge", "ml.p5en.48xlarge"}  # fmt: skip


def family(instance_type: str) -> str:
    """``g5`` for ``ml.g5.xlarge``."""
    return instance_type.split(".")[1] if instance_type.count(".") > 1 else ""


def is_accelerated(instance_type: str) -> bool:
    """Whether the type has GPUs or Neuron devices; ``False`` for a token."""
    return known(instance_type) and family(instance_type).startswith((*_GPU, *_NEURON))


def has_local_disk(instance_type: str) -> bool:
    """Whether the type has instance storage, which takes neither key nor size."""
    if not known(instance_type):
        return False
    name = family(instance_type)
    return name in _LOCAL_DISK or name.startswith("p6") or name.endswith("d")


def data_parallel_types() -> list[str]:
    """Instance types that the distributed data parallel library supports.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/distributed-data-parallel-support.html
    """
    return sorted(_DATA_PARALLEL)


def check_training_type(check: Checks, label: str, instance_type: str) -> None:
    """Refuse invalid instance types, and sizes that a known family does not have.

    A family that botocore's model does not have is accepted: it may be newer.
    """
    if not known(instance_type):
        return
    check.instance_type(label, instance_type)
    value: object = instance_type
    name = family(value) if isinstance(value, str) else ""
    sizes = [each for each in enumeration("TrainingInstanceType") if family(each) == name]
    if sizes and instance_type not in sizes:
        message = f"{label} must be one of {', '.join(sizes)}, got {instance_type!r}"
        check.refuse("InstanceTypeNotAllowed", message)


def check_region(check: Checks, label: str, instance_type: str, region: str) -> None:
    """Refuse accelerators that are not known to be available in the region."""
    table: dict[str, list[str]] = instances()["regions"]
    if not known(instance_type, region) or region not in table or not is_accelerated(instance_type):
        return
    name = family(instance_type)
    where = sorted(each for each, families in table.items() if name in families)
    if where and region not in where:
        source = instances()["source"]
        message = (
            f"{label} must be of a family that {region} has ({', '.join(table[region])}), got "
            f"{instance_type!r}, which is in {', '.join(where)} (by {source['project']} "
            f"{source['release']}; check_region=False if it has come since)"
        )
        check.refuse("InstanceTypeNotInRegion", message)
