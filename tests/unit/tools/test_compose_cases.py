"""Cases around the edges of the rules: what must be found beside the examples, and what must not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from nextgeneration.tools.compose.tool import AuditArgs, audit_workspace
from nextgeneration.tools.workspace import Workspace


def findings(text: str, beside: tuple[str, ...] = ()):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "compose.yaml").write_text(text)
        for path in beside:
            (folder / path).write_text("x\n")
        return audit_workspace(Workspace(folder), AuditArgs(), "en").findings


def service(body: str, rest: str = "") -> str:
    """A file with one service whose keys are ``body``, one to a line."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"services:\n  a:\n    image: example/a:1\n{lines}{rest}"


FOUND = [
    ("docker-socket", service("volumes: ['$XDG_RUNTIME_DIR/podman/podman.sock:/x.sock']")),
    ("docker-socket", service("volumes: [{type: bind, source: /run/docker.sock, target: /x}]")),
    ("docker-socket", service("use_api_socket: true")),
    ("host-root", service("volumes: ['/:/host:ro']")),
    ("sensitive-mount", service("volumes: ['/etc/:/x']")),
    ("sensitive-mount", service("volumes: ['${HOME}/.aws:/root/.aws:ro']")),
    ("privileged", service("privileged: yes")),
    ("host-namespace", service("ipc: host")),
    ("capability", service("cap_add: [CAP_SYS_ADMIN]")),
    ("capability", service("cap_add: [net_admin]")),
    ("unconfined", service("security_opt: ['label=disable']")),
    ("raw-device", service("devices: [{source: /dev/mem, target: /dev/mem}]")),
    ("root-user", service("user: 0:0")),
    ("secret-in-environment", service("environment: ['API_TOKEN=abcd-1234-efgh']")),
    ("secret-in-environment", service("environment: {THING: glpat-abcdefghij0123456789}")),
    ("secret-in-config", service("labels: {thing: glpat-abcdefghij0123456789}")),
    ("secret-in-config", "services: {}\nconfigs: {c: {content: 'k=glpat-abcdefghij0123456789'}}\n"),
    ("secret-in-build", "services: {a: {build: {context: ., args: [API_TOKEN]}}}\n"),
    ("default-password", service("environment: {AWS_SECRET_ACCESS_KEY: test}")),
    ("no-authentication", service("environment: [ALLOW_EMPTY_PASSWORD=yes]")),
    ("exposed-database", "services: {a: {image: 'postgis/postgis:17-3.5', ports: ['0.0.0.0:5432:5432']}}\n"),
    ("exposed-database", "services: {a: {image: mcr.microsoft.com/mssql/server:2022, ports: [1433]}}\n"),
    ("exposed-database", "services: {a: {image: 'mongo:8', ports: [{target: 27017, host_ip: 0.0.0.0}]}}\n"),
    ("exposed-debugger", service("ports: ['2375:2375']")),
    ("port-clash", service("ports: ['80:80', '80:81']")),
    (
        "port-clash",
        "services: {a: {image: b:1, ports: ['127.0.0.1:80:80']}, c: {image: b:1, ports: ['79-81:79-81']}}\n",
    ),
    ("undefined-service", service("extends: {service: b}")),
    ("undefined-service", service("links: ['b:alias']")),
    ("undefined-service", service("volumes_from: ['b:ro']")),
    ("undefined-volume", service("volumes: [{type: volume, source: data, target: /x}]")),
    ("undefined-secret", "services: {a: {build: {context: ., secrets: [key]}}}\n"),
    ("undefined-network", service("networks: {back: {aliases: [x]}}")),
    ("dangling-depends-on", service("depends_on: {b: {condition: service_started}}")),
    ("dependency-cycle", service("depends_on: [a]")),
    ("image-latest", "services: {a: {image: 'localhost:5000/x'}}\n"),
    ("image-latest", "services: {a: {image: 'x:${TAG:-latest}'}}\n"),
    ("bind-source", service("volumes: [{type: bind, source: ./none, target: /x, bind: {create_host_path: false}}]")),
    ("mount-clash", service("volumes: ['./x:/data/', 'yy:/data']", "volumes: {yy: {}}\n")),
    ("windows-path", service("volumes: [{type: bind, source: 'D:\\work', target: /x}]")),
    ("port-copies", service("ports: ['80:80']\ndeploy: {replicas: 3}")),
    ("container-name-copies", service("container_name: x\nscale: 2")),
    ("unknown-service-key", service("healthcheck: {test: x, intervall: 3s}")),
    ("unknown-key", "services: {}\nvolume: {}\n"),
    ("wrong-type", "services:\n  - a\n"),
    ("wrong-type", "- a\n"),
    ("wrong-type", "services:\n  a: nginx\n"),
    ("yaml-boolean", service("restart: no")),
    ("yaml-boolean", service("environment: {A: True}")),
    ("yaml-number", service("environment: {SHA: 1234e56}")),
    ("yaml-number", service("environment: {A: 0x1f}")),
    ("yaml-number", service("labels: {A: 1_000}")),
    ("yaml-date", service("environment: {A: 2026-01-01 10:00:00}")),
    ("healthcheck-test", service("healthcheck: {test: []}")),
    ("healthcheck-test", service("healthcheck: {test: [curl, localhost]}")),
    ("healthcheck-test", service("healthcheck: {test: [CMD]}")),
    ("healthcheck-test", service("healthcheck: {test: [CMD, curl -f localhost]}")),
    ("duration", service("stop_grace_period: 1 minute")),
    ("size", service("deploy: {resources: {limits: {memory: lots}}}")),
    ("interpolation", service("command: echo $?")),
    ("unescaped-dollar", service("environment: [NAME=x]\ncommand: echo $NAME")),
    ("env-file", service("env_file: [{path: x.env}]")),
    ("no-volume", "services: {a: {image: 'mysql:8.4'}}\n"),
    ("waits-for-start", service("depends_on: [b]", "  b: {image: 'c:1', healthcheck: {test: curl localhost}}\n")),
]

NOT_FOUND = [
    ("privileged", service("privileged: false")),
    ("privileged", service("privileged: ${PRIVILEGED:-false}")),
    ("sensitive-mount", service("volumes: ['/proc:/host/proc:ro', '/etc/localtime:/etc/localtime:ro']")),
    ("sensitive-mount", service("volumes: ['/var/lib/orders:/x', '/home/me/site:/x2']")),
    ("host-network", service("network_mode: ${MODE:-host}")),
    ("root-user", service("user: '1000:0'")),
    (
        "secret-in-environment",
        service("environment: {API_TOKEN: '${API_TOKEN}', DB_PASSWORD: '', PASSWORD_MIN: 12345678}"),
    ),
    ("secret-in-environment", service("environment: {GOOGLE_APPLICATION_CREDENTIALS: key.json, TOKEN_URL: x-y-z-1}")),
    ("secret-in-command", service("command: app --password-file /run/x --token=${TOKEN}")),
    ("password-in-url", service("environment: {U: 'redis://:@cache:6379', V: 'http://u:${P}@h', W: 'http://h:80/@x'}")),
    ("secret-in-build", "services: {a: {build: {context: ., args: {TOKEN_URL: https://x}}}}\n"),
    ("exposed-database", "services: {a: {image: 'postgres:17', ports: ['${BIND}:5432:5432']}}\n"),
    ("exposed-database", "services: {a: {image: 'postgres:17', expose: [5432]}}\n"),
    ("exposed-database", "services: {a: {image: 'example/server:1', ports: ['1433:1433']}}\n"),
    ("port", service("ports: ['${A}', '$B:80', '${C:-80}:80/udp', '[::1]:80:80']")),
    ("port-clash", service("ports: ['53:53/tcp', '53:53/udp']")),
    ("port-clash", service("ports: ['127.0.0.1:80:80', '127.0.0.2:80:80']")),
    (
        "port-clash",
        "services: {a: {image: b:1, ports: ['1:1'], profiles: [x]}, c: {image: b:1, ports: ['1:1'], profiles: [y]}}\n",
    ),
    ("undefined-service", service("network_mode: 'container:x'\nvolumes_from: ['container:y']")),
    ("undefined-volume", service("volumes: ['./x:/x', '${DATA}:/y', '/z', 'C:\\x:/w']")),
    ("undefined-network", service("networks: [default, '${NET}']")),
    ("dangling-depends-on", service("depends_on: {b: {condition: service_started, required: false}}")),
    ("image-latest", "services: {a: {image: '${IMAGE}'}, b: {image: 'x@sha256:00'}, c: {image: x, build: .}}\n"),
    ("build-context", "services: {a: {build: 'https://github.com/x/y.git'}, b: {build: '${DIR}'}}\n"),
    ("bind-source", service("volumes: ['./data:/data', '/srv/x.conf:/x.conf']")),
    ("no-restart", "services: {migrate: {image: b:1, depends_on: [db]}, db: {image: c:1, profiles: [x]}}\n"),
    ("no-restart", service("ports: ['1:1']\ndeploy: {restart_policy: {condition: any}}")),
    ("no-volume", "services: {a: {image: 'postgres:17', tmpfs: /var/lib/postgresql/data}, b: {image: 'redis:8'}}\n"),
    ("port-copies", service("ports: ['80:80']\ndeploy: {replicas: 3, placement: {constraints: [x]}}")),
    ("yaml-boolean", service("environment: {A: true, B: 'yes'}\nrestart: 'no'")),
    ("yaml-boolean", service("environment: [A=yes]")),
    ("yaml-number", service("environment: {A: 1.5, B: 10.4.21, C: 42, D: 3.14159265358979, E: -1}")),
    ("yaml-octal", service("environment: {A: 0, B: '022', C: 089}")),
    ("yaml-date", service("environment: {A: 2026-01, B: v2026-01-01, C: 2026-01-01-rc1}")),
    ("yaml-sexagesimal", service("ports: [8080:80, '22:22']")),
    ("healthcheck-test", service("healthcheck: {test: [NONE]}")),
    ("healthcheck-test", service('healthcheck: {test: ["CMD-SHELL", "a || b"]}')),
    ("healthcheck-test", service('healthcheck: {test: ["CMD", "sh", "-c", "a && b"]}')),
    (
        "duration",
        service("stop_grace_period: 1m30s\nhealthcheck: {test: x, interval: 0, timeout: 1.5s, start_period: $P}"),
    ),
    ("size", service("mem_limit: 1.5gb\nshm_size: 67108864\nmemswap_limit: -1")),
    ("interpolation", service("command: 'echo $$HOME ${A:-$${B}} $$(date)'")),
    ("undefined-variable", service("command: 'echo ${PWD} ${COMPOSE_PROJECT_NAME} ${A} ${A:-b}'")),
    ("unescaped-dollar", service("environment: {NAME: '${NAME}'}\ncommand: echo $NAME")),
    ("wrong-type", service("command: null\nports:\nenvironment: [A=1]\nbuild: .")),
    ("unknown-service-key", service("x-mine: 1\nmodels: [m]\nprovider: {type: x}")),
    ("waits-for-start", service("depends_on: [b]", "  b: {image: 'c:1', healthcheck: {disable: true}}\n")),
    ("waits-for-start", service("depends_on: [b]", "  b: {image: 'c:1', healthcheck: {test: [NONE]}}\n")),
    ("unused-volume", service("volumes: ['${V}:/x']", "volumes: {v: {}}\n")),
    ("documents", "---\nservices: {a: {image: b:1}}\n...\n"),
]


@pytest.mark.parametrize(("rule", "text"), FOUND)
def test_found(rule, text):
    assert f"compose.{rule}" in {finding.rule for finding in findings(text)}


@pytest.mark.parametrize(("rule", "text"), NOT_FOUND)
def test_not_found(rule, text):
    assert f"compose.{rule}" not in {finding.rule for finding in findings(text)}


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("services: {a: {image: 'b:1', environment: {DB_PASSWORD: postgres}}}\n", "medium"),
        ("services: {a: {image: 'b:1', environment: {DB_PASSWORD: postgres}, ports: ['1:1']}}\n", "high"),
        ("services: {a: {image: 'b:1', environment: {DB_PASSWORD: postgres}, ports: ['127.0.0.1:1:1']}}\n", "medium"),
    ],
)
def test_a_default_password_is_worse_where_everyone_reaches_it(text, severity):
    (finding,) = [f for f in findings(text) if f.rule == "compose.default-password"]
    assert finding.severity == severity


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("services: {a: {image: b:1, depend_on: [c]}}\n", "depends_on"),
        ("services: {a: {image: b:1, contaner_name: c}}\n", "container_name"),
        ("services: {a: {image: b:1, cap-add: [c]}}\n", "cap_add"),
        ("service: {a: {}}\n", "services"),
        ("services: {web: {image: b:1, depends_on: [databse]}, database: {image: c:1}}\n", "database"),
        ("services: {web: {image: b:1, networks: [bakc]}}\nnetworks: {back: {}}\n", "back"),
    ],
)
def test_the_name_that_was_meant_is_offered(text, meant):
    assert any(f"did you mean {meant}?" in finding.title for finding in findings(text))


def test_one_cycle_is_reported_once():
    text = "services:\n" + "".join(
        f"  {name}: {{image: x:1, depends_on: [{after}]}}\n" for name, after in [("a", "b"), ("b", "c"), ("c", "a")]
    )
    (cycle,) = [f for f in findings(text) if f.rule == "compose.dependency-cycle"]
    assert "a → b → c → a" in cycle.title


def test_a_long_chain_of_services_is_no_problem():
    text = "services:\n" + "".join(f"  s{n}: {{image: x:1, depends_on: [s{n + 1}]}}\n" for n in range(3000))
    assert "compose.dependency-cycle" not in {f.rule for f in findings(text)}
