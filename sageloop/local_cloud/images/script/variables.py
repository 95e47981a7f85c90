"""The ``SM_*`` environment variables and the arguments of a script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from sageloop.local_cloud.images.script.training import Training


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Hyperparameters as arguments: ``--name value``, in the order of their names."""
    return [
        word for name in sorted(hyperparameters)
        for word in (_option(name), _argument(hyperparameters[name]))
    ]  # fmt: skip


def variables(training: Training) -> dict[str, str]:
    """The environment variables of a script, beside those of its container."""
    named = {f"SM_{name.upper()}": _text(value) for name, value in _all(training)}
    # Shells cannot read a name with a hyphen; version 3 of AWS's SDK writes an underscore.
    own = ("SM_HP_", "SM_CHANNEL_")
    plain = {
        name.replace("-", "_"): value for name, value in named.items() if name.startswith(own)
    }  # fmt: skip
    environment = training.environment
    region = environment.get("AWS_DEFAULT_REGION", "")
    return plain | named | {
        "CURRENT_HOST": training.host,
        "SAGEMAKER_JOB_NAME": str(training.platform.get("sagemaker_job_name", "")),
        "SAGEMAKER_REGION": str(training.platform.get("sagemaker_region", region)),
        "PYTHONPATH": _python_path(training),
    }  # fmt: skip


def _all(training: Training) -> Iterator[tuple[str, Any]]:
    yield from _shared(training).items()
    yield "hps", training.hyperparameters
    yield "framework_params", training.framework
    yield "channels", sorted(training.channels)
    yield "training_env", _training_environment(training)
    yield "user_args", arguments(training.hyperparameters)
    if training.resources.get("topology"):
        yield "topology", training.resources["topology"]
    for name, path in _channel_paths(training).items():
        yield f"channel_{name}", path
    for name, value in training.hyperparameters.items():
        yield f"hp_{name}", value


def _shared(training: Training) -> dict[str, Any]:
    """Values that have their own variable and are members of ``SM_TRAINING_ENV`` too."""
    base, resources = training.base, training.resources
    name = training.entry_point
    return {
        "hosts": training.hosts,
        "network_interface_name": training.interface,
        "user_entry_point": name,
        "resource_config": resources,
        "input_data_config": training.channels,
        "output_data_dir": str(base / "output" / "data"),
        "current_host": training.host,
        "current_instance_type": resources.get("current_instance_type", "local"),
        "current_instance_group": training.group,
        "current_instance_group_hosts": training.group_hosts,
        "instance_groups": [g["instance_group_name"] for g in training.groups],
        "instance_groups_dict": {g["instance_group_name"]: g for g in training.groups},
        "distribution_instance_groups": training.distribution_groups,
        "is_hetero": len(training.groups) > 1,
        "module_name": str(name).removesuffix(".py"),
        "module_dir": training.module_directory,
        "log_level": training.log_level,
        "framework_module": None,
        "input_dir": str(base / "input"),
        "input_config_dir": str(base / "input" / "config"),
        "output_dir": str(base / "output"),
        "output_intermediate_dir": str(base / "output" / "intermediate"),
        "num_cpus": os.cpu_count(),
        "num_gpus": gpus(),
        "num_neurons": 0,
        "model_dir": str(base / "model"),
    }


def _training_environment(training: Training) -> dict[str, Any]:
    return _shared(training) | {
        "additional_framework_parameters": training.framework,
        "channel_input_dirs": _channel_paths(training),
        "distribution_hosts": training.distribution_hosts,
        "hyperparameters": training.hyperparameters,
        "is_master": training.host == training.master,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": training.environment.get("TRAINING_JOB_NAME"),
        "master_hostname": training.master,
        "topology": training.resources.get("topology", []),
    }


def gpus() -> int:
    """The number of GPUs of this machine."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    listing = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def _channel_paths(training: Training) -> dict[str, str]:
    return {name: str(training.base / "input" / "data" / name) for name in training.channels}


def _python_path(training: Training) -> str:
    path = training.environment.get("PYTHONPATH")
    return os.pathsep.join([str(training.code), *([path] if path else [])])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _option(name: str) -> str:
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{name}={value[name]}" for name in sorted(value))
    return str(value)
