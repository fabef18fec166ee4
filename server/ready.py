"""How a process tells the supervisor that it is ready."""

import os


def tell_ready() -> None:
    """Write to the supervisor's pipe, if there is a supervisor."""
    pipe = os.environ.get("POTLUCK_READY_FD")
    if pipe:
        os.write(int(pipe), b"1")
        os.close(int(pipe))
