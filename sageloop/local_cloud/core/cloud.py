"""The local cloud: creates its parts and provides them to the services."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.caller import INTERNAL, SessionOrigin
from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.access.enforcement.authorizer import Authorizer
from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.access.keys import Credentials, KeyRing
from sageloop.local_cloud.access.simulation import PolicySimulation
from sageloop.local_cloud.access.sts import Sts
from sageloop.local_cloud.config_checks import check_port, check_rate, check_region
from sageloop.local_cloud.core.activity import Activity
from sageloop.local_cloud.core.clock import VirtualClock
from sageloop.local_cloud.core.faults import Faults
from sageloop.local_cloud.core.front import Front
from sageloop.local_cloud.core.in_process import InProcessClients
from sageloop.local_cloud.core.operations import Operations
from sageloop.local_cloud.core.processes import Processes
from sageloop.local_cloud.core.published import PublishedMessages
from sageloop.local_cloud.core.recorder import Recorder
from sageloop.local_cloud.core.registry import Registry
from sageloop.local_cloud.core.work_folder import WorkFolder

ACCOUNT_ID = "123456789012"
WARMED = (
    "sts", "ssm", "iam", "s3", "kms", "ec2", "cloudformation", "dynamodb", "logs", "sns", "sqs",
    "lambda", "events", "cloudwatch", "sagemaker",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CloudConfig:
    """Settings of a local cloud.

    ``port`` 0 selects a free port; ``rate`` is the rate of the virtual clock. The request that
    starts a stack operation waits up to ``operation_wait`` wall seconds for its end. ``allow``
    names the resource types that may be stored without being executed, and condition keys that
    policies may use though they are not filled. ``test_keys`` (secrets by
    access key id) are accepted as keys of the user: published keys, for tests only. ``iam`` selects
    whether access policies are enforced. Raises ``ValueError`` for a host, port, region or rate
    that is not allowed.
    """

    host: str = "127.0.0.1"
    port: int = 0
    region: str = "us-east-1"
    rate: float = 1.0
    work_dir: Path | None = None
    operation_wait: float = 0.0
    allow: frozenset[str] = field(default_factory=frozenset)
    test_keys: Mapping[str, str] = field(default_factory=dict)
    iam: AccessMode = AccessMode.ENFORCE

    def __post_init__(self) -> None:
        if self.host not in ("127.0.0.1", "localhost"):
            raise ValueError(f"the local cloud binds loopback only (127.0.0.1), got {self.host}")
        check_port(self.port)
        check_region(self.region)
        check_rate(self.rate)


class Cloud:
    """One account in one process: the parts that services use, by name."""

    def __init__(self, config: CloudConfig) -> None:
        self.config = config
        self.account_id = ACCOUNT_ID
        self.region = config.region
        self.port = config.port
        self._partition = get_partition(config.region)
        self._folder = WorkFolder(config.work_dir)
        self.work_dir = self._folder.path
        self.activity = Activity()
        self.clock = VirtualClock(run=self.activity.spawn, rate=config.rate)
        self.recorder = Recorder()
        self.keys = KeyRing(self.account_id, self._partition, test_keys=config.test_keys)
        self.faults = Faults()
        self.published = PublishedMessages(self.clock.time)
        self.authorizer = Authorizer(self, config.iam, allow=config.allow)
        self.processes = Processes(kept_open=self._folder.locks)
        self.front = Front(self)
        self.services = Registry(self.front.services)
        self._clients = InProcessClients(self)
        Sts(self)
        simulation = PolicySimulation(self)
        self.front.add_operation(
            "iam", "SimulatePrincipalPolicy", simulation.simulate_principal_policy
        )
        self.front.add_operation("iam", "SimulateCustomPolicy", simulation.simulate_custom_policy)
        self.stopped = threading.Event()
        self.stopped_by_request = threading.Event()

    @property
    def endpoint_url(self) -> str:
        """URL at which clients reach this cloud."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def access(self) -> CloudAccess:
        """Address, keys of the user and admin token, which a client in another process needs."""
        return CloudAccess(
            endpoint_url=self.endpoint_url, region=self.region, pid=os.getpid(),
            access_key_id=self.keys.user.access_key,
            secret_access_key=self.keys.user.secret_key, admin_token=self.keys.admin_token,
        )  # fmt: skip

    def add(self, services: Sequence[Operations]) -> None:
        """Register services that the local cloud implements itself."""
        for service in services:
            self.front.add_service(service)

    def service(self, model: str) -> Operations:
        """The implementation of a botocore service by its name; :attr:`services` is typed."""
        return self.front.services[model]

    def client(
        self, service: str, *, principal: str, region: str | None = None, decided: bool = False,
        origin: SessionOrigin | None = None, via: str = "",
    ) -> Any:  # fmt: skip
        """A boto3 client that calls this cloud as ``principal`` without a socket.

        ``principal`` is a role's ARN or a service's name (``events.amazonaws.com``). The calls of
        a client with ``decided`` are carried out without a decision, because the service has
        decided them where it acts. ``origin`` is the VPC from which a role's session calls.
        ``via`` is a service that calls with the rights of ``principal`` itself. Clients are cached
        and thread-safe.
        """
        return self._clients.get(
            service, principal, region or self.region, decided=decided, origin=origin, via=via
        )

    def credentials_of(
        self, role_arn: str, session: str, origin: SessionOrigin | None = None
    ) -> Credentials:
        """Temporary credentials of a role for a child process, whose calls have an origin."""
        return self.keys.for_role(role_arn, session, origin)

    def iam(self) -> Any:
        """Moto's IAM backend of this account."""
        from moto.iam.models import iam_backends

        return iam_backends[self.account_id][self._partition]

    def iam_role(self, arn: str) -> Any:
        """Moto's role with this ARN, or ``None``.

        The ARN of a session omits the role's path, so a role with a path is also matched by name.
        """
        name = arn.rsplit("/", 1)[-1]
        role = next((r for r in list(self.iam().get_roles()) if r.name == name), None)
        plain = f":role/{name}"
        return role if role is not None and (role.arn == arn or arn.endswith(plain)) else None

    def iam_user(self, arn: str) -> Any:
        """Moto's user with this ARN, or ``None``."""
        user = self.iam().users.get(arn.rsplit("/", 1)[-1])
        return user if user is not None and user.arn == arn else None

    def child_environment(self, credentials: Credentials | None) -> dict[str, str]:
        """The ``AWS_*`` variables with which a child process reaches this cloud."""
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
        """Wait up to ``timeout`` wall seconds for all work; returns the labels still in flight."""
        return self.activity.wait_idle(timeout, also=self.clock.held)

    def start(self) -> None:
        """Start every service."""
        for service in self.front.services.values():
            service.start()

    def warm_up(self, then: Callable[[], None]) -> None:
        """Load, in a background thread, what the first deployment needs."""

        def load() -> None:
            for service in WARMED:
                if self.stopped.is_set():
                    return
                self.front.warm_up([service])
                self.client(service, principal=INTERNAL)
            then()

        self.activity.spawn("warm-up", load, background=True)

    def stop(self) -> None:
        """End every process and thread of this cloud and remove its files."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        self.clock.stop()
        self.activity.stop()
        for service in self.front.services.values():
            service.stop()
        self.processes.stop()
        self._folder.remove()
