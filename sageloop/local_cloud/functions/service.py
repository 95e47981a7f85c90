"""Lambda's API, put together."""

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
from sageloop.local_cloud.functions.layer_api import LayerApi, LayerBook
from sageloop.local_cloud.functions.model import FunctionBook
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
    """Functions that really run: packaged code, own processes, their role's credentials.

    Python runtimes only, all run by the interpreter that runs the cloud (each log says
    which). ``/tmp`` is the host's; ``TMPDIR`` is the worker's own. Memory is not limited.
    """

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.book = FunctionBook(cloud.account_id)
        self.layers = LayerBook()
        self.code = CodeStore(cloud)
        self.runner = Runner(cloud, self.book, self.code)
        self.asynchronous = AsyncInvocations(cloud, self.book, self.runner)
        self.invocations = InvokeApi(cloud, self.book, self.runner, self.asynchronous)
        self.event_sources = EventSourceApi(cloud, self.book, self.invocations)
        self._warmed = threading.Event()
        functions = FunctionApi(
            cloud, self.book, code=self.code, layers=self.layers, runner=self.runner,
            warm_up=self.warm_up,
        )  # fmt: skip
        for section in (
            functions, AliasApi(self.book), LayerApi(cloud, self.layers, self.code),
            PolicyApi(self.book), ConcurrencyApi(self.book), EventConfigApi(cloud, self.book),
            TagApi(self.book, self.event_sources), self.invocations, self.event_sources,
        ):  # fmt: skip
            self.include(section)

    def invoke_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> None:
        """Invoke asynchronously as an AWS service does, for the resource ``source_arn``.

        ``payload`` is the event as JSON; ``function_arn`` may carry a qualifier. Raises
        ``AwsError``: AccessDeniedException if no statement of the function's policy allows
        it, ResourceNotFoundException if there is no such function.
        """
        self.invocations.invoke_for(principal, function_arn, payload, source_arn)

    def on_async_failure(self, callback: Callable[[str, bytes, str], None]) -> None:
        """Call ``callback(function ARN, payload, error text)`` when an event is given up."""
        self.asynchronous.on_failure(callback)

    def warm_up(self) -> None:
        """Have the fork server loaded before the first invocation; once, in the background."""
        if not self._warmed.is_set():
            self._warmed.set()
            self.cloud.activity.spawn(
                "lambda warm-up", self.runner.pool.forks.warm_up, background=True
            )

    def stop(self) -> None:
        """End every worker."""
        self.runner.pool.stop()
