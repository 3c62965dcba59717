"""What all tests share. Each builder's fixtures stand in a file of their own under `tests/fixtures/`."""

import logging

import pytest

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.homes",
    "tests.fixtures.passwords",
    "tests.fixtures.postgres",
    "tests.fixtures.redis",
    "tests.fixtures.world",
]


@pytest.fixture(autouse=True)
def _loggers_as_they_were():
    """A test that sets a process's logging up, as its parts do, leaves the next test's loggers heard."""
    logging.disable(logging.NOTSET)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith("lettershop") and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
