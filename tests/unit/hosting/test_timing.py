"""The default limits of a container are those of AWS."""

from __future__ import annotations

import pytest

from sageloop.local_cloud.sagemaker.hosting.timing import Timing


@pytest.mark.feature("serving: time-outs")
def test_default_limits_are_those_of_aws() -> None:
    timing = Timing()

    assert (timing.invocation, timing.ping_timeout, timing.terminate) == (60, 2, 30)
    assert (timing.model_load, timing.drain) == (360, 480)
    assert timing.startup(None) == 240
    assert timing.startup(3600) == 3600


def test_startup_cap_limits_all_startup_timeouts() -> None:
    timing = Timing(startup_cap=0.5)

    assert timing.startup(None) == timing.startup(60) == 0.5
