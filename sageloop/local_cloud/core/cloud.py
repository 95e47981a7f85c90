"""The cloud: its parts, put together, and what services ask of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.access.keys import Credentials, KeyRing
from sageloop.local_cloud.access.sts import Sts
from sageloop.local_cloud.config_checks import check_port, check_rate, check_region
from sageloop.local_cloud.core.activity import Activity
from sageloop.local_cloud.core.clock import VirtualClock
from sageloop.local_cloud.core.faults import Faults
from sageloop.local_cloud.core.front import Front
from sageloop.local_cloud.core.in_process import InProcessClients
from sageloop.local_cloud.core.operations import Operations
from sageloop.local_cloud.core.processes import Processes
from sageloop.local_cloud.core.recorder import Recorder
from sageloop.local_cloud.core.registry import Registry
from sageloop.local_cloud.core.simulation import PolicySimulation
from sageloop.local_cloud.core.work_folder import WorkFolder

ACCOUNT_ID = "123456789012"
_WARMED = (
    "sts", "ssm", "iam", "s3", "kms", "ec2", "cloudformation", "dynamodb", "logs", "sns", "sqs",
    "lambda", "events", "cloudwatch", "sagemaker",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CloudConfig:
    """How a cloud is set up. ``port`` 0 takes a free one; ``rate`` is the clock's dial.

    ``patience`` is how long (wall seconds) the call that starts a stack operation may wait for
    its end; ``allow`` names what may be stored without being executed. ``test_keys`` (secrets by
    access key id) are taken for the user's: well-known keys, for tests alone. Raises
    ``ValueError`` for a host, port, region or rate that a cloud cannot have.
    """

    host: str = "127.0.0.1"
    port: int = 0
    region: str = "us-east-1"
    rate: float = 1.0
    work_dir: Path | None = None
    patience: float = 0.0
    allow: frozenset[str] = field(default_factory=frozenset)
    test_keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.host not in ("127.0.0.1", "localhost"):
            raise ValueError(f"the local cloud binds loopback only (127.0.0.1), got {self.host}")
        check_port(self.port)
        check_region(self.region)
        check_rate(self.rate)


class Cloud:
    """Everything a service needs, by name. One object, one process, one account."""

    def __init__(self, config: CloudConfig) -> None:
        self.config = config
        self.account_id = ACCOUNT_ID
        self.region = config.region
        self.port = config.port
        self._folder = WorkFolder(config.work_dir)
        self.work_dir = self._folder.path
        self.activity = Activity()
        self.clock = VirtualClock(run=self.activity.spawn, rate=config.rate)
        self.recorder = Recorder()
        self.keys = KeyRing(
            self.account_id, get_partition(config.region), test_keys=config.test_keys
        )
        self.faults = Faults()
        self.processes = Processes(kept_open=self._folder.locks)
        self.front = Front(self)
        self.services = Registry(self.front.services)
        self._clients = InProcessClients(self)
        Sts(self)
        simulate = PolicySimulation(self).simulate_principal_policy
        self.front.add_operation("iam", "SimulatePrincipalPolicy", simulate)
        self.stopped = threading.Event()
        self.stopped_by_request = threading.Event()

    @property
    def endpoint_url(self) -> str:
        """Where clients reach this cloud."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def access(self) -> CloudAccess:
        """Address, user's keys and admin token: what a client in another process needs."""
        return CloudAccess(
            endpoint_url=self.endpoint_url, region=self.region, pid=os.getpid(),
            access_key_id=self.keys.user.access_key,
            secret_access_key=self.keys.user.secret_key, admin_token=self.keys.admin_token,
        )  # fmt: skip

    def add(self, services: Sequence[Operations]) -> None:
        """Install services of our own."""
        for service in services:
            self.front.add_service(service)

    def service(self, model: str) -> Operations:
        """The implementation behind a botocore service name; :attr:`services` are typed."""
        return self.front.services[model]

    def client(self, service: str, *, principal: str, region: str | None = None) -> Any:
        """A boto3 client that calls this cloud without a socket, as ``principal``.

        ``principal`` is a role's ARN or a service's name (``events.amazonaws.com``).
        Clients are cached and thread-safe.
        """
        return self._clients.get(service, principal, region or self.region)

    def credentials_of(self, role_arn: str, session: str) -> Credentials:
        """Credentials for a child that acts as a role."""
        return self.keys.for_role(role_arn, session)

    def iam(self) -> Any:
        """Moto's state of IAM in this account."""
        from moto.iam.models import iam_backends

        return iam_backends[self.account_id][get_partition(self.region)]

    def iam_role(self, arn: str) -> Any:
        """Moto's record of a role; ``None`` if there is none of this ARN.

        A session's ARN leaves the role's path out, so a role without a path is also found by name.
        """
        name = arn.rsplit("/", 1)[-1]
        found = next((r for r in list(self.iam().get_roles()) if r.name == name), None)
        plain = f":role/{name}"
        return found if found is not None and (found.arn == arn or arn.endswith(plain)) else None

    def iam_user(self, arn: str) -> Any:
        """Moto's record of a user; ``None`` if there is none of this ARN."""
        found = self.iam().users.get(arn.rsplit("/", 1)[-1])
        return found if found is not None and found.arn == arn else None

    def child_environment(self, credentials: Credentials | None) -> dict[str, str]:
        """The ``AWS_*`` variables by which a child finds this cloud, and nothing else."""
        nowhere = str(self.work_dir / "no-such-file")
        env = {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
        }
        return env | (credentials.environment() if credentials else {})

    def settle(self, timeout: float = 60.0) -> list[str]:
        """Wait (wall seconds) until nothing is in flight; returns what still was, if anything."""
        return self.activity.wait_idle(timeout, also=self.clock.held)

    def start(self) -> None:
        """Tell every service that the cloud is up."""
        for service in self.front.services.values():
            service.start()

    def warm_up(self, then: Callable[[], None]) -> None:
        """Load, in the background, what the first deployment would have to wait for."""

        def load() -> None:
            for service in _WARMED:
                if self.stopped.is_set():
                    return
                self.front.warm_up([service])
                self.client(service, principal="local-cloud.internal")
            then()

        self.activity.spawn("warm-up", load, background=True)

    def stop(self) -> None:
        """End everything this cloud started and remove what it wrote."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        self.clock.stop()
        self.activity.stop()
        for service in self.front.services.values():
            service.stop()
        self.processes.stop()
        self._folder.remove()
