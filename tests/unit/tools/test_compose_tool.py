"""`compose.audit` and `compose.rules` as an agent calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

import nextgeneration
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import compose
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.compose.catalogue import RULES
from nextgeneration.tools.compose.errors import NotText, RuleUnknown, TooMany
from nextgeneration.tools.compose.reference import markdown
from nextgeneration.tools.compose.tool import MAX_FILES
from nextgeneration.tools.errors_paths import FileMissing, FileTooLarge, PathRefused

ROOT = Path(__file__).parents[3]
GOOD = "services:\n  web:\n    image: nginx:1.29@sha256:00\n    profiles: [x]\n"
TOOLS = {tool.spec.name: tool for tool in compose.tools(ToolSettings())}


async def call(folder: Path, name: str = "compose.audit", lang: str = "en", **args) -> ToolResult:
    tool = TOOLS[name]
    context = ToolContext(workspace=folder, scratch=folder, lang=lang)
    return await tool.call(parse_args(tool, args), context)


def rules(result: ToolResult) -> set[str]:
    return {finding.rule.removeprefix("compose.") for finding in result.findings}


async def test_a_workspace_without_compose_files_says_so(tmp_path):
    result = await call(tmp_path)
    assert result.ok
    assert result.text == "There is no compose file in this workspace."
    assert (await call(tmp_path, lang="fr")).text.startswith("Il n'y a pas")


async def test_files_are_found_in_subfolders_and_others_left_alone(tmp_path):
    for path in ("compose.yaml", "deploy/docker-compose.prod.yml", "node_modules/x/compose.yaml", "values.yaml"):
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(GOOD)
    (tmp_path / "music.compose.yml").write_text("title: a song\n")
    result = await call(tmp_path)
    assert [file["path"] for file in result.value["files"]] == ["compose.yaml", "deploy/docker-compose.prod.yml"]
    assert result.value["services"] == 2
    assert result.value["rules"] == len(RULES)
    assert "nothing found" in result.text


@pytest.mark.parametrize(
    ("lang", "one", "two"),
    [
        ("en", "1 compose file with 1 service: 1 finding of 1 rule (1 medium).", "2 compose files with 3 services: "),
        ("fr", "1 fichier compose, 1 service : 1 constat de 1 règle (1 moyenne).", "2 fichiers compose, 3 services : "),
    ],
)
async def test_what_was_read_is_counted_as_one_counts(tmp_path, lang, one, two):
    first = GOOD.replace("profiles: [x]", "network_mode: host")
    (tmp_path / "compose.yaml").write_text(first)
    told = (await call(tmp_path, lang=lang, only=["compose.host-network"])).text
    assert told.startswith(one)
    (tmp_path / "compose.prod.yaml").write_text(GOOD + GOOD.partition("\n")[2].replace("web", "api"))
    assert (await call(tmp_path, lang=lang, only=["compose.host-network"])).text.startswith(two)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    (tmp_path / "compose.prod.yaml").unlink()
    none = "1 compose file with 0 services" if lang == "en" else "1 fichier compose, 0 service :"
    assert (await call(tmp_path, lang=lang)).text.startswith(none)


@pytest.mark.parametrize(("lang", "told"), [("en", "more are left out"), ("fr", "autres ne sont pas dans la liste")])
async def test_a_flood_is_cut_by_kind_and_says_so(tmp_path, lang, told):
    """Of too many findings some of every rule are kept, and what is left out is counted."""
    services = "".join(f"  s{n}:\n    image: nginx\n    privileged: true\n" for n in range(300))
    (tmp_path / "compose.yaml").write_text("services:\n" + services)
    (tmp_path / "few").mkdir()
    (tmp_path / "few/compose.yaml").write_text("services:\n" + services[:200].rpartition("  s")[0])
    few = await call(tmp_path, path="few/compose.yaml")
    assert not few.truncated
    result = await call(tmp_path, path="compose.yaml", lang=lang)
    assert result.truncated
    assert (
        len(result.findings) == 400 < sum(result.value["by_severity"].values()) == result.value["files"][0]["findings"]
    )
    assert f"{sum(result.value['by_severity'].values()) - 400} {told}" in result.text
    assert rules(result) == rules(few)
    ranks = [finding.severity.rank for finding in result.findings]
    assert ranks == sorted(ranks, reverse=True)
    (tmp_path / "few/compose.yaml").write_text("services:\n" + services)
    both = await call(tmp_path, lang=lang)
    assert len(both.findings) == 400, "of all files together: beyond that results are cut without a word"
    assert f"{sum(both.value['by_severity'].values()) - 400} {told}" in both.text


async def test_the_sample_project_shows_what_it_was_made_for():
    sample = Path(nextgeneration.__file__).parent / "sample"
    result = await call(sample)
    assert rules(result) >= {
        "privileged",
        "docker-socket",
        "exposed-database",
        "secret-in-environment",
        "image-latest",
        "no-healthcheck",
        "dangling-depends-on",
        "version",
        "yaml-octal",
    }
    assert result.value["by_severity"]["critical"] == 2
    assert [f.severity.rank for f in result.findings] == sorted(
        (f.severity.rank for f in result.findings), reverse=True
    )
    assert "18 findings" in result.text
    assert "18 constats" in (await call(sample, lang="fr")).text


async def test_one_file_by_path(tmp_path):
    (tmp_path / "compose.yaml").write_text(GOOD)
    (tmp_path / "stack.yml").write_text("services:\n  a:\n    image: nginx\n")
    result = await call(tmp_path, path="stack.yml")
    assert [file["path"] for file in result.value["files"]] == ["stack.yml"]
    assert "image-latest" in rules(result)


async def test_filters_by_rule_and_severity(tmp_path):
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    image: nginx\n    privileged: true\n    pid: host\n")
    assert rules(await call(tmp_path, only=["image-latest"])) == {"image-latest"}
    assert rules(await call(tmp_path, only=["compose.privileged", "compose.image-latest"])) == {
        "privileged",
        "image-latest",
    }
    assert rules(await call(tmp_path, only=["critical"])) == {"privileged"}
    assert rules(await call(tmp_path, only=["high", "privileged", "host-namespace"])) == {"host-namespace"}


async def test_what_cannot_be_done_is_a_named_error(tmp_path):
    (tmp_path / "compose.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "big.yml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(RuleUnknown, match=r"compose\.privileged"):
        await call(tmp_path, only=["priviledged"])
    with pytest.raises(NotText):
        await call(tmp_path, path="compose.yaml")
    with pytest.raises(FileTooLarge):
        await call(tmp_path, path="big.yml")
    with pytest.raises(FileMissing):
        await call(tmp_path, path="none.yml")
    with pytest.raises(PathRefused):
        await call(tmp_path, path="../x.yml")


async def test_files_that_are_not_read_are_named(tmp_path):
    """Too large, not text, too many: the rest is audited, and the answer says what is missing."""
    (tmp_path / "compose.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "compose.big.yaml").write_bytes(b"#" * 1_000_001)
    (tmp_path / "compose.yml").write_text(GOOD)
    result = await call(tmp_path)
    assert result.value["unread"] == {"compose.yaml": NotText.code, "compose.big.yaml": FileTooLarge.code}
    assert [file["path"] for file in result.value["files"]] == ["compose.yml"]
    assert "Not read" in result.text
    many = tmp_path / "many"
    for number in range(MAX_FILES + 1):
        (many / f"{number:03}").mkdir(parents=True)
        (many / f"{number:03}" / "compose.yaml").write_text(GOOD)
    result = await call(many)
    assert len(result.value["files"]) == MAX_FILES
    assert result.value["unread"] == {f"{MAX_FILES:03}/compose.yaml": TooMany.code}


async def test_an_overlay_is_read_with_the_files_beside_it(tmp_path):
    """What the base file says counts: nothing is missing from an overlay that the base provides."""
    (tmp_path / "docker-compose.yml").write_text(
        "services:\n  api:\n    image: example/api:1\n    ports: ['80:80']\n    networks: [back]\n"
        "    depends_on: [db]\n  db:\n    image: postgres:17\n    volumes: [data:/var/lib/postgresql/data]\n"
        "networks: {back: {}}\nvolumes: {data: {}}\n"
    )
    (tmp_path / "docker-compose.prod.yml").write_text(
        "services:\n  api:\n    restart: always\n    networks: [back]\n    depends_on: [db]\n"
        "  db:\n    restart: always\n    healthcheck: {test: [CMD, pg_isready]}\n"
    )
    result = await call(tmp_path)
    assert not rules(result) & {
        "nothing-to-run",
        "undefined-network",
        "dangling-depends-on",
        "unused-network",
        "unused-volume",
        "no-restart",
        "no-healthcheck",
    }


async def test_a_fragment_of_something_elsewhere_is_not_blamed_for_what_it_lacks(tmp_path):
    (tmp_path / "docker-compose.dev.yml").write_text(
        "services:\n  api:\n    ports: ['80:80']\n    networks: [back]\n    depends_on: [db]\n    volumes: [data:/x]\n"
    )
    found = rules(await call(tmp_path))
    assert not {rule for rule in found if rule.startswith(("undefined", "dangling", "no-", "nothing"))}


async def test_an_include_leaves_names_open(tmp_path):
    (tmp_path / "compose.yaml").write_text(
        "include: [x.yml]\nservices:\n  api:\n    image: example/api:1\n    depends_on: [db]\n    networks: [back]\n"
    )
    assert not rules(await call(tmp_path)) & {"dangling-depends-on", "undefined-network"}


async def test_only_names_are_taken_from_an_env_file(tmp_path):
    (tmp_path / ".env").write_text("TAG=hunter2-value\nexport OTHER = x\n")
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    image: b:${TAG}-${OTHER}-${MISSING}\n")
    result = await call(tmp_path)
    (finding,) = [f for f in result.findings if f.rule == "compose.undefined-variable"]
    assert finding.title.endswith(": MISSING")
    assert "hunter2" not in result.model_dump_json()


async def test_paths_outside_the_workspace_are_not_looked_at(tmp_path):
    """Neither `..` nor a link tells whether something exists elsewhere."""
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "link").symlink_to("/nonexistent-elsewhere")
    (folder / "compose.yaml").write_text(
        "services:\n  a:\n    build: ../other\n    env_file: [../x.env, link/x.env, /etc/none.env]\n"
        "    volumes: ['../a.conf:/a.conf']\n"
    )
    assert not rules(await call(folder)) & {"build-context", "dockerfile", "env-file", "bind-source"}


async def test_a_sample_beside_a_missing_env_file_is_pointed_at(tmp_path):
    (tmp_path / ".env.example").write_text("A=1\n")
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    image: b:1\n    env_file: .env\n")
    (finding,) = [f for f in (await call(tmp_path)).findings if f.rule == "compose.env-file"]
    assert finding.severity == "low"
    assert ".env.example is there to be copied" in finding.message


async def test_a_health_check_in_the_dockerfile_counts(tmp_path):
    compose_file = (
        "services:\n  a:\n    image: c:1\n    depends_on: [b]\n  b:\n    build: {context: ., dockerfile: D}\n"
    )
    (tmp_path / "compose.yaml").write_text(compose_file)
    (tmp_path / "D").write_text("FROM x\n")
    assert "no-healthcheck" in rules(await call(tmp_path))
    (tmp_path / "D").write_text("FROM x\nHEALTHCHECK CMD true\n")
    assert "no-healthcheck" not in rules(await call(tmp_path))


async def test_a_well_made_file_has_no_finding(tmp_path):
    """The idioms of real projects: anchors, merges, profiles, defaults, escapes, secrets, read-only mounts."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nHEALTHCHECK CMD true\n")
    (tmp_path / "nginx.conf").write_text("events {}\n")
    (tmp_path / "compose.yaml").write_text(WELL_MADE)
    result = await call(tmp_path)
    assert [(f.rule, f.title) for f in result.findings] == [
        ("compose.source-file", "secrets.db_password: the file ./db_password.txt does not exist")
    ]


DIGEST = "@sha256:" + "0" * 64
WELL_MADE = f"""\
name: orders
x-common: &common
  restart: unless-stopped
  read_only: true
  logging: &logging
    driver: json-file
    options: {{max-size: 10m, max-file: "3"}}
  deploy: &limits
    resources:
      limits: {{memory: 256m, cpus: "0.5"}}
  security_opt: ["no-new-privileges:true"]
services:
  web:
    <<: *common
    image: nginx:1.29{DIGEST}
    ports:
      - target: 443
        published: "443"
      - "127.0.0.1:${{ADMIN_PORT:-8081}}:8081"
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - /etc/localtime:/etc/localtime:ro
    depends_on:
      api: {{condition: service_healthy, restart: true}}
    networks: [front]
    healthcheck: {{test: ["CMD-SHELL", "wget -q -O- localhost/health || exit 1"], interval: 30s}}
  api:
    <<: *common
    build: .
    image: registry.example/orders:${{VERSION:-dev}}
    environment: &env
      DATABASE_URL: postgresql://orders@db/orders
      DATABASE_PASSWORD_FILE: /run/secrets/db_password
      TOKEN_TTL_SECONDS: "3600"
      LOG_LEVEL: ${{LOG_LEVEL:-info}}
    command: ["sh", "-c", "echo $$HOSTNAME && exec orders"]
    secrets: [db_password]
    networks: {{front: null, back: {{aliases: [orders]}}}}
    depends_on:
      db: {{condition: service_healthy}}
      migrate: {{condition: service_completed_successfully}}
  migrate:
    <<: *common
    restart: "no"
    build: .
    image: registry.example/orders:${{VERSION:-dev}}
    environment:
      <<: *env
      MODE: migrate
    secrets: [db_password]
    networks: [back]
  db:
    <<: *common
    image: postgres:17{DIGEST}
    environment:
      POSTGRES_USER: orders
      POSTGRES_PASSWORD_FILE: /run/secrets/db_password
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"]
      interval: 10s
    volumes: [data:/var/lib/postgresql/data]
    secrets: [db_password]
    networks: [back]
networks:
  front: {{}}
  back: {{internal: true}}
volumes:
  data: {{}}
secrets:
  db_password:
    file: ./db_password.txt
"""


async def test_the_rules_are_listed_in_both_languages(tmp_path):
    english = await call(tmp_path, "compose.rules")
    french = await call(tmp_path, "compose.rules", lang="fr")
    assert len(english.value["rules"]) == len(french.value["rules"]) == len(RULES)
    assert english.value["rules"][0]["why"] != french.value["rules"][0]["why"]
    critical = await call(tmp_path, "compose.rules", only=["critical"])
    assert {rule["severity"] for rule in critical.value["rules"]} == {"critical"}


def test_the_reference_is_current():
    """`python -m nextgeneration.tools.compose.reference > docs/reference/compose-rules.md` brings it up to date."""
    assert (ROOT / "docs/reference/compose-rules.md").read_text(encoding="utf-8") == markdown()


def test_every_finding_leads_to_its_heading():
    page = markdown()
    for rule in RULES:
        assert f"\n### {rule.id.removeprefix('compose.')}\n" in page
