"""The connection to the supervisor when the supervisor is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# As a process at its end: its connection is closed, and its children are not passed on yet.
ENDING = """
import os, signal, sys
control = int(sys.argv[1])
if os.fork() == 0:
    os.setsid()
    os.close(control)
    os.execlp("sleep", "sleep", "1000")
os.close(control)
signal.pause()
"""
CLOUD = """
import os, signal, sys
from pathlib import Path
from sageloop.local_cloud.core.supervision import link, tree
from sageloop.waiting import until

def waits_for_the_supervisor():
    frame, names = sys._current_frames().get(connection._listener.ident), set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return {"_connection_lost", "wait"} <= names

link.prepare_cloud_process()
link._PROGRAM = Path(sys.argv[1])
connection = link.Link(kept_open=())
until("the wait for the supervisor", waits_for_the_supervisor, seconds=60)
os.kill(connection._process.pid, signal.SIGKILL)
connection._listener.join(60)
print(tree.children_of(os.getpid()))
tree.end_all_children()
"""


def test_orphans_of_a_killed_supervisor_are_ended_however_late_they_are_passed_on(
    tmp_path: Path,
) -> None:
    program = tmp_path / "ending.py"
    program.write_text(ENDING)

    ended = subprocess.run(
        [sys.executable, "-c", CLOUD, str(program)], capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip

    assert ended.stdout == "[]\n", ended.stderr
