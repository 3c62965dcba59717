"""docker-compose.yml without a container engine: it is well formed, says what it must, and its commands work.

Each service's command runs as a local process with exactly its environment and its secrets. Only addresses are other
ones: PostgreSQL (with the command's own settings, asking for the password) and Redis (with the command's own options)
listen on ports of this test; the embedded sink stands in Mailpit's place. Nothing here builds or runs an image.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.fixtures.postgres import PostgresServer
from tests.support import until
from worker.embedded.maildir import Maildir
from worker.embedded.server import find_binary
from worker.embedded.sink import sink_argv, sink_port
from worker.ledger.keys import make_key_files

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = ("migrate", "worker", "express", "beat", "web", "watchdog")
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's docker-compose brings PyYAML for it

pytestmark = pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="needs Debian's docker-compose (.ci/run installs it)"
)


def compose(*arguments, **environ):
    return subprocess.run(
        ["docker-compose", "-f", str(CHECKOUT / "docker-compose.yml"), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def read(home):
    """The file as Compose understands it, for the home at `home`."""
    printed = compose("--profile", "rehearsal", "config", LETTERSHOP_DIR=str(home))
    assert printed.returncode == 0, printed.stderr
    convert = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    argv = [SYSTEM_PYTHON, "-c", convert]
    converted = subprocess.run(argv, input=printed.stdout, capture_output=True, text=True, check=True)
    return json.loads(converted.stdout)


@pytest.fixture(scope="module")
def services():
    return read(CHECKOUT)["services"]


def test_is_well_formed():
    done = compose("config", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_sink_is_there_in_rehearsal_only_and_monitoring_where_it_is_asked_for(services):
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "mailpit": ["rehearsal"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_every_image_is_pinned_by_a_tag(services):
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert re.match(r"v?\d+\.\d+", tag), name


def test_none_may_write_to_its_root_or_gain_privileges(services):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "container_name" not in service, name
        if name != "postgres":  # its entry point steps down by itself
            assert service["user"] not in ("", "0", "root", "0:0"), name
            assert service["cap_drop"] == ["ALL"], name


def test_all_but_the_one_shot_have_health_checks(services):
    assert {name for name, service in services.items() if service["healthcheck"]["test"] == ["NONE"]} == {"migrate"}


def test_workers_may_wait_for_a_final_dot(services):
    assert {services[name]["stop_grace_period"] for name in ("worker", "express")} <= {"11m", "11m0s"}


def test_the_pages_are_reached_from_this_machine_only(services):
    (port,) = services["web"]["ports"]
    where = port if isinstance(port, str) else f"{port['host_ip']}:{port['published']}:{port['target']}"
    assert where.removesuffix("/tcp") == "127.0.0.1:8480:8480"
    assert services["web"]["command"] == ["web", "--host", "0.0.0.0"]


def test_secrets_are_files(services):
    for name in OURS:
        environment = services[name]["environment"]
        assert not [key for key in environment if re.search("PASSWORD$|SECRET", key)], name
        assert "@postgres" in environment["LETTERSHOP_LEDGER__URL"]
        assert ":" not in environment["LETTERSHOP_LEDGER__URL"].partition("://")[2].partition("@")[0]


def test_redis_forgets_nothing(services):
    command = services["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Machine:
    """The services as local processes."""

    def __init__(self, draft, folder):
        self.home, self.folder = draft.root, folder
        draft.edit("config/lettershop.toml", '# office_hours = "observe"', 'office_hours = "ignore"')
        keys = draft.root / "var/keys"
        make_key_files([keys / f"{name}.key" for name in ("data", "lookup", "seal")])
        (keys / "ledger.password").write_text("quite / secret:\n")
        self.file = read(draft.root)
        self.sink = Maildir(folder / "sink")
        self.ports = {"postgres:5432": free_port(), "redis:6379": free_port(), "web": free_port()}
        self.processes = {}
        self.postgres = None

    def start_postgres(self, monkeypatch):
        port = self.ports["postgres:5432"]
        monkeypatch.setenv("PGPORT", str(port))  # the fixture's own connections use its unix socket
        self.postgres = PostgresServer()
        access = self.postgres._data / "pg_hba.conf"
        access.write_text("host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n")
        command = self.file["services"]["postgres"]["command"]
        own = [command[n + 1] for n, word in enumerate(command) if word == "-c"]
        self.postgres.start("listen_addresses=127.0.0.1", f"port={port}", *own)
        with self.postgres.connect() as connection:
            connection.execute("CREATE ROLE lettershop LOGIN PASSWORD 'quite / secret:'")
            connection.execute("CREATE DATABASE lettershop OWNER lettershop")

    def start_redis(self):
        port, data = self.ports["redis:6379"], self.folder / "redis"
        data.mkdir()
        options = self.file["services"]["redis"]["command"][1:]
        place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
        self.spawn("redis", [str(find_binary(os.environ)), *options, *place], {})
        client = redis.Redis(port=port, protocol=2)
        until(lambda: self.answers(client), "Redis answers")
        client.close()

    @staticmethod
    def answers(client):
        try:
            return client.ping()
        except redis.ConnectionError:
            return False

    def start_sink(self):
        port_file = self.folder / "sink.port"
        self.spawn("mailpit", sink_argv(self.folder / "sink", port_file), {})
        self.ports["mailpit"] = until(lambda: sink_port(port_file), "the sink listens")

    def spawn(self, name, argv, environment):
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, cwd=self.folder)
        return self.processes[name]

    def environment(self, name):
        """What the container would see, with this machine's addresses and paths."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LETTERSHOP_HOME": str(self.home),
            **{key: self.here(value) for key, value in self.file["services"][name]["environment"].items() if value},
        }

    def here(self, value):
        value = {"mailpit": "127.0.0.1", "1025": str(self.ports["mailpit"])}.get(value, value)
        for place, port in self.ports.items():
            value = value.replace(place, f"127.0.0.1:{port}")
        secret = value.removeprefix("/run/secrets/")
        return value if secret == value else self.file["secrets"][secret]["file"]

    def start(self, name):
        argv = [str(Path(sys.executable).with_name("lettershop")), *self.file["services"][name]["command"]]
        if name == "web":  # on this machine alone, at a port that nobody has
            argv = [argv[0], "web", "--host", "127.0.0.1", "--port", str(self.ports["web"])]
        return self.spawn(name, argv, self.environment(name))

    def healthy(self, name):
        """Whether the service's own health check says so."""
        test = [
            word.replace("8480", str(self.ports["web"])) for word in self.file["services"][name]["healthcheck"]["test"]
        ]
        assert test[0] == "CMD"
        environment = self.environment(name)
        program = shutil.which(test[1], path=environment["PATH"])
        return subprocess.run([program, *test[2:]], env=environment, capture_output=True, check=False).returncode == 0

    def run(self, *arguments):
        """`docker compose run --rm worker ...`."""
        argv = [str(Path(sys.executable).with_name("lettershop")), *arguments]
        return subprocess.run(argv, env=self.environment("worker"), capture_output=True, text=True, check=False)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def recipients(self):
        return sorted(recipient for stored in self.sink.messages() for recipient in stored.recipients)

    def end(self):
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()
        if self.postgres is not None:
            self.postgres.remove()


@pytest.fixture
def machine(draft, tmp_path, monkeypatch):
    made = Machine(draft, tmp_path)
    try:
        made.start_postgres(monkeypatch)
        made.start_redis()
        made.start_sink()
        yield made
    finally:
        made.end()


def test_the_services_work_together(machine):
    assert machine.start("migrate").wait(60) == 0, machine.log("migrate")
    assert not machine.healthy("web")
    for name in ("worker", "express", "beat", "web"):
        machine.start(name)
    until(lambda: machine.healthy("web"), "the pages to be served", within_s=60)
    person = ("--name", "Sample Signer 01", "--email", "signer01@mail.example", "--country", "IE")
    signed = machine.run("sign", "town-library", *person, "--confirmed", "--evidence", "a test")
    assert signed.returncode == 0, signed.stderr
    offices = ["sampleton-library-committee@rehearsal.invalid", "sampleton-mayor@rehearsal.invalid"]
    until(lambda: machine.recipients() == offices, "both letters to arrive", within_s=60)
    health = machine.file["services"]["worker"]["healthcheck"]["test"]
    assert health[:2] == ["CMD", "lettershop"]
    status = machine.run(*health[2:])
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["letters"]["sent"] == 2
    for name in ("web", "beat", "express", "worker"):
        machine.processes[name].send_signal(signal.SIGTERM)
    for name in ("web", "beat", "express", "worker"):
        assert machine.processes[name].wait(60) == 0, machine.log(name)
