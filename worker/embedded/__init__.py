"""Private parts of a stack on one machine: a server, a sink, and the supervisor that keeps them together."""
