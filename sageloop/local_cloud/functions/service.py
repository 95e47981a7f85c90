"""Lambda as a service of the local cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.functions.alias_api import AliasApi
from sageloop.local_cloud.functions.asynchronous import AsyncInvocations
from sageloop.local_cloud.functions.code import CodeStore
from sageloop.local_cloud.functions.event_sources.api import EventSourceApi
from sageloop.local_cloud.functions.function_api import FunctionApi
from sageloop.local_cloud.functions.invoke_api import InvokeApi
from sageloop.local_cloud.functions.layer_api import LayerApi, LayerRepository
from sageloop.local_cloud.functions.model import FunctionRepository
from sageloop.local_cloud.functions.runner import Runner
from sageloop.local_cloud.functions.settings_api import (
    ConcurrencyApi,
    EventConfigApi,
    PolicyApi,
    TagApi,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class LambdaService(Service):
    """Functions run their packaged code in separate processes with their role's credentials.

    Python runtimes only, all run by the interpreter of the cloud (each log names it). ``/tmp`` is
    the host's; ``TMPDIR`` is the worker's own. Memory is not limited.
    """

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.repository = FunctionRepository(cloud.account_id)
        cloud.authorizer.resources.add("lambda", self.repository.policy_of)
        cloud.authorizer.tags.add("lambda", self.repository.tags_of)
        self.layers = LayerRepository()
        self.code = CodeStore(cloud)
        self.runner = Runner(cloud, self.repository, self.code)
        self.asynchronous = AsyncInvocations(cloud, self.repository, self.runner)
        self.invocations = InvokeApi(cloud, self.repository, self.runner, self.asynchronous)
        self.event_sources = EventSourceApi(cloud, self.repository, self.invocations)
        self._warmed = threading.Event()
        functions = FunctionApi(
            cloud, self.repository, code=self.code, layers=self.layers, runner=self.runner,
            warm_up=self.warm_up,
        )  # fmt: skip
        for section in (
            functions, AliasApi(self.repository), LayerApi(cloud, self.layers, self.code),
            PolicyApi(self.repository), ConcurrencyApi(self.repository),
            EventConfigApi(cloud, self.repository), TagApi(self.repository, self.event_sources),
            self.invocations, self.event_sources,
        ):  # fmt: skip
            self.include(section)

    def invoke_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> None:
        """Invoke asynchronously as an AWS service does, for the resource ``source_arn``.

        ``payload`` is the event as JSON; ``function_arn`` may contain a qualifier. Raises
        ``AwsError``: AccessDeniedException if no statement of the function's policy allows it,
        ResourceNotFoundException if the function does not exist.
        """
        self.invocations.invoke_for(principal, function_arn, payload, source_arn)

    def on_async_failure(self, callback: Callable[[str, bytes, str], None]) -> None:
        """Call ``callback(function ARN, payload, error text)`` when an event is discarded."""
        self.asynchronous.on_failure(callback)

    def warm_up(self) -> None:
        """Load the fork server before the first invocation; once, in the background."""
        if not self._warmed.is_set():
            self._warmed.set()
            self.cloud.activity.spawn(
                "lambda warm-up", self.runner.pool.forks.warm_up, background=True
            )

    def stop(self) -> None:
        """End every worker."""
        self.runner.pool.stop()
