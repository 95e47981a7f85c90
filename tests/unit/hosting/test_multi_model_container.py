"""The container of many models: loading and unloading at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from sageloop.local_cloud.images.http_server import Reply, Respond
from sageloop.local_cloud.images.multi_model.models import Models


def test_model_that_is_unloaded_while_it_loads_goes_when_it_has_come() -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(_: Path) -> Respond:
        loading.set()
        go_on.wait(180)
        return lambda body, _: Reply(200, body, {})

    models = Models(load, Path)
    asked = json.dumps({"model_name": "a", "url": "/models/a"}).encode()
    unloaded: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: models.manage("POST", "/models", asked, {})),
        threading.Thread(
            target=lambda: unloaded.append(models.manage("DELETE", "/models/a", b"", {}))
        ),
    ]
    threads[0].start()
    assert loading.wait(180)
    threads[1].start()
    threads[1].join(0.2)  # it does not end before the load
    go_on.set()
    for thread in threads:
        thread.join(20)

    assert [reply.status for reply in unloaded] == [200]
    assert json.loads(models.manage("GET", "/models", b"", {}).body) == {"models": []}
