"""The commands, options, variables, metrics and folders that deploy/ uses exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml

pytest.importorskip("prometheus_client", reason="needs the `ingest` extra")

from etle.errors import ConfigError
from etle.observability.metrics import Metrics
from etle.storage.database import Database
from etle.storage.evidence.s3 import SETTINGS
from etle_cli.main import parser
from services import ServiceMissing, running_postgres
from services.postgres import postgres_binaries

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ROLES = ("ingest", "detect", "write", "reprocess", "review")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("etle-")}
DOCUMENTS = "\n".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name not in (".env", "site.env") and "site" not in path.parts)
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana/etle.json").read_text())
HELM = shutil.which("helm") or shutil.which("helm", path=str(Path.home() / ".cache/etle/bin"))
PROMTOOL = shutil.which("promtool")


def dockerfile(role: str) -> str:
    return (DEPLOY / f"docker/{role}.Dockerfile").read_text()


def image_command(role: str) -> list[str]:
    """ENTRYPOINT and CMD."""
    entry, command = (re.search(rf"^{word} (\[.*\])$", dockerfile(role), re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    assert entry and command
    return [*json.loads(entry[1]), *json.loads(command[1])]


def commands() -> Iterator[Any]:
    """Every command that deploy/ starts, with the file as id."""
    for role in ROLES:
        yield pytest.param(image_command(role), id=f"{role}.Dockerfile")
    for name, service in OURS.items():
        if "command" in service:
            yield pytest.param([*service.get("entrypoint", ["etle"]), *service["command"]], id=f"compose {name}")
    (start,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "systemd/etle-ingest.service").read_text(), re.MULTILINE)
    words = shlex.split(start)
    yield pytest.param([Path(words[0]).name, *words[1:]], id="systemd")


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_and_its_options_exist(command: list[str]) -> None:
    assert command[0] == "etle"
    assert callable(parser().parse_args(command[1:]).run)


def test_each_role_has_an_image() -> None:
    assert {path.name.removesuffix(".Dockerfile") for path in (DEPLOY / "docker").iterdir()} == set(ROLES)
    assert {service["image"].partition(":")[0] for service in OURS.values()} == {f"etle-{role}" for role in ROLES}
    assert {name for name, service in OURS.items() if "build" in service} == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_an_image_is_unprivileged_and_has_a_health_check(role: str) -> None:
    text = dockerfile(role)
    assert text.count("\nFROM ") == 2
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    packages = re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE)
    assert packages == ["requirements", "etle", "etle_cli", "ingest", "models", "pipeline", "review", "configs"]
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert not set(packages) & set(ignored) and {".git", "deploy", "**/__pycache__"} <= set(ignored)


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_is_unprivileged(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    for volume in service.get("volumes", ()):
        source, target = volume.split(":")[:2]
        assert source in COMPOSE["volumes"] or (source, target) == ("./site", "/etc/etle")


def test_every_dependency_network_and_volume_of_a_service_exists() -> None:
    for service in SERVICES.values():
        for other, how in dict.fromkeys(service.get("depends_on", ())).items():
            assert other in SERVICES and how is None
            if isinstance(service["depends_on"], dict) and service["depends_on"][other]["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and source != "./site":
                assert (DEPLOY / source).exists(), source


def test_only_user_facing_services_publish_a_port() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"review", "grafana", "vendor"}
    assert all(port.startswith("127.0.0.1:") for name in ("review", "grafana") for port in ports[name])


def test_every_environment_variable_of_a_role_is_documented() -> None:
    ours = {name for service in OURS.values() for name in service.get("environment", {})}
    chart = "\n".join(path.read_text() for path in (DEPLOY / "helm/etle/templates").iterdir())
    ours |= set(re.findall(r"\bname: ([A-Z][A-Z_]+)\b", chart))
    ours |= {name for role in ROLES for name in re.findall(r"\b(ETLE_[A-Z]+)=", dockerfile(role))}
    for name in ours:
        assert name in DOCUMENTS, name
        assert name.startswith("ETLE_") or name in SETTINGS, name


def test_every_password_is_required_and_none_is_in_the_files() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text()))
    example = dict(line.split("=", 1) for line in (DEPLOY / "example.env").read_text().splitlines() if line and not line.startswith("#"))
    assert asked == {name for name, value in example.items() if not value}
    for path in FILES:
        for line in path.read_text().splitlines():
            for value in re.findall(r"(?i)(?:password|secret|token)[\"']?[:=]\s*[\"']?([^\s\"',}]+)", line):
                assert (
                    value in ("true", "false")
                    or value.startswith(("$", "?", "{{", "etle-", "etle_", "#", "{", ":"))
                    or not value.strip("\"'")
                ), f"{path.name}: {line}"
            assert "BEGIN" not in line or "PRIVATE" not in line


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\b((?:etle|process)_[a-z_]+)\b", text))


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def test_every_metric_of_alerts_and_dashboard_is_exported_and_set() -> None:
    metrics = Metrics()
    setters = (ROOT / "etle/observability/metrics.py").read_text()
    code = "\n".join(path.read_text() for folder in ("ingest", "pipeline", "review", "etle_cli") for path in (ROOT / folder).rglob("*.py"))
    for name in set().union(*map(metrics_in, expressions())):
        assert name in metrics.names(), name
        if name.startswith("process_"):
            continue
        family = re.sub(r"_(total|bucket|count|sum)$", "", name)
        (attribute,) = re.findall(rf"self\.(\w+) = \w+\(\s*\"{family}\"", setters)
        methods = re.findall(rf"def (\w+)\((?:(?!\n    def ).)*?self\.{attribute}\.", setters, re.DOTALL)
        assert any(re.search(rf"\.{method}\b", code) for method in methods if method != "__init__"), f"no role sets {name}"


def test_every_metric_and_alert_is_documented() -> None:
    manual = (ROOT / "docs/operations.md").read_text()
    for rule in ALERTS:
        assert f"`{rule['alert']}`" in manual, rule["alert"]
    for name in Metrics().names():
        if name.startswith("etle_") and not name.endswith(("_created", "_bucket", "_sum", "_count")):
            assert f"`{name}" in manual, name


def test_prometheus_scrapes_the_port_of_every_role() -> None:
    (job, _) = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())["scrape_configs"]
    scraped = {(name, found["port"]) for found in job["dns_sd_configs"] for name in found["names"]}
    assert scraped == {(name, 9464) for name in ("ingest", "vendor", "detect", "write", "archive", "reprocess", "review")}
    for name, port in scraped:
        command = OURS[name].get("command") or image_command(name)
        assert any(word.endswith(f"0.0.0.0:{port}") for word in command)


def test_the_bucket_policies_let_the_writer_add_and_no_user_delete() -> None:
    allowed = {
        user: {action for part in json.loads((DEPLOY / f"minio/{user}.json").read_text())["Statement"] for action in part["Action"]}
        for user in ("writer", "reviewer", "reprocess")
    }
    assert allowed["writer"] == allowed["reprocess"]
    assert allowed["writer"] - allowed["reviewer"] == {"s3:PutObject"}
    assert not any("Delete" in action or "*" in action for actions in allowed.values() for action in actions)


def test_the_chart_scales_by_the_names_of_groups_and_topics() -> None:
    from etle.kafka.topics import TopicNames

    names, text = TopicNames("etle"), (DEPLOY / "helm/etle/templates/workers.yaml").read_text()
    assert names.detect_group == "etle-detect" and names.write_group == "etle-write"
    assert (names.frames, names.violations) == ("etle.frames.v1", "etle.violations.v1")
    assert "consumerGroup: {{ $root.Values.kafka.prefix }}-{{ $role }}" in text
    assert '.{{ if eq $role "detect" }}frames{{ else }}violations{{ end }}.v1' in text


def test_the_chart_scales_the_workers_of_runs_by_their_items() -> None:
    from etle.kafka.topics import TopicNames

    names, text = TopicNames("etle"), (DEPLOY / "helm/etle/templates/reprocess.yaml").read_text()
    assert (names.reprocess, names.reprocess_group) == ("etle.reprocess.v1", "etle-reprocess")
    assert "consumerGroup: {{ .Values.kafka.prefix }}-reprocess\n" in text and "topic: {{ .Values.kafka.prefix }}.reprocess.v1\n" in text


@pytest.mark.parametrize("role", ["archive", "reprocess"])
def test_the_chart_starts_existing_commands_of_the_roles_that_are_off_by_default(role: str) -> None:
    """Their arguments as they are in the template; without helm, which CI does not have."""
    text = (DEPLOY / f"helm/etle/templates/{role}.yaml").read_text()
    (block,) = re.findall(r"^ +args:(.*?)^ +env:", text, re.MULTILINE | re.DOTALL)
    words = [word for word in re.split(r"[\s,\[\]]+", re.sub(r"^ +- ", "", block, flags=re.MULTILINE)) if word]
    command = [
        re.sub(r"^{{ \.Values\S+ }}$", "5", word.strip('"'))
        for word in " ".join(words).replace("{{ .Values.reprocess.liveLagSeconds }}", "5").split()
    ]
    assert callable(parser().parse_args(command).run)
    assert yaml.safe_load((DEPLOY / "helm/etle/values.yaml").read_text())[role]["enabled"] is False


def test_the_charts_values_are_exactly_those_that_its_templates_use() -> None:
    values = yaml.safe_load((DEPLOY / "helm/etle/values.yaml").read_text())
    text = "\n".join(path.read_text() for path in (DEPLOY / "helm/etle/templates").iterdir())
    used = set(re.findall(r"\.Values\.([A-Za-z]+)", text)) | {"detect", "write"}
    assert used == set(values)
    for name in re.findall(r"\.Values\.([A-Za-z]+(?:\.[A-Za-z]+)+)", text):
        place: Any = values
        for key in name.split("."):
            assert key in place, name
            place = place[key]


def test_the_systemd_unit_is_hardened() -> None:
    unit = (DEPLOY / "systemd/etle-ingest.service").read_text()
    for line in (
        "NoNewPrivileges=yes",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "Restart=always",
        "UMask=0077",
    ):
        assert f"\n{line}\n" in unit


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix in (".yaml", ".json") and "templates" not in path.parts], ids=str)
def test_every_document_is_valid(path: Path) -> None:
    assert yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".sh"], ids=lambda path: path.name)
def test_every_script_is_valid(path: Path) -> None:
    subprocess.run(["sh", "-n", path], check=True)


@pytest.mark.slow
def test_the_alerts_fire_under_their_conditions_only() -> None:
    if PROMTOOL is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    done = subprocess.run(
        [PROMTOOL, "test", "rules", Path(__file__).parent / "alerts.test.yaml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run([PROMTOOL, "check", "config", DEPLOY / "prometheus/prometheus.yaml"], check=True, capture_output=True)


if HELM is not None:  # building helm takes minutes, so CI runs without; the test of the values above needs no helm
    OPTIONS = (
        "ingest.enabled=true,archive.enabled=true,reprocess.enabled=true,monitoring.podMonitor=true,monitoring.prometheusRule=true,monitoring.dashboard=true,siteSecret=s,"
        "review.ingress.enabled=true,review.ingress.host=etle.example,review.ingress.tlsSecret=t,kafka.triggerAuthentication=k"
    )

    def rendered(*options: str) -> list[Any]:
        command = [str(HELM), "template", "demo", DEPLOY / "helm/etle", "--kube-version", "1.31.0", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "HOME": "/nonexistent"})
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    @pytest.mark.parametrize("options", [(), ("--set", OPTIONS)], ids=["default values", "all options"])
    def test_the_rendered_chart_starts_existing_commands(options: tuple[str, ...]) -> None:
        documents = rendered("--set-file", f"site={ROOT / 'configs/demo/site.yaml'}", *options)
        kinds = [document["kind"] for document in documents]
        assert kinds.count("ScaledObject") == (3 if options else 2) and kinds.count("Job") == 1
        assert ("PrometheusRule" in kinds) == bool(options)
        pods = [document["spec"]["template"]["spec"] for document in documents if "template" in document.get("spec", {})]
        for container in (container for pod in pods for container in pod["containers"]):
            assert callable(parser().parse_args(container["args"]).run)
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert all(pod["securityContext"]["runAsNonRoot"] for pod in pods)


@pytest.mark.server
def test_the_database_script_creates_users_with_the_rights_of_their_roles(tmp_path: Path) -> None:
    """On a real PostgreSQL, with passwords that need quoting in shell and SQL; then the commands of the service `migrate`."""
    try:
        running = running_postgres(tmp_path)
        server = running.__enter__()
    except ServiceMissing as error:
        pytest.skip(str(error))
    try:
        place = urlsplit(server.address)
        passwords = {role: f"o'{role} $HOME \"%:/@" for role in ("owner", "writer", "reviewer", "reader", "reprocess")}
        given = {f"ETLE_{role.upper()}_PASSWORD": password for role, password in passwords.items()}
        where = {"PGHOST": str(place.hostname), "PGPORT": str(place.port), "POSTGRES_USER": str(place.username)}
        programs = {"PATH": f"{postgres_binaries()}:{os.environ['PATH']}"}
        subprocess.run(["sh", DEPLOY / "postgres/roles.sh"], env=os.environ | given | where | programs, check=True, capture_output=True)

        def address(role: str) -> str:
            return f"postgresql://etle_{role}:{quote(passwords[role], safe='')}@{place.hostname}:{place.port}/etle"

        for action in ("migrate", "roles"):
            etle = [sys.executable, "-m", "etle_cli.main", "database", action]
            subprocess.run(etle, env=os.environ | {"ETLE_DATABASE": address("owner")}, check=True, capture_output=True)
        assert _may(address("writer"), "SELECT id FROM violations")
        assert _may(address("reviewer"), "SELECT count(*) FROM violations")
        assert _may(address("reprocess"), "SELECT count(*) FROM runs")
        assert not _may(address("reprocess"), "SELECT id FROM violations")
        assert not _may(address("writer"), "DELETE FROM decisions")
        assert not _may(address("reader"), "DELETE FROM violations")
    finally:
        running.__exit__(None, None, None)


def _may(address: str, statement: str) -> bool:
    database = Database(address)
    try:
        with database.transaction() as cursor:
            cursor.execute(statement)
    except ConfigError:
        return False
    finally:
        database.close()
    return True
