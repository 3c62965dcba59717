"""The private parts as the supervisor wants them: the Redis server and the sink."""

from pathlib import Path

from worker.domain.errors import Failed
from worker.embedded.part import Part
from worker.embedded.server import RedisServer, wait_until_ready
from worker.embedded.sink import sink_argv, sink_port

LOADING_S = 600.0
"""A server with a long log takes a while to read it."""


def redis_part(server: RedisServer) -> Part:
    """The server as a part named "redis", on the lowest tier. Raises Failed where no server is installed."""
    return Part("redis", server.argv(), ready=lambda: _answers(server), ready_within=LOADING_S, stop_within=15)


def sink_part(root: Path, port_file: Path, defer_share: float = 0.0) -> Part:
    """The sink as a part named "sink"; its port is in `port_file` once it is ready (`sink.sink_port`)."""
    argv = sink_argv(root, port_file, defer_share=defer_share)
    return Part("sink", argv, ready=lambda: sink_port(port_file) is not None)


def _answers(server: RedisServer) -> bool:
    try:
        wait_until_ready(server.socket, alive=lambda: False)
    except Failed:
        return False
    return True
