"""Pure values, states and rules: no I/O, no third-party imports. Everything else in the house stands on it."""
