"""What all tests share. Each builder's fixtures stand in a file of their own under `tests/fixtures/`."""

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.homes",
    "tests.fixtures.passwords",
    "tests.fixtures.postgres",
    "tests.fixtures.redis",
    "tests.fixtures.world",
]
