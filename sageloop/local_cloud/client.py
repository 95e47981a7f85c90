"""Starts and controls a local cloud in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
import time as wall
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from sageloop.environment import (
    ACCESS_FILE_VARIABLE,
    NO_ACCESS_KEY,
    NO_SECRET_KEY,
    blind_client,
    local_environment,
    require_loopback,
)
from sageloop.local_cloud.access.cloud_access import CloudAccess, CloudAccessError
from sageloop.local_cloud.access.enforcement.mode import AccessMode, access_mode
from sageloop.local_cloud.config_checks import check_port, check_rate, check_region
from sageloop.local_cloud.linux import UnsupportedPlatformError, require_linux

if TYPE_CHECKING:
    from sageloop.local_cloud.template import CloudTemplate, ForkedServer

__all__ = ["LocalCloud", "LocalCloudError", "check_port", "check_rate", "check_region"]


class LocalCloudError(RuntimeError):
    """The local cloud did not start, is not reachable or refused a request."""


class LocalCloud:
    """A handle on a running local cloud.

    Arguments:
        endpoint_url: Address of the cloud, on loopback.
        region: Default region of clients; by default that of the access, else ``us-east-1``.
        access: The cloud's keys and admin token, without which it refuses requests. By default
            those in the environment (:meth:`CloudAccess.find`).
        process: The server, if this handle ends it.

    Example::

        with LocalCloud.start() as cloud:
            cloud.client("s3").create_bucket(Bucket="data")
            cloud.advance(hours=1)
            cloud.settle()

    ``LocalCloud.template`` may be set to a :class:`~sageloop.local_cloud.template.CloudTemplate`:
    clouds that end with this process are then forked from it, which takes a tenth of the time.

    """

    template: ClassVar[CloudTemplate | None] = None

    def __init__(
        self, endpoint_url: str, *, region: str | None = None, access: CloudAccess | None = None,
        process: subprocess.Popen[str] | ForkedServer | None = None,
    ) -> None:  # fmt: skip
        self.endpoint_url = require_loopback(endpoint_url)
        try:
            known = CloudAccess.find(endpoint_url) if access is None else access
        except CloudAccessError as error:
            raise LocalCloudError(str(error)) from error
        chosen = known.region if region is None and known is not None else region
        self.region = "us-east-1" if chosen is None else chosen
        self.access = _bound(known, endpoint_url, self.region)
        self._process = process
        self._clients: dict[tuple[str, str], Any] = {}
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def from_access(cls, access: CloudAccess) -> Self:
        """The cloud of an access."""
        return cls(access.endpoint_url, access=access)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The cloud whose access is in a file, such as ``.sageloop/local.json``.

        Raises :class:`LocalCloudError` if the file does not exist or is invalid.
        """
        try:
            return cls.from_access(CloudAccess.read(path))
        except (OSError, CloudAccessError) as error:
            raise LocalCloudError(
                f"{path} is not the access file of a local cloud: {error}"
            ) from error

    @classmethod
    def start(
        cls, *, port: int = 0, region: str = "us-east-1", rate: float = 1.0,
        allow: Iterable[str] = (), log: Path | None = None, detached: bool = False,
        warm: bool = False, access_file: Path | None = None,
        test_keys: Mapping[str, str] | None = None, iam: str = AccessMode.ENFORCE,
    ) -> Self:  # fmt: skip
        """Start a cloud and wait until it answers requests.

        ``port`` 0 selects a free port; ``rate`` is virtual seconds per second; ``allow`` names
        resource types that may be stored without being executed, and condition keys that policies
        may use though they are not filled. Unless ``detached`` the cloud
        ends with this process; ``warm`` loads services in the background, for a large deployment.
        ``access_file`` is written when the cloud answers (mode 600), and named in
        :meth:`environment`. ``test_keys`` (secrets by access key id) are accepted as the user's,
        beside those that the cloud issues: published keys, for tests only. ``iam`` is
        ``enforce`` (calls that the policies deny are refused), ``warn`` (they are carried out
        and recorded) or ``off``. Raises :class:`LocalCloudError` with the server's reason, and
        ``ValueError`` for another ``iam``.
        """
        try:
            require_linux()
        except UnsupportedPlatformError as error:
            raise LocalCloudError(str(error)) from error
        arguments = [
            "--port", str(port), "--region", region, "--rate", str(rate),
            "--allow", ",".join(allow), "--iam", access_mode(iam),
            *([] if detached else ["--with-parent"]), *(["--warm"] if warm else []),
        ]  # fmt: skip
        for key, secret in (test_keys or {}).items():
            arguments += ["--test-key", f"{key}:{secret}"]
        process = cls._server(
            arguments, env=local_environment("http://127.0.0.1", region=region),
            stderr=log.open("a") if log else None, detached=detached,
        )  # fmt: skip
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait()
            output = process.stderr.read() if process.stderr else (log.read_text() if log else "")
            raise LocalCloudError(output.strip() or "the local cloud ended before it was ready")
        if process.stderr:
            _drain(process)
        access = CloudAccess.from_json(line)
        if access_file is not None:
            access = access.write(access_file)
        return cls(access.endpoint_url, access=access, process=process)

    @classmethod
    def _server(
        cls, arguments: list[str], *, env: dict[str, str], stderr: IO[str] | None, detached: bool
    ) -> subprocess.Popen[str] | ForkedServer:
        if cls.template is not None and not detached:
            return cls.template.fork(arguments, env=env, stderr=stderr)
        return subprocess.Popen(
            [sys.executable, "-m", "sageloop.local_cloud.server", *arguments], env=env, text=True,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=stderr or subprocess.PIPE, start_new_session=detached,
        )  # fmt: skip

    @property
    def pid(self) -> int | None:
        """Process id of the cloud's server, if known."""
        return self._process.pid if self._process else self.access.pid

    def environment(self) -> dict[str, str]:
        """Environment variables with which AWS clients reach this cloud only."""
        return self.access.environment()

    def client(self, service: str, *, region: str | None = None) -> Any:
        """A boto3 client of this cloud."""
        from botocore.config import Config

        key = (service, region or self.region)
        if key not in self._clients:
            self._clients[key] = blind_client(
                service, region_name=key[1], endpoint_url=self.endpoint_url,
                aws_access_key_id=self.access.access_key_id,
                aws_secret_access_key=self.access.secret_access_key,
                config=Config(s3={"addressing_style": "path"}, proxies={},
                              retries={"total_max_attempts": 2}, max_pool_connections=64),
            )  # fmt: skip
        return self._clients[key]

    def health(self) -> dict[str, Any]:
        """State of the cloud: services, processes, work in flight."""
        return self._request("health")

    def time(self) -> float:
        """Current virtual time in epoch seconds."""
        return float(self._request("clock")["time"])

    def rate(self) -> float:
        """Rate of the virtual clock: virtual seconds per second."""
        return float(self._request("clock")["rate"])

    def set_rate(self, rate: float) -> None:
        """Set the rate of the virtual clock: virtual seconds per second."""
        self._request("clock", rate=rate)

    def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Advance the virtual clock."""
        self._request("clock", advance=seconds + 60 * minutes + 3600 * hours)

    def settle(self, timeout: float = 180) -> None:
        """Wait for all work in flight. Raises :class:`LocalCloudError` naming the rest."""
        busy = self._request("settle", timeout=timeout)["in_flight"]
        if busy:
            raise LocalCloudError(f"still in flight after {timeout} s: {', '.join(busy)}")

    def work_seconds(self) -> float:
        """Wall seconds of training programs and of starts of model servers."""
        return float(sum(self._request("health")["work_seconds"].values()))

    def calls(self, *, action: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Recorded API calls, oldest first."""
        calls: list[dict[str, Any]] = self._request("calls", action=action, after=after)["calls"]
        return calls

    def decisions(self, *, denied: bool = False) -> list[dict[str, Any]]:
        """Access decisions: principal, action, resource, context, effect, source and count."""
        records: list[dict[str, Any]] = self._request("access", denied=denied)["records"]
        return records

    def denials(self) -> list[str]:
        """Each denial in one line, once: principal, action, resource, and statement or reason."""
        lines = (
            f"{record['principal']} was denied {record['action']} on {record['resource']}: "
            f"{record['source']}"
            for record in self.decisions(denied=True)
        )
        return list(dict.fromkeys(lines))

    def access_summary(self) -> dict[str, Any]:
        """Access mode, and the numbers of decisions by principal and of denials."""
        response = self._request("access", summary=True)
        return {key: value for key, value in response.items() if key != "records"}

    def access_usage(self) -> list[dict[str, Any]]:
        """For each role: whether each permission was needed, denials, a policy of what was used."""
        roles: list[dict[str, Any]] = self._request("usage", timeout=300)["roles"]
        return roles

    def published(self, topic: str | None = None) -> list[dict[str, Any]]:
        """Messages that were published to SNS topics, oldest first; the last 1,000 are kept.

        Args:
            topic: ARN or name of a topic; by default the messages of all.

        """
        messages: list[dict[str, Any]] = self._request("published")["messages"]
        return [m for m in messages if topic in (None, m["topic_arn"], _name(m["topic_arn"]))]

    def fault(self, kind: str, match: str, **members: Any) -> None:
        """Inject a fault (members as in ``core.faults.Fault``)."""
        self._request("faults", kind=kind, match=match, **members)

    def interrupt_spot(
        self, job_pattern: str, *, times: int | None = 1, when_logged: str | None = None
    ) -> None:
        """Interrupt a spot job, immediately or when a line of its log matches."""
        self.fault("spot", job_pattern, times=times, when_logged=when_logged)

    def refuse_capacity(self, instance_type: str, *, times: int | None = 1) -> None:
        """Refuse capacity of an instance type: an on-demand job fails, a spot job waits."""
        self.fault("capacity", instance_type, times=times)

    def refuse_quota(self, instance_type: str, *, times: int | None = 1) -> None:
        """Answer CreateTrainingJob with ResourceLimitExceeded for an instance type."""
        self.fault("quota", instance_type, times=times)

    def fail_internally(self, job_pattern: str, *, times: int | None = 1) -> None:
        """End a job's containers with an internal error."""
        self.fault("internal", job_pattern, times=times)

    def mount_file_system(self, file_system_id: str, path: str | Path) -> None:
        """Mount a directory of this machine as an EFS or FSx file system."""
        self._request("file_systems", file_system_id=file_system_id, path=str(path))

    def clear_faults(self) -> None:
        """Remove every injected fault."""
        self._request("faults", clear=True)

    def stop(self) -> None:
        """End the cloud and everything it started."""
        if self._process:
            # A signal also ends a cloud that answers no request.
            self._process.terminate()
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait(30)
        else:
            with suppress(LocalCloudError):
                self._request("stop")
            self._await_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()

    def _await_end(self) -> None:
        # Not a child process: it has ended when nothing answers at its address.
        for _ in range(600):
            try:
                self.health()
            except LocalCloudError:
                return
            wall.sleep(0.05)
        raise LocalCloudError(f"the local cloud at {self.endpoint_url} did not stop")

    def _request(self, verb: str, **members: Any) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the scheme and host were checked
            f"{self.endpoint_url}/_sageloop/admin/{verb}",
            data=json.dumps(members).encode(),
            headers={"Authorization": f"Bearer {self.access.admin_token or 'none'}"},
        )
        try:
            with self._opener.open(request, timeout=members.get("timeout", 30) + 30) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            message = error.read().decode()
            if error.code == HTTPStatus.FORBIDDEN and self.access.admin_token is None:
                message += (
                    f"; this process does not hold the admin token of {self.endpoint_url}: set "
                    f"{ACCESS_FILE_VARIABLE} to the cloud's file (.sageloop/local.json)"
                )
            raise LocalCloudError(message) from error
        except OSError as error:
            raise LocalCloudError(
                f"no local cloud answers at {self.endpoint_url}: {error}"
            ) from error


def _bound(known: CloudAccess | None, endpoint_url: str, region: str) -> CloudAccess:
    if known is not None:
        return replace(known, endpoint_url=endpoint_url, region=region)
    return CloudAccess(
        endpoint_url=endpoint_url, region=region, access_key_id=NO_ACCESS_KEY,
        secret_access_key=NO_SECRET_KEY,
    )  # fmt: skip


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def _drain(process: subprocess.Popen[str] | ForkedServer) -> None:
    import threading

    def copy() -> None:
        for line in process.stderr or ():
            sys.stderr.write(line)

    threading.Thread(target=copy, daemon=True).start()
