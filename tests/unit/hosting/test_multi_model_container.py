"""Concurrent loading and unloading of models in a multi-model container."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from sageloop.local_cloud.images.http_server import Reply, Respond
from sageloop.local_cloud.images.multi_model.models import Models


def test_model_unloaded_during_its_load_is_removed_after_it() -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(_: Path) -> Respond:
        loading.set()
        go_on.wait(180)
        return lambda body, _: Reply(200, body, {})

    models = Models(load, Path)
    request = json.dumps({"model_name": "a", "url": "/models/a"}).encode()
    unloaded: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: models.manage("POST", "/models", request, {})),
        threading.Thread(
            target=lambda: unloaded.append(models.manage("DELETE", "/models/a", b"", {}))
        ),
    ]
    threads[0].start()
    assert loading.wait(180)
    threads[1].start()
    threads[1].join(0.2)  # it must not end before the load
    go_on.set()
    for thread in threads:
        thread.join(20)

    assert [reply.status for reply in unloaded] == [200]
    assert json.loads(models.manage("GET", "/models", b"", {}).body) == {"models": []}
