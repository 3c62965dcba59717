"""What all tests share. Each builder's fixtures stand in a file of their own under `tests/fixtures/`."""

import gc

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.homes",
    "tests.fixtures.passwords",
    "tests.fixtures.postgres",
    "tests.fixtures.redis",
    "tests.fixtures.world",
]


def pytest_collection_finish() -> None:
    """Let the collector pass over all that was imported: going through it costs a third of a second each time."""
    gc.collect()
    gc.freeze()
