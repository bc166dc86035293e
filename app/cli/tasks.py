"""Tasks of the Buffer API, waited for."""

import time

from app.cli.api import Json
from app.cli.connection import Session
from app.cli.errors import Refused

LOOK_EVERY_S = 0.1
WAIT_MAX_S = 330.0  # a task that waits for the destination has 300


def finished(session: Session, task: Json, what: str) -> Json:
    """The task when it has ended well. Raises Refused when it has not."""
    path = session.api.here(task["url"])
    until_s = time.monotonic() + WAIT_MAX_S
    with session.out.progress(what, None):
        while not task["isFinished"]:
            if time.monotonic() > until_s:
                raise Refused(f"the task is not finished after {WAIT_MAX_S:.0f} s: look at {task['url']}")
            time.sleep(LOOK_EVERY_S)
            task = session.api.get(path)
    if task["status"] != "success":
        raise Refused(task["error"])
    return task
