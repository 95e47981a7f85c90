"""Frameworks with a custom script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .script import Framework


@dataclass(frozen=True, slots=True, kw_only=True)
class SKLearn(Framework):
    """scikit-learn with a custom script, on one instance without GPUs.

    See ``Framework`` for the attributes.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/sklearn.html

    Example:
        >>> SKLearn(source=source, hyperparameters={"max_depth": 8})

    """

    version: str = "1.4-2"
    _IMAGE: ClassVar[str] = "sklearn"
    _HOSTS: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PyTorch(Framework):
    """PyTorch with a custom script.

    See ``Framework`` for the attributes.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/pytorch.html

    Example:
        >>> PyTorch(source=source, hyperparameters={"epochs": 5, "lr": 0.01},
        ...         distribution=Distribution.torchrun(processes_per_host=1))

    """

    version: str = "2.6.0"
    _IMAGE: ClassVar[str] = "pytorch-training"
    _DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("data_parallel", "mpi", "torchrun")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFlow(Framework):
    """TensorFlow with a custom script.

    See ``Framework`` for the attributes.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/tf.html

    Example:
        >>> TensorFlow(source=source, version="2.19", hyperparameters={"epochs": 5})

    """

    version: str = "2.19.0"
    _IMAGE: ClassVar[str] = "tensorflow-training"
    _DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("data_parallel", "mpi")


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostScript(Framework):
    """XGBoost with a custom script.

    See ``Framework`` for the attributes.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-how-to-use.html

    Example:
        >>> XGBoostScript(source=source, hyperparameters={"num_round": 50})

    """

    version: str = "3.0-5"
    _IMAGE: ClassVar[str] = "xgboost"
