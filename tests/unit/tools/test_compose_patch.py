"""The patches of `compose.audit`: they apply, remove what they claim, bring nothing new, and show no secret."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.tools import ToolContext
from nextgeneration.tools.compose import patch
from nextgeneration.tools.compose.edits import Edit, applied
from nextgeneration.tools.compose.tool import AuditArgs, audit_workspace
from nextgeneration.tools.fs.diff import outcome, parse
from nextgeneration.tools.fs.patching import FsPatch, PatchArgs
from nextgeneration.tools.workspace import Workspace

DB = "services:\n  db:\n    image: postgres:17\n    restart: always\n"
NAMES = ["api", "worker", "db", "cache", "web-1", "admin"]
IMAGES = [
    "postgres:17",
    "redis:8.2",
    "redis",
    "mysql:8.4",
    "rabbitmq:4",
    "adminer:5",
    "example/api:1.2",
    "mariadb:11.8",
]
PORTS = [
    "5432:5432",
    "22:22",
    "6379:6379",
    "127.0.0.1:3306:3306",
    "8080:8080",
    "0.0.0.0:5432:5432",
    "3306",
    "9229:9229",
]


def audited(folder: Path, text: str, **args):
    (folder / "compose.yaml").write_bytes(text.encode())
    return audit_workspace(Workspace(folder), AuditArgs(**args), "en")


def subjects(result) -> set[tuple[str, str]]:
    return {(f.rule, f.data["subject"]) for f in result.findings}


def check(text: str) -> str | None:
    """Apply the one patch of ``text`` and compare what is found before and after; the text after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = audited(folder, text)
        if not before.proposals:
            return None
        (proposal,) = before.proposals
        assert proposal.tool == "fs.patch"
        (change,) = parse(proposal.args["patch"])
        after_text, already = outcome(change, text)
        assert not already
        yaml.compose(after_text.replace("\r\n", "\n").removeprefix("\ufeff"), Loader=yaml.SafeLoader)
        after = audited(folder, after_text)
        fixed = {(f.rule, f.data["subject"]) for f in before.findings if f.id in proposal.fixes}
        assert fixed
        assert subjects(after) == subjects(before) - fixed
        assert not set(proposal.fixes) & {f.id for f in after.findings}
        return after_text


@st.composite
def compose_files(draw) -> str:
    """Compose files as people write them: block and brace style, comments, quotes, anchors, line ends."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    step = draw(st.sampled_from([2, 4]))
    lines = ['version: "3.8"', ""] if draw(st.booleans()) else []
    lines += ["# services"] if draw(st.booleans()) else []
    lines.append("services:")
    for name in names:
        lines += _flow(draw, name, step) if draw(st.integers(0, 5)) == 0 else _block(draw, name, names, step)
    text = "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n"]))
    if draw(st.integers(0, 5)) == 0:
        text = text.replace("\n", "\r\n")
    return ("\ufeff" if draw(st.integers(0, 9)) == 0 else "") + text


def _flow(draw, name: str, step: int) -> list[str]:
    image, port = draw(st.sampled_from(IMAGES)), draw(st.sampled_from(PORTS))
    privileged = ", privileged: true" if draw(st.booleans()) else ""
    return [f"{' ' * step}{name}: {{image: '{image}', ports: ['{port}']{privileged}}}"]


def _block(draw, name: str, names: list[str], step: int) -> list[str]:
    one, two, three = " " * step, " " * step * 2, " " * step * 3
    dash = draw(st.sampled_from([two, three]))
    comment = draw(st.sampled_from(["", "  # why", " #"]))
    parts = [[f"{two}image: {draw(st.sampled_from(IMAGES))}{comment}"]]
    if draw(st.booleans()):
        quote = draw(st.sampled_from(["", '"', "'"]))
        port = draw(st.sampled_from(PORTS))
        parts.append([f"{two}ports:", f"{dash}- {quote}{port}{quote}{comment}"])
    elif draw(st.booleans()):
        parts.append([f"{two}ports:", f"{dash}- target: 5432", f"{dash}  published: 5432"])
    if draw(st.booleans()):
        parts.append([f"{two}privileged: {draw(st.sampled_from(['true', 'yes', 'True']))}{comment}"])
    if draw(st.booleans()):
        value = draw(st.sampled_from(["022", "yes", "3.10", "hunter2-and-more", "2026-01-01", "${X:-1}"]))
        key = draw(st.sampled_from(["UMASK", "API_PASSWORD", "FLAG"]))
        parts.append([f"{two}environment:", f"{three}{key}: {value}{comment}"])
    others = [other for other in names if other != name]
    if others and draw(st.booleans()):
        if draw(st.booleans()):
            parts.append([f"{two}depends_on: [{', '.join(others)}]"])
        else:
            parts.append([f"{two}depends_on:", *(f"{dash}- {other}{comment}" for other in others)])
    if draw(st.booleans()):
        parts.append([f"{two}healthcheck:", f'{three}test: ["CMD", "true"]', f"{three}interval: 10"])
    if draw(st.booleans()):
        parts.append([f"{two}restart: no"])
    ordered = draw(st.permutations(parts))
    return [f"{one}{name}:{comment}", *(line for part in ordered for line in part)]


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(compose_files())
def test_a_patch_removes_exactly_what_it_claims(text):
    check(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "services:\r\n  db:\r\n    image: postgres:17\r\n    privileged: true\r\n    restart: always\r\n",
            "services:\r\n  db:\r\n    image: postgres:17\r\n    privileged: false\r\n    restart: always\r\n",
            id="line ends of Windows",
        ),
        pytest.param(
            f"{DB}    ports:\n      - 5432:5432  # here\n",
            f'{DB}    ports:\n      - "127.0.0.1:5432:5432"  # here\n',
            id="a comment stays",
        ),
        pytest.param(
            "services:\n  db: {image: postgres:17, restart: always, ports: ['5432:5432']}\n",
            "services:\n  db: {image: postgres:17, restart: always, ports: ['127.0.0.1:5432:5432']}\n",
            id="braces",
        ),
        pytest.param(
            f"{DB}    ports:\n      - target: 5432\n        published: 5432\n",
            f"{DB}    ports:\n      - target: 5432\n        host_ip: 127.0.0.1\n        published: 5432\n",
            id="the long form of a port",
        ),
        pytest.param(
            "version: '3'\nservices:\n  db:\n    image: postgres:17\n    restart: always",
            "services:\n  db:\n    image: postgres:17\n    restart: always",
            id="no newline at the end",
        ),
        pytest.param(
            "services:\n    web:\n        ports: ['80:80']\n        image: nginx:1.29 # a\n",
            "services:\n    web:\n        ports: ['80:80']\n        image: nginx:1.29 # a\n"
            "        restart: unless-stopped\n",
            id="four spaces, after the image",
        ),
        pytest.param(
            "services:\n  db:\n    image: postgres:17\n    restart: always\n    environment: {POSTGRES_USER: app}\n"
            '    healthcheck: {test: ["CMD-SHELL", "pg_isready -U ${POSTGRES_USER}"]}\n',
            "services:\n  db:\n    image: postgres:17\n    restart: always\n    environment: {POSTGRES_USER: app}\n"
            '    healthcheck: {test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER}"]}\n',
            id="a variable of the container",
        ),
        pytest.param(
            "services:\n  api:\n    image: example/api:1.2\n    restart: always\n    depends_on:\n    - db # first\n"
            "  db:\n    image: postgres:17\n    restart: always\n",
            "services:\n  api:\n    image: example/api:1.2\n    restart: always\n    depends_on:\n      db: # first\n"
            "        condition: service_healthy\n  db:\n    image: postgres:17\n    healthcheck:\n"
            '      test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER:-postgres}"]\n      interval: 10s\n'
            "      timeout: 5s\n      retries: 5\n    restart: always\n",
            id="waiting for a database that gets a health check",
        ),
    ],
)
def test_the_text_after_the_patch(text, expected):
    assert check(text) == expected


def test_no_patch_for_what_needs_a_human(tmp_path):
    """A version nobody knows, a secret, a socket: there is advice, and no edit."""
    result = audited(
        tmp_path,
        "services:\n  a:\n    image: nginx\n    restart: always\n    environment: {API_TOKEN: abcd-efgh}\n"
        "    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n",
    )
    assert {f.rule for f in result.findings} >= {"compose.image-latest", "compose.docker-socket"}
    assert not result.proposals


def test_a_shared_anchor_is_changed_once(tmp_path):
    text = (
        "x-base: &base\n  privileged: true\n  restart: always\nservices:\n  a:\n    <<: *base\n    image: nginx:1.29\n"
        "  b:\n    <<: *base\n    image: nginx:1.29\n"
    )
    result = audited(tmp_path, text)
    assert [f.rule for f in result.findings].count("compose.privileged") == 1
    assert "privileged: false" in (check(text) or "")


def test_only_restricts_what_is_fixed(tmp_path):
    text = "version: '3'\nservices:\n  db:\n    image: postgres:17\n    privileged: true\n"
    result = audited(tmp_path, text, only=("compose.version",))
    (proposal,) = result.proposals
    assert "-version" in proposal.args["patch"]
    assert "privileged: false" not in proposal.args["patch"]
    high = audited(tmp_path, text, only=("critical",))
    assert [f.rule for f in high.findings] == ["compose.privileged"]
    assert set(high.proposals[0].fixes) == {high.findings[0].id}


SECRET = "correct-horse-battery"


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(compose_files(), st.integers(0, 40), st.sampled_from(["# PASSWORD: {}", "      DB_PASSWORD: {}"]))
def test_a_patch_never_shows_a_secret(text, place, form):
    """Context lines stop before a secret, wherever it stands."""
    del form
    block = re.sub(
        r"^( +)image: (\S+)",
        lambda m: f"{m[0]}\n{m[1]}labels:\n{m[1]}  db_password: {SECRET}",
        text,
        count=2,
        flags=re.MULTILINE,
    )
    with tempfile.TemporaryDirectory() as name:
        result = audited(Path(name), block)
        for proposal in result.proposals:
            assert SECRET not in proposal.args["patch"]
            assert SECRET not in proposal.reason
        for finding in result.findings:
            assert SECRET not in finding.model_dump_json()
    if SECRET in block and "\r" not in block:
        check(block)


@st.composite
def texts_and_edits(draw) -> tuple[str, list[Edit]]:
    """A text and edits of it anywhere: in lines, over lines, whole lines in and out, at both ends."""
    lines = draw(st.lists(st.sampled_from(["a", "bb", "", "c c"]), max_size=12))
    text = "".join(f"{line}{n}\n" for n, line in enumerate(lines)) + draw(st.sampled_from(["", "end"]))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return text, [Edit(a, b, 0, draw(st.sampled_from(["", "x", "new\n", "\n", "y\nz", "v\nw\n"]))) for a, b in pairs]


@pytest.mark.slow
@given(texts_and_edits(), st.data())
@settings(max_examples=200, deadline=None)
def test_every_diff_applies_whatever_lines_are_secret(given_text, data):
    """The diff of any edits, with any lines kept out of it, gives the edited text."""
    text, edits = given_text
    new = applied(text, edits)
    assert new is not None
    lines = text.split("\n")
    secret = {n for n in range(1, len(lines) + 1) if data.draw(st.integers(0, 4)) == 0}
    diff = patch.unified("a.yml", text, edits, secret)
    if diff is None:
        assert new == text or secret or not text
        return
    assert outcome(parse(diff)[0], text)[0] == new
    for number in secret:
        if lines[number - 1] and lines[number - 1] not in new.split("\n")[: number - 1] + new.split("\n")[number:]:
            assert f" {lines[number - 1]}\n" not in diff
            assert f"-{lines[number - 1]}\n" not in diff


def test_a_changed_line_with_a_secret_gives_no_patch():
    assert patch.unified("a.yml", "a: secret\n", [Edit(3, 9, 0, "b")], {1}) is None
    assert patch.unified("a.yml", "same\n", [], set()) is None
    assert patch.unified("a\n.yml", "a\n", [Edit(0, 1, 0, "b")], set()) is None
    assert patch.unified("a.yml", "abc\n", [Edit(0, 2, 0, "b"), Edit(1, 3, 0, "c")], set()) is None


async def test_the_sample_is_mended_by_the_real_patch_tool(tmp_path):
    """End to end on the bundled project: `fs.patch` takes the proposal, and the audit after it agrees."""
    import nextgeneration

    sample = Path(nextgeneration.__file__).parent / "sample" / "docker-compose.yml"
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "docker-compose.yml").write_bytes(sample.read_bytes())
    workspace = Workspace(folder)
    before = audit_workspace(workspace, AuditArgs(), "en")
    (proposal,) = before.proposals
    assert len(proposal.fixes) == 10
    context = ToolContext(workspace=folder, scratch=tmp_path, approved=True)
    done = await FsPatch().call(PatchArgs(**proposal.args), context)
    assert done.ok
    after = audit_workspace(workspace, AuditArgs(), "en")
    assert not set(proposal.fixes) & {f.id for f in after.findings}
    assert len(after.findings) == len(before.findings) - 10
    again = await FsPatch().call(PatchArgs(**proposal.args), context)
    assert again.value["already"]
