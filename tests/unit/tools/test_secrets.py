"""Secrets are found without being shown. Every secret here is put together at run time."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.security.secrets import SHAPES, shaped, without_keys, without_shapes
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import code
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.code.secrets import entropy, find, mask, masked

TOOL = next(tool for tool in code.tools(ToolSettings()) if tool.spec.name == "code.secrets")
RANDOM = "q7Zp3vK9" + "wLx2Rt8Yb4Mn6Hc1" + "Jd5Fs0Gk"


def b64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


JWT = ".".join((b64({"alg": "HS256", "typ": "JWT"}), b64({"sub": "1234", "name": "Zoé"}), RANDOM + "-_aB3"))
SHAPED = {
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + ("MIIEpAIBAAKCAQEA" + RANDOM) * 3,
    "aws-key": "AK" + "IA" + "QX7ZP3VK5WLT2RTY",
    "github-token": "gh" + "p_" + RANDOM + "Ab3D",
    "gitlab-token": "glp" + "at-" + RANDOM[:20],
    "slack-token": "xo" + "xb-" + "123456789012-" + RANDOM,
    "slack-webhook": "https://hooks.sl" + "ack.com/services/T01ABCDEF/B01ABCDEF/" + RANDOM[:24],
    "stripe-key": "sk_" + "live_" + RANDOM,
    "google-api-key": "AI" + "za" + RANDOM + "Ab3",
    "anthropic-key": "sk-" + "ant-" + "api03-" + RANDOM,
    "openai-key": "sk-" + "proj-" + RANDOM + RANDOM,
    "openrouter-key": "sk-" + "or-v1-" + "0a1b2c3d4e5f6789" * 4,
    "huggingface-token": "h" + "f_" + RANDOM + "Ab3",
    "npm-token": "np" + "m_" + RANDOM + "Ab3D",
    "pypi-token": "py" + "pi-AgE" + RANDOM * 2,
    "sendgrid-key": "S" + "G." + RANDOM[:22] + "." + (RANDOM * 2)[:43],
    "digitalocean-token": "do" + "p_v1_" + "0a1b2c3d4e5f6789" * 4,
    "vault-token": "hv" + "s." + RANDOM,
    "age-key": "AGE-SECRET" + "-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" + "QPZRY9X8GF2TVDW0S3JN54KHCE",
    "azure-storage-key": "Account" + "Key=" + RANDOM * 2 + RANDOM[:22] + "==",
    "telegram-token": "12345678" + "90:AA" + RANDOM + "A",
    "jwt": JWT,
    "putty-key": "Private-" + "Lines: 2\n" + (RANDOM * 2)[:64] + "\n" + RANDOM[:30],
    "bearer-token": "Authorization: " + "Bearer " + RANDOM,
    "basic-auth": "Authorization: " + "Basic " + base64.b64encode(f"ada:{RANDOM[:12]}".encode()).decode(),
    "cookie": "Cookie: " + "theme=dark; sid=" + RANDOM,
}  # fmt: skip


async def scan(tmp_path: Path, **files: str) -> ToolResult:
    root = tmp_path / "work"
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "scratch").mkdir(exist_ok=True)
    context = ToolContext(workspace=root, scratch=tmp_path / "scratch")
    return await TOOL.call(parse_args(TOOL, {}), context)


@pytest.mark.parametrize("shape", sorted(SHAPED))
def test_a_secret_of_one_shape_is_of_no_other(shape: str) -> None:
    # Whichever shape stood first would name it: the order of the table must not matter.
    assert {found.shape.id for found in shaped(f'x = "{SHAPED[shape]}"')} == {shape}
    assert set(SHAPED) == {known.id for known in SHAPES}


@pytest.mark.parametrize("shape", sorted(SHAPED))
def test_every_shape_is_masked_wherever_it_stands(shape: str) -> None:
    assert SHAPED[shape][12:] not in without_shapes(f"a {SHAPED[shape]} b", "***")


@pytest.mark.parametrize("shape", sorted(SHAPED))
async def test_well_known_shapes_are_found_and_never_shown(tmp_path: Path, shape: str) -> None:
    value = SHAPED[shape]
    result = await scan(tmp_path, app_DOT_py=f'FIRST = 1\nx = "{value}"\n')
    (finding,) = result.findings
    assert finding.rule == f"code.secret.{shape}"
    assert finding.severity.rank >= Severity.MEDIUM.rank
    assert finding.cause == f"secret:app.py:{finding.location.line if finding.location else 0}"
    dumped = result.model_dump_json()
    assert value[8:] not in dumped


async def test_a_secret_in_a_test_or_an_example_is_told_quietly(tmp_path: Path) -> None:
    token = SHAPED["github-token"]
    result = await scan(tmp_path, tests__test_a_DOT_py=f't = "{token}"', docs__a_DOT_md=f"`{token}`")
    assert {f.severity for f in result.findings} == {Severity.MEDIUM}


@pytest.mark.parametrize(
    ("name", "text", "rule", "severity"),
    [
        ("app.py", f'API_KEY = "{RANDOM}"', "assigned", Severity.HIGH),
        ("app.py", f'client(api_key="{RANDOM}")', "assigned", Severity.HIGH),
        ("app.py", f'SECRET_KEY: str = "{RANDOM}"', "assigned", Severity.HIGH),
        ("app.js", f"const cfg = {{ authToken: '{RANDOM}' }}", "assigned", Severity.HIGH),
        ("app.go", f'token := "{RANDOM}"', "assigned", Severity.HIGH),
        ("app.rb", f"'secret_key_base' => '{RANDOM}'", "assigned", Severity.HIGH),
        ("app.py", 'db_password = "hun' + 'ter2!"', "password", Severity.MEDIUM),
        ("conf.yaml", "password: tr0ub" + "4dor&3", "password", Severity.MEDIUM),
        (".env", f"JWT_SECRET={RANDOM}", "assigned", Severity.HIGH),
        ("Dockerfile", f"ENV ACCESS_KEY={RANDOM}", "assigned", Severity.HIGH),
        ("conf.yaml", "POSTGRES_PASSWORD: orders-demo", "password", Severity.MEDIUM),
        ("conf.yaml", "POSTGRES_PASSWORD: postgres", "default-password", Severity.LOW),
        ("app.py", 'url = "postgres://app:s3cr' + 'Et9x@db.internal/app"', "address", Severity.HIGH),
        (".env", "DATABASE_URL=postgres://app:app@localhost/app", "address", Severity.LOW),
        ("app.py", 'url = "amqp://u:Zk8' + 'pwQr2@localhost/"', "address", Severity.LOW),
    ],
)
async def test_assignments_and_addresses(tmp_path: Path, name: str, text: str, rule: str, severity: Severity) -> None:
    result = await scan(tmp_path, **{name.replace(".", "_DOT_"): text + "\n"})
    assert [(f.rule, f.severity) for f in result.findings] == [(f"code.secret.{rule}", severity)]


@pytest.mark.parametrize(
    "text",
    [
        'password = "changeme"',
        'password = "<your password>"',
        'api_key = "xxxxxxxxxxxxxxxxxxxxxxxx"',
        'api_key = "${API_KEY}"',
        'api_key = os.environ["API_KEY"]',
        'token = getenv("TOKEN")',
        'token_url = "https://auth.internal/oauth2/v2/token"',
        'password_field = "loginPassword12"',
        'label = "Password must hold 8 characters"',
        'PASSWORD = "password"',
        'token = "access_token"',
        'sasl_password = "projects/p1/secrets/kafka/versions/1"',
        'secret_name = "projects/1/secrets/db2"',
        'API_KEY_HEADER = "X-Api-Key-2"',
        'csrf_token = "X-CSRFToken"',
        'token = r"[-!#$%&\'*+.^_`|~0-9a-zA-Z]+"',
        'if password == "hunter2!x": pass',
        'password = f"{user}-pw-{year}"',
        'commit_token = "d670460b4b4aece5915caf5c68d12f560a9fe3e4"',
        'url = "https://user:password@host/x"',
        'url = "postgresql://scott:tiger@localhost/test"',
        'url = f"postgres://{user}:{password}@{host}/db"',
        'url = "https://x:${TOKEN}@github.com/a/b"',
        "password = None",
        'aws = "AKIA' + 'IOSFODNN7EXAMPLE"',
        'key = "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"',
        'marker = "-----BEGIN RSA ' + 'PRIVATE KEY-----"',
        'not_a_jwt = "eyJhIjoxfQ.eyJhIjoxfQaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaa"',
    ],
)
async def test_what_is_no_secret_is_left_alone(tmp_path: Path, text: str) -> None:
    result = await scan(tmp_path, app_DOT_py=text + "\n")
    assert [f.title for f in result.findings] == []


async def test_actions_and_templates_refer_to_secrets_without_holding_any(tmp_path: Path) -> None:
    workflow = "env:\n  TOKEN: ${{ secrets.TOKEN }}\n  api_key: !vault |\n    x\n  password: *anchor\n"
    workflow += "labels:\n  password: Mot-de-passe\n"
    result = await scan(
        tmp_path, ci_DOT_yml=workflow, _DOT_env_DOT_example="DB_PASSWORD=postgres\n", x_DOT_lock=f"token={RANDOM}\n"
    )
    assert not result.findings


async def test_a_human_can_say_that_a_value_is_no_secret(tmp_path: Path) -> None:
    line = f'API_KEY = "{RANDOM}"'
    text = f"{line}  # nextgen: allow-secret\n# nextgen: allow-secret\n{line}\n{line}\n"
    result = await scan(tmp_path, app_DOT_py=text)
    assert [f.location.line for f in result.findings if f.location] == [4]


async def test_lock_files_minified_scripts_and_binaries_are_passed_over(tmp_path: Path) -> None:
    line = f'api_key = "{RANDOM}"\n'
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.py").write_bytes(b"\0\1\2" + line.encode())
    result = await scan(tmp_path, app_DOT_min_DOT_js=line, package_dash_lock=line, yarn_DOT_lock=line)
    assert {f.location.path for f in result.findings if f.location} == {"package_dash_lock"}


async def test_each_value_is_told_once_and_a_flood_is_cut_with_a_note(tmp_path: Path) -> None:
    token = SHAPED["github-token"]
    result = await scan(tmp_path, app_DOT_py=f'github_token = "{token}"\n')
    assert [f.rule for f in result.findings] == ["code.secret.github-token"]
    flood = "".join(f'api_key_{n} = 1\napi_key = "{RANDOM}{n}"\n' for n in range(80))
    result = await scan(tmp_path, app_DOT_py=flood)
    assert len(result.findings) == 50
    assert "more than 50" in str(result.value["skipped"])


async def test_what_python_only_talks_about_is_told_quietly(tmp_path: Path) -> None:
    """Documentation quotes examples of standards; a well-known shape in a comment is a key that was switched off."""
    assigned = f'client_secret = "{RANDOM}"'
    text = f"""'''Ask for a token.

    {assigned}
'''
# {assigned.replace("client", "other")}
# {SHAPED["github-token"]}
real_{assigned}
"""
    found = (await scan(tmp_path, a_DOT_py=text, b_DOT_js=f"// {assigned}\n")).findings
    told = {(f.location.path, f.location.line): f.severity for f in found if f.location}
    assert told == {
        ("a.py", 3): Severity.INFO, ("a.py", 5): Severity.INFO, ("a.py", 6): Severity.CRITICAL,
        ("a.py", 7): Severity.HIGH, ("b.js", 1): Severity.HIGH,
    }  # fmt: skip


PEM_LINES = ["-----BEGIN EC " + "PRIVATE KEY-----", *((RANDOM * 3)[n : n + 60] for n in range(9)), "oUQDQgAE5"]
PEM = "\n".join([*PEM_LINES, "-----END EC PRIVATE KEY-----"])


def test_of_a_private_key_every_line_is_masked() -> None:
    """Not its first line alone, however it is written down, with or without its end, also with a place before each."""
    numbered = "\n".join(f"keys/a-b.txt:{n}: {line}" for n, line in enumerate(PEM.splitlines(), 1))
    legacy = PEM.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0102030405060708\n\n", 1)
    in_code = "KEY = (" + "\n".join(f'  "{line}\\n"' for line in PEM.splitlines()) + ")"
    written = (
        PEM,
        numbered,
        legacy,
        in_code,
        PEM.replace("\n", "\\n"),
        PEM.replace("\n", "\r\n"),
        "\n".join(PEM_LINES),
    )
    for text in written:
        told = masked(f"before\n{text}\n-- after")
        assert told.startswith("before")
        assert told.endswith("after")
        assert "PRIVATE KEY" in told
        assert not [line for line in PEM_LINES[1:-1] if line[6:] in told], text


def test_a_part_of_a_file_shows_nothing_of_the_key_in_it() -> None:
    """Lines stay lines, so that places in the file stay true; code that only names the marks of a key is left alone."""
    text = without_keys(f"a = 1\n{PEM}\nb = 2\n")
    assert text.count("\n") == PEM.count("\n") + 3
    assert text.split("\n")[2:12] == ["…"] * 10
    assert text.endswith("-----END EC PRIVATE KEY-----\nb = 2\n")
    code = (
        f'BEGIN = "{PEM_LINES[0]}"\nserialization.PrivateFormat.TraditionalOpenSSL\nEND = "-----END PRIVATE KEY-----"\n'
    )
    assert without_keys(code) == code


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer <token>", "Authorization: Bearer ${TOKEN}", "Authorization: Bearer YOUR_TOKEN_GOES_HERE",
        "Basic authentication is used here", "WWW-Authenticate: Basic realm=internal", "Set-Cookie: theme=dark; Path=/",
        "cookie: dict[str, str] = {}", 'headers = {"Authorization": f"Bearer {token}"}', "bearer of bad news, 2nd part",
        "authorization: role-based access control", "Cookie: lang=fr; tz=Europe/Paris",
    ],
)  # fmt: skip
def test_headers_without_a_secret_are_left_alone(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"curl -H 'authorization: bearer {RANDOM}' https://h", f'{{"Authorization": "Token {RANDOM}"}}',
        f"Proxy-Authorization: Basic {base64.b64encode(RANDOM[:9].encode() + b':' + RANDOM.encode()).decode()}",
        f"set-cookie: sid={RANDOM}; Path=/; HttpOnly", f"'Cookie': 'a=b; session={RANDOM}'",
        f"Authorization=Bearer%20{RANDOM}", "Authorization: 0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c",
    ],
)  # fmt: skip
def test_headers_with_a_secret_are_masked(text: str) -> None:
    assert RANDOM not in masked(text)
    assert masked(text) != text


async def test_an_encrypted_private_key_matters_less(tmp_path: Path) -> None:
    key = "-----BEGIN ENCRYPTED " + "PRIVATE KEY-----\n" + ("MIIEpAIBAAKCAQEA" + RANDOM) * 3
    result = await scan(tmp_path, id_rsa=key)
    assert [f.severity for f in result.findings] == [Severity.MEDIUM]


def test_a_mask_shows_at_most_four_characters() -> None:
    assert mask("short") == "… (5)"
    assert mask(RANDOM) == f"{RANDOM[:4]}… ({len(RANDOM)})"


def test_masked_text_keeps_everything_but_the_value() -> None:
    assert masked(f'x = 1; api_key = "{RANDOM}"; y = 2') == f'x = 1; api_key = "{mask(RANDOM)}"; y = 2'


def test_entropy_is_shannons() -> None:
    assert entropy("") == 0
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.booleans())
def test_any_text_is_scanned_and_masked_without_failing(text: str, bare: bool) -> None:
    for found in find("a.py", text, bare=bare):
        assert 0 <= found.start < found.end <= len(text)
    masked(text)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(set(SHAPED) - {"private-key"})),
    st.text(alphabet=" \n\t'\"=:;,", max_size=20),
    st.text(alphabet=" \n\t'\";,", max_size=20),
)
def test_a_secret_is_masked_wherever_it_stands(shape: str, before: str, after: str) -> None:
    value = SHAPED[shape]
    assert value not in masked(f"{before} {value} {after}")


@given(
    st.lists(
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                [
                    *(literal for shape in SHAPES for literal in shape.literals),
                    *("password", "PWD", "secret_key", "Token", "api-key", "mot_de_passe", "credentials", "://", "@"),
                    *("=", ": ", " = ", "'", '"', f"https://ada:{RANDOM[:12]}@db.acme.net/x", RANDOM),
                ]
            ),
        ),
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_what_is_not_looked_through_holds_no_secret(parts):
    """A quick look spares most texts the patterns: it may not spare one that has a secret."""
    text = "".join(parts)
    found = list(find("", text, bare=True))
    assert not found or masked(text) != text
