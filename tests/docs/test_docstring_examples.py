"""Every example in a docstring of the library runs, with resources that a user would have."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

import constructs_lib
from constructs_lib import (
    AlertTopic,
    AlgorithmImage,
    ChampionEndpoint,
    DataStore,
    DatePartitionedDataset,
    EndpointAlarms,
    Gate,
    HostingRole,
    JobSpecification,
    Model,
    ModelArtifact,
    ModelContainer,
    ModelQualityAlarms,
    ModelRegistry,
    PrivateNetwork,
    ProcessingOutput,
    ProcessingRole,
    ProcessingSpecification,
    RetrainingLoop,
    SourceCode,
    StateTable,
    TrainingJob,
    TrainingRole,
    TransformSpecification,
    XGBoost,
)

_PUBLIC = {name: getattr(constructs_lib, name) for name in constructs_lib.__all__}


def _examples() -> Iterator[tuple[str, str, str]]:
    """Module, name and docstring of everything with an example."""
    for found in pkgutil.walk_packages(constructs_lib.__path__, "constructs_lib."):
        module = importlib.import_module(found.name)
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text is not None and ">>>" in text:
                    yield found.name, node.name, text


EXAMPLES = sorted(_examples())
_FILES = {
    "code/train.py": "print('trained')\n",
    "src/digits/inference.py": "def model_fn(model_dir):\n    return None\n",
    "models/digits/model.txt": "a model\n",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the examples' files."""
    home = tmp_path_factory.mktemp("home")
    for name, text in _FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return home


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run examples in a folder like a user's project."""
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def foundations(home: Path) -> dict[str, Any]:
    """The resources that examples refer to, by name."""
    stack = Stack(App(), "Foundations")
    store = DataStore(stack, "Store")
    network = PrivateNetwork(stack, "Network", key=store.key, interfaces=["Sts"])
    state = StateTable(stack, "State", key=store.key)
    alerts = AlertTopic(stack, "AlertTopic", key=store.key)
    registry = ModelRegistry(stack, "Registry", name="demo-flights")
    specification = JobSpecification(
        algorithm=XGBoost(hyperparameters={"num_round": 10, "eval_metric": "mae"}), store=store,
        data=DatePartitionedDataset(prefix="datasets/flights/"),
        role=TrainingRole(stack, "Training", tunes=True), subnet_ids=network.subnet_ids,
        security_group_ids=["sg-1"],
    )  # fmt: skip
    preparation = ProcessingSpecification(
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/prepare:1", store=store,
        role=ProcessingRole(stack, "Processing"), subnet_ids=network.subnet_ids,
        outputs=[ProcessingOutput(name="train", prefix="datasets/train/")],
        security_group_ids=["sg-1"],
    )  # fmt: skip
    scoring = TransformSpecification(
        model_name="flights", store=store, input_prefix="to-score/", output_prefix="scored/"
    )
    hosting = HostingRole(stack, "Hosting", key=store.key)
    endpoint = ChampionEndpoint(
        stack, "Endpoint", endpoint_name="demo", registry=registry, store=store, state=state,
        network=network, role=hosting, alert_topic=alerts.topic,
    )  # fmt: skip
    alarms = ModelQualityAlarms(
        stack, "Alarms", endpoint=endpoint, alert_topic=alerts.topic, model_quality_threshold=1
    )
    job = TrainingJob(
        stack, "Job", job="demo", specification=specification, state=state, network=network
    )
    return {
        "role": hosting,
        **{name.lower(): _model(stack, name, store, network, hosting)
           for name in ("Model", "Challenger")},
        "topic": sns.Topic(stack, "Topic", master_key=store.key), "job": job, "alarms": alarms,
        "loop": RetrainingLoop(stack, "Loop", job=job, endpoint=endpoint, network=network,
                               model_quality_alarm=alarms.model_quality, gate=Gate(threshold=20.0)),
        "serving_alarms": EndpointAlarms(stack, "EndpointAlarms", endpoint=endpoint,
                                        alert_topic=alerts.topic),
        "store": store, "network": network, "state": state, "alerts": alerts, "endpoint": endpoint,
        "registry": registry, "specification": specification,
        "preparation": preparation, "scoring": scoring,
        "source": SourceCode(folder=home / "code"),
        "people": iam.Role(stack, "People", assumed_by=iam.AccountRootPrincipal()),
    }  # fmt: skip


def _model(
    stack: Stack, name: str, store: DataStore, network: PrivateNetwork, role: HostingRole
) -> Model:
    container = ModelContainer(
        image=AlgorithmImage.xgboost(stack, "3.0-5"),
        artifact=ModelArtifact.from_store(store, f"models/{name}/1/model.tar.gz"),
    )
    return Model(stack, name, role=role, network=network, containers=[container])


@pytest.mark.parametrize(("module", "name", "text"), EXAMPLES, ids=[e[1] for e in EXAMPLES])
def test_example_runs(foundations: dict[str, Any], module: str, name: str, text: str) -> None:
    app = foundations["store"].node.root
    stack = Stack(app, f"Example{name.replace('_', '-')}")
    names = {**_PUBLIC, **vars(importlib.import_module(module)), **foundations, "stack": stack}

    for example in doctest.DocTestParser().get_examples(text):
        code = compile(example.source, f"<example of {name}>", "exec")
        if example.exc_msg is None:
            exec(code, names)  # noqa: S102
        else:
            with pytest.raises(ValueError, match=r"\["):
                exec(code, names)  # noqa: S102


def test_every_construct_has_an_example() -> None:
    shown = {name for _, name, _ in EXAMPLES}
    constructs = {
        name
        for name, value in _PUBLIC.items()
        if isinstance(value, type) and issubclass(value, Construct) and not name.endswith("Base")
    }

    assert sorted(constructs - shown) == []
