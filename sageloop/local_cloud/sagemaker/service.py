"""The SageMaker API: one store, and a section for each family of resources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, Service
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.sagemaker import validation
from sageloop.local_cloud.sagemaker.account import Account
from sageloop.local_cloud.sagemaker.hosting.section import Hosting
from sageloop.local_cloud.sagemaker.models import Models
from sageloop.local_cloud.sagemaker.notebooks import Notebooks
from sageloop.local_cloud.sagemaker.processing.section import ProcessingJobs
from sageloop.local_cloud.sagemaker.registry import ModelPackages
from sageloop.local_cloud.sagemaker.tags import Tags
from sageloop.local_cloud.sagemaker.training.section import TrainingJobs
from sageloop.local_cloud.sagemaker.transform.section import TransformJobs
from sageloop.local_cloud.sagemaker.tuning.section import TuningJobs

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.training.channels.file_systems import FileSystems


class SageMakerService(Service):
    """Jobs, models, endpoints, the model registry and notebook instances of one account."""

    model = "sagemaker"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        account = Account(cloud)
        self.store = account.store
        cloud.authorizer.tags.add("sagemaker", self.store.tags_if_known)
        self.models = Models(account)
        self.training = TrainingJobs(account)
        self.tuning = TuningJobs(account, self.training)
        self.processing = ProcessingJobs(account)
        self.hosting = Hosting(account, self.models)
        self.transform = TransformJobs(account, self.hosting.containers)
        for section in (
            self.training, self.tuning, self.hosting, self.hosting.components, self.models,
            ModelPackages(account), Notebooks(account), Tags(self.store),
        ):  # fmt: skip
            self.include(section)
        self.include(self.processing)
        self.include(self.transform)

    def handle(self, call: Call) -> dict[str, Any] | Response | None:
        """Validate a request against the service model, then execute it."""
        if call.operation in self._operations:
            validation.check(call.operation, _with_unknown_members(call))
        return super().handle(call)

    @property
    def file_systems(self) -> FileSystems:
        """The local directories that represent the file systems of jobs."""
        return self.training.file_systems

    def wait_endpoint(self, name: str) -> dict[str, Any]:
        """Block until an endpoint has a stable status; return its description."""
        return self.hosting.wait_endpoint(name)

    def start(self) -> None:
        """Start the background work of the sections."""
        self.training.start()
        self.hosting.start()

    def stop(self) -> None:
        """Stop the background work of the sections and end their processes."""
        self.tuning.stop()
        self.training.stop()
        self.processing.stop()
        self.transform.stop()
        self.hosting.stop()


def _with_unknown_members(call: Call) -> dict[str, Any]:
    # The parser drops unknown members; the request body still contains them, and they are refused.
    try:
        sent = json.loads(call.request.get_data() or b"{}")
    except ValueError:
        return call.params
    return sent if isinstance(sent, dict) else call.params
