"""What all tests share. Each builder's fixtures stand in a file of their own under `tests/fixtures/`."""

import contextlib
import gc
import os
import shutil

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.homes",
    "tests.fixtures.passwords",
    "tests.fixtures.postgres",
    "tests.fixtures.redis",
    "tests.fixtures.world",
]

_PLENTY_BYTES = 8 << 30
with contextlib.suppress(OSError):  # where there is plenty of memory, `fsync` is what it is and costs nothing
    if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > _PLENTY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")


def pytest_collection_finish() -> None:
    """Let the collector pass over all that was imported: going through it costs a third of a second each time."""
    gc.collect()
    gc.freeze()
