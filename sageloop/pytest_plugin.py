"""A pytest plugin: the ``local_cloud`` fixture.

Example::

    def test_bucket_is_versioned(local_cloud):
        outputs = local_cloud.deploy(my_cdk_app)
        status = local_cloud.client("s3").get_bucket_versioning(Bucket=outputs["S"]["Name"])
        assert status["Status"] == "Enabled"

While a test that requests the fixture runs, this process and its children reach that cloud and no
AWS account: ``boto3.client("s3")`` in the code under test is a client of the cloud. moto answers
calls inside its ``mock_aws``.

Ini options:

- ``local_cloud_scope``: scope of the fixture; ``module`` by default.
- ``local_cloud_environment``: whether the process is configured for the cloud; ``true`` by default.
- ``local_cloud_region``, ``local_cloud_rate``: the cloud's region (``us-east-1`` by default), and
  its virtual seconds per second (1).
- ``local_cloud_allow``: resource types, one per line, that may be stored without being executed.
- ``local_cloud_iam``: what happens to a call that access policies deny: ``enforce``, the default,
  refuses it as AWS does; ``warn`` carries it out; ``off`` evaluates no policies. The terminal
  summary lists what was denied, once each.
- ``local_cloud_cdk_validation``: whether CDK validates templates, in ten seconds of CPU for each
  synthesis; ``false`` by default. An environment variable ``CDK_VALIDATION`` takes precedence.
- ``sageloop_test_keys``: whether the cloud accepts published test keys (``testing``, ``test``, that
  of AWS's documentation, moto's own) as its user's; ``false`` by default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sageloop.local_cloud.client import LocalCloud
    from sageloop.local_cloud.process_environment import ProcessEnvironment

_FIXTURE = "local_cloud"
# Secrets by key id, from the documentation of moto, LocalStack and AWS; they belong to no account.
_TEST_KEYS = {
    "testing": "testing",
    "test": "test",
    "FOOBARKEY": "FOOBARSECRET",
    "AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
_ACTIVATION = pytest.StashKey["_Activation"]()
_DENIALS = pytest.StashKey[dict[str, None]]()
_DENIALS_OF_WORKER = "sageloop_denials"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini options."""
    parser.addini("local_cloud_scope", "scope of the local_cloud fixture", default="module")
    parser.addini(
        "local_cloud_environment", "configure the test process for its local cloud", type="bool",
        default=True,
    )  # fmt: skip
    parser.addini("local_cloud_region", "region of the local cloud", default="us-east-1")
    parser.addini("local_cloud_rate", "virtual seconds per second", default="1")
    parser.addini(
        "local_cloud_allow", "resource types that may be stored without being executed",
        type="linelist", default=[],
    )  # fmt: skip
    parser.addini(
        "local_cloud_iam", "what happens to calls that policies deny: enforce, warn or off",
        default="enforce",
    )  # fmt: skip
    parser.addini(
        "local_cloud_cdk_validation", "let CDK validate templates at each synthesis", type="bool",
        default=False,
    )  # fmt: skip
    parser.addini(
        "sageloop_test_keys", "accept published test keys as the local cloud's user", type="bool",
        default=False,
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Configure CDK, which reads its environment at its import, and botocore.

    boto3 clients that conftest and test modules create at their import are redirected, too.
    """
    if not early_config.getini("local_cloud_cdk_validation"):
        os.environ.setdefault("CDK_VALIDATION", "false")
    if early_config.getini("local_cloud_environment"):
        from sageloop.local_cloud.process_environment import install

        install()


def pytest_configure(config: pytest.Config) -> None:
    """Create the state of this pytest session."""
    config.stash[_ACTIVATION] = _Activation()
    config.stash[_DENIALS] = {}
    _check_iam(config.getini("local_cloud_iam"))


def pytest_report_header(config: pytest.Config) -> str:
    """How the fixture's clouds are configured."""
    region, iam = config.getini("local_cloud_region"), config.getini("local_cloud_iam")
    validation = "off" if os.environ.get("CDK_VALIDATION") == "false" else "on"
    return f"local cloud: region {region}, iam {iam}, CDK validation {validation}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the denials of a worker of pytest-xdist to the process that reports them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        denials = session.config.stash[_DENIALS]
        output[_DENIALS_OF_WORKER] = list(denials)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive them from a worker, unless it crashed."""
    denials = (getattr(node, "workeroutput", None) or {}).get(_DENIALS_OF_WORKER, ())
    node.config.stash[_DENIALS].update(dict.fromkeys(denials))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List what access policies denied, once each."""
    denials = config.stash[_DENIALS]
    if denials:
        terminalreporter.section("denied by access policies")
        for line in denials:
            terminalreporter.line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Configure the process for the cloud from a test's setup to the end of its teardown."""
    requested = _FIXTURE in getattr(item, "fixturenames", ())
    with item.config.stash[_ACTIVATION].test(requested=requested):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Restore the environment of a wider fixture's setup for its teardown."""
    activation = request.config.stash[_ACTIVATION]
    if fixturedef.scope == "function" or not activation.entered:
        return (yield)
    begin, end = activation.around_teardown()
    fixturedef.addfinalizer(end)  # finalizers run in reverse order
    result = yield
    fixturedef.addfinalizer(begin)
    return result


class _Activation:
    """Whether this process is configured for the fixture's cloud, and until when."""

    def __init__(self) -> None:
        self.entered = False
        self._environment: ProcessEnvironment | None = None
        self._testing = False

    @contextmanager
    def test(self, *, requested: bool) -> Iterator[None]:
        self._testing = True
        try:
            if requested:
                self._enter()
            yield
        finally:
            self._testing = False
            self._leave()

    @contextmanager
    def cloud(self, environment: ProcessEnvironment | None) -> Iterator[None]:
        self._environment = environment
        self._enter()
        try:
            yield
        finally:
            self._leave()
            self._environment = None

    def use(self) -> None:
        """Activate for a test that uses the fixture by ``getfixturevalue``, on first use."""
        if self._testing:
            self._enter()

    def around_teardown(self) -> tuple[Callable[[], None], Callable[[], None]]:
        before: list[bool] = []

        def begin() -> None:
            before.append(self.entered)
            self._enter()

        def end() -> None:
            if not all(before):
                self._leave()

        return begin, end

    def _enter(self) -> None:
        if self._environment is not None and not self.entered:
            self._environment.__enter__()
            self.entered = True

    def _leave(self) -> None:
        if self._environment is not None and self.entered:
            self._environment.__exit__(None, None, None)
            self.entered = False


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("local_cloud_scope")


class CloudUnderTest:
    """A running local cloud with methods to deploy; other attributes are :class:`LocalCloud`'s."""

    def __init__(self, cloud: LocalCloud, used: Callable[[], None]) -> None:
        self.cloud = cloud
        self.region = cloud.region
        self._used = used

    def __getattr__(self, name: str) -> Any:
        self._used()
        return getattr(self.cloud, name)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this cloud, inside moto's ``mock_aws`` as well."""
        from sageloop.local_cloud.process_environment import exempt

        self._used()
        return exempt(self.cloud.client(service, **options))

    def deploy(
        self, app: Any, *, parameters: Mapping[str, str] | None = None
    ) -> dict[str, dict[str, str]]:
        """Synthesize and deploy a CDK ``App``; returns outputs by stack name."""
        from sageloop.local_cloud.assembly import deploy_app

        return deploy_app(self, app, parameters=parameters)

    def deploy_template(
        self, stack_name: str, template: str | Mapping[str, Any], **parameters: str
    ) -> dict[str, str]:
        """Deploy a CloudFormation template; returns its outputs."""
        from sageloop.local_cloud.assembly import deploy_template

        return deploy_template(self, stack_name, template, parameters=parameters)

    def destroy(self, stack_name: str) -> None:
        """Delete a stack and wait for the end of the deletion."""
        from sageloop.local_cloud.assembly import destroy

        destroy(self, stack_name)


@pytest.fixture(scope=_scope)
def local_cloud(request: pytest.FixtureRequest) -> Iterator[CloudUnderTest]:
    """A running local cloud: no AWS account, no Docker, and no files after the test."""
    from sageloop.local_cloud.client import LocalCloud

    config = request.config
    activation = config.stash[_ACTIVATION]
    with LocalCloud.start(
        region=config.getini("local_cloud_region"), rate=_rate(config),
        allow=config.getini("local_cloud_allow"),
        test_keys=_TEST_KEYS if config.getini("sageloop_test_keys") else None,
        iam=config.getini("local_cloud_iam"),
    ) as cloud, activation.cloud(_environment_of(cloud, config)):  # fmt: skip
        yield CloudUnderTest(cloud, activation.use)
        config.stash[_DENIALS].update(dict.fromkeys(_denials_of(cloud)))


def _check_iam(mode: str) -> None:
    if mode == "enforce":
        return  # nothing is imported for a session without the fixture
    from sageloop.local_cloud.access.enforcement.mode import access_mode

    try:
        access_mode(mode)
    except ValueError as error:
        raise pytest.UsageError(f"local_cloud_iam: {error}") from error


def _denials_of(cloud: LocalCloud) -> Iterable[str]:
    from sageloop.local_cloud.client import LocalCloudError

    with suppress(LocalCloudError):  # a test may have stopped its cloud
        return cloud.denials()
    return ()


def _rate(config: pytest.Config) -> float:
    text = config.getini("local_cloud_rate")
    try:
        return float(text)
    except ValueError as error:
        raise pytest.UsageError(f"local_cloud_rate must be a number, got {text!r}") from error


def _environment_of(cloud: LocalCloud, config: pytest.Config) -> ProcessEnvironment | None:
    if not config.getini("local_cloud_environment"):
        return None
    from sageloop.local_cloud.process_environment import ProcessEnvironment

    return ProcessEnvironment(cloud.environment())
