"""`config/monitoring/` and `docs/monitoring.md`: the rules do what they promise, and all name metrics that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.fixtures.world import World
from tests.integration.operations.test_metrics import NOBODY, Found
from tests.integration.test_compose import SYSTEM_PYTHON, compose
from worker.operations.metrics import Counters, collect
from worker.operations.metrics.families import FAMILIES

CHECKOUT = Path(__file__).resolve().parents[2]
MONITORING = CHECKOUT / "config/monitoring"
RULES = (MONITORING / "rules.yml").read_text()
PAGE = (CHECKOUT / "docs/monitoring.md").read_text()

ALERTS = re.findall(r"alert: (\w+)", RULES)
NAME = re.compile(r"\blettershop_[a-z_]+")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool (Debian's package prometheus)"
)
needs_compose = pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="needs Debian's docker-compose (.ci/run installs it)"
)


def exported() -> set[str]:
    """Every name that a sample of ours may have."""
    names = set(FAMILIES)
    for family in FAMILIES.values():
        if family.kind == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def promtool(*arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        ["promtool", *arguments], cwd=MONITORING, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- the rules
@needs_promtool
def test_the_rules_are_well_formed():
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", "rules.yml")


@needs_promtool
def test_the_rules_speak_when_they_must_and_only_then():
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_each_alert_is_tested_speaking_and_silent_and_told_in_the_docs():
    tests = (MONITORING / "rules_test.yml").read_text()
    for alert in ALERTS:
        silent = re.search(rf"\{{alertname: {alert}, ", tests)
        speaking = re.search(rf"alertname: {alert}\n\s+eval_time: \w+\n\s+exp_alerts:", tests)
        assert silent, alert
        assert speaking, alert
    assert re.findall(r"^\| (Lettershop\w+) \|", PAGE, re.MULTILINE) == ALERTS


def test_each_alert_says_in_words_what_is_wrong_and_names_a_verb():
    blocks = RULES.split("- alert: ")[1:]
    for block in blocks:
        assert re.search(r"^\s+summary: .{30,}", block, re.MULTILINE), block
        assert re.search(r'^\s+mend: "?lettershop \w+', block, re.MULTILINE), block
        assert re.search(r"severity: (page|ticket)", block), block


# -- of metrics that there are
@pytest.mark.parametrize("name", ["rules.yml", "rules_test.yml", "grafana/dashboards/lettershop.json"])
def test_they_name_only_metrics_that_are_exported(name):
    named = set(NAME.findall((MONITORING / name).read_text()))
    assert named
    assert named <= exported()


def test_the_dashboard_draws_every_metric():
    drawn = set(NAME.findall((MONITORING / "grafana/dashboards/lettershop.json").read_text()))
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in FAMILIES else name for name in drawn}
    assert set(FAMILIES) - stems == {"lettershop_info"}


def test_the_dashboard_can_be_read():
    dashboard = json.loads((MONITORING / "grafana/dashboards/lettershop.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "prometheus"
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & mine, panel["title"]
        cells |= mine
    provisioned = (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text()
    assert "uid: prometheus" in provisioned


@needs_promtool
def test_what_the_dashboard_asks_is_promql(tmp_path):
    dashboard = json.loads((MONITORING / "grafana/dashboards/lettershop.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [{"record": f"asked:{n}", "expr": expr} for n, expr in enumerate(asked)]
    file = tmp_path / "asked.json"
    file.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))  # JSON is YAML
    promtool("check", "rules", str(file))


@needs_promtool
def test_what_is_exported_follows_the_customs(world: World):
    counters = Counters(world.ledger)
    for family in FAMILIES.values():
        if family.kind == "histogram":
            counters.took(family.name, family.labels, [5])
        elif family.kind == "counter":
            counters.add(family.name, family.labels)
    counters.flush()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found(collect(world.home, world.ledger, NOBODY)))
    text = generate_latest(registry).decode()
    promtool("check", "metrics", text=text)
    assert set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) == set(FAMILIES)


# -- the docs
def test_the_table_is_what_is_exported():
    rows = re.findall(r"^\| `(lettershop_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (family.name, family.kind, ", ".join(f"`{label}`" for label in family.labels), family.meaning)
        for family in FAMILIES.values()
    ]


# -- Compose and Prometheus
@needs_promtool
def test_prometheus_takes_its_configuration(tmp_path):
    text = (MONITORING / "prometheus.yml").read_text()
    assert "/etc/prometheus/rules.yml" in text
    assert "/run/secrets/metrics_key" in text
    (tmp_path / "key").write_text("lsk_none\n")
    file = tmp_path / "prometheus.yml"
    here = text.replace("/etc/prometheus/rules.yml", str(MONITORING / "rules.yml"))
    file.write_text(here.replace("/run/secrets/metrics_key", str(tmp_path / "key")))
    promtool("check", "config", str(file))


@pytest.fixture(scope="module")
def services():
    printed = compose("--profile", "monitoring", "config", LETTERSHOP_DIR=str(CHECKOUT))
    assert printed.returncode == 0, printed.stderr
    convert = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    argv = [SYSTEM_PYTHON, "-c", convert]
    converted = subprocess.run(argv, input=printed.stdout, capture_output=True, text=True, check=True)
    return json.loads(converted.stdout)["services"]


@needs_compose
def test_they_are_there_with_their_profile_only(services):
    assert {name for name, service in services.items() if service.get("profiles") == ["monitoring"]} == {
        "prometheus",
        "grafana",
    }


@needs_compose
@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_they_may_do_no_more_than_they_need(services, name):
    service = services[name]
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert re.match(r"v?\d+\.\d+\.\d+$", tag)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("", "0", "root", "0:0")
    assert service["healthcheck"]["test"][0] == "CMD"
    (port,) = service["ports"]
    where = port if isinstance(port, str) else f"{port['host_ip']}:{port['published']}"
    assert where.startswith("127.0.0.1:")
    assert not [key for key in service.get("environment", {}) if re.search("PASSWORD$|SECRET", key)]
    for mounted in service["volumes"]:
        text = mounted if isinstance(mounted, str) else f"{mounted['source']}:{mounted['target']}:ro"
        source, _, _ = text.partition(":")
        assert text.endswith(":ro")
        assert Path(source).exists(), source
