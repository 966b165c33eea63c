"""What is found: keys by name, servers on this machine, what was added; and that no key is kept or shown."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.models import Wish
from nextgeneration.models import adding, keeping
from nextgeneration.models.errors import ModelsFileBroken, NameUnclear
from nextgeneration.models.gateway import Gateway
from nextgeneration.models.probing import Port, ask, probe
from nextgeneration.models.sources import loopback, split
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.keys import Keys
from nextgeneration.settings.models import ModelPrice, ModelProvider, ModelSettings
from nextgeneration.testing.wire import WireServer

SECRET = "sk-ant-0123456789-secret"


@pytest.fixture
def served():
    """A server on loopback that answers a table of paths, in a thread of its own."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread, threading.Event]] = []

    def serve(answers: dict[str, Any], *, wait: float = 0.0) -> int:
        gate = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                asked = json.loads(self.rfile.read(length)) if length else {}
                gate.wait(wait)
                value = answers.get(self.path)
                value = value(asked) if callable(value) else value
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(404 if value is None else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        running.append((server, thread, gate))
        return server.server_address[1]

    yield serve
    for server, thread, gate in running:
        gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


def environment(**variables: str) -> Environment:
    return Environment(variables, Path("/nowhere"))


def gateway(
    home: Path | None = None, ports: tuple[Port, ...] = (), variables: dict[str, str] | None = None, **settings
):
    made = ModelSettings(
        **{"discover": True, "keyring": False, "dotenv": Path("/nowhere"), "probe_ms": 5_000, **settings}
    )
    return Gateway(made, clock=SystemClock(), home=home, environment=environment(**(variables or {})), ports=ports)


# --- keys


def test_the_environment_goes_before_the_file_and_neither_shows_a_value(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# mine\nexport A_KEY='{SECRET}'\nB_KEY=from-file\nC_KEY=$HOME\nEMPTY=\n")
    keys = Keys(environment(B_KEY="from-environment", EMPTY=" "), file)
    found = keys.find("A_KEY")
    assert (found.where, found.value.get_secret_value()) == (".env", SECRET)
    assert SECRET not in repr(found)
    assert keys.find("B_KEY").where == "environment"
    assert keys.find("C_KEY").value.get_secret_value() == "$HOME", "nothing is filled in"
    assert keys.find("EMPTY") is None
    assert keys.find("") is None
    assert keys.find("D_KEY") is None


def test_a_file_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    assert Keys(environment(), tmp_path / ".env").find("A") is None
    assert Keys(environment(), tmp_path).find("A") is None


def test_the_keyring_is_asked_last_and_one_that_fails_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    asked: list[str] = []

    def get(service: str, name: str) -> str | None:
        asked.append(name)
        if name == "BROKEN":
            raise keyring.errors.KeyringLocked
        return SECRET if (service, name) == ("nextgeneration", "A_KEY") else None

    monkeypatch.setattr(keyring, "get_password", get)
    keys = Keys(environment(B_KEY="x"), None, keyring=True)
    assert keys.find("A_KEY").where == "keyring"
    assert keys.find("B_KEY").where == "environment"
    assert keys.find("BROKEN") is None
    assert keys.find("A_KEY") is None
    assert asked == ["A_KEY", "BROKEN"]


def test_a_key_in_the_environment_brings_its_providers_models() -> None:
    models = gateway(variables={"GEMINI_API_KEY": SECRET})
    assert {info.provider for info in models.models()} == {"google"}
    assert models.models()[0].how.en == "GEMINI_API_KEY in the environment"
    assert models.available(Wish())
    assert gateway(variables={"GEMINI_API_KEY": SECRET}, discover=False).models() == []


def test_a_provider_of_the_settings_without_its_key_is_listed_as_unusable() -> None:
    models = gateway(providers={"acme": ModelProvider(url="https://llm.example/v1", key="ACME", models=["m"])})
    assert models.models()[0].usable.en == "no key under ACME"
    assert not models.available(Wish())


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:80", True),
        ("http://localhost:8000", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.1", False),
        ("http://0.0.0.0:80", False),
        ("https://api.openai.com", False),
        ("", False),
    ],
)
def test_only_this_machines_own_address_is_free(url: str, local: bool) -> None:
    assert loopback(url) is local


def test_names_are_split_at_their_first_colon_and_other_names_are_known() -> None:
    assert split("ollama:qwen3:8b") == ("ollama", "qwen3:8b")
    assert split("google_genai:gemini-3.8-flash") == ("google", "gemini-3.8-flash")
    assert split("gpt-4o") == ("", "gpt-4o")


# --- servers on this machine


def test_servers_that_answer_are_found_with_their_models_and_what_they_say_of_them(served) -> None:
    ollama = served(
        {
            "/api/tags": {"models": [{"name": "qwen3:8b"}, {"name": "nomic-embed-text:latest"}]},
            "/api/show": lambda asked: {
                "capabilities": ["completion", "tools", "thinking"],
                "model_info": {"qwen3.context_length": 40_960},
            },
        }
    )
    vllm = served({"/v1/models": {"data": [{"id": "big", "max_model_len": 65_536}, {"id": "whisper-1"}]}})
    ours = served({"/v1/models": {"data": [{"id": "documentaliste", "owned_by": "nextgeneration"}]}})
    other = served({"/v1/models": b"<html>not one</html>"})
    ports = (
        Port("ollama", ollama, "", "ollama"),
        Port("vllm", vllm),
        Port("ours", ours),
        Port("other", other),
        Port("nobody", 9),
    )
    models = gateway(ports=ports)
    listed = {info.name: info for info in models.models()}
    assert set(listed) == {"ollama:qwen3:8b", "vllm:big"}
    assert listed["ollama:qwen3:8b"].facts.abilities == {"tools", "reasoning"}
    assert listed["ollama:qwen3:8b"].facts.context == 16_384, "as much as we ask Ollama for"
    assert listed["vllm:big"].facts.context == 65_536
    assert all(info.local and info.price.source == "local" for info in listed.values())
    assert listed["vllm:big"].how.fr == f"répond sur http://127.0.0.1:{vllm}/v1"


def test_a_server_that_is_slow_holds_nobody_up(served) -> None:
    """The slow one answers only when the test is over."""
    slow = served({"/v1/models": {"data": [{"id": "m"}]}}, wait=120.0)
    quick = served({"/v1/models": {"data": [{"id": "n"}]}})
    assert [answering.name for answering in probe([Port("slow", slow), Port("quick", quick)], 3.0)] == ["quick"]


def test_an_address_of_the_settings_on_this_machine_is_asked_for_its_models(served) -> None:
    port = served({"/v1/models": {"data": [{"id": "m", "meta": {"n_ctx_train": 32_768}}]}})
    models = gateway(providers={"lab": ModelProvider(url=f"http://127.0.0.1:{port}/v1")})
    assert [(info.name, info.facts.context) for info in models.models()] == [("lab:m", 32_768)]
    assert ask("x", "anthropic", "http://127.0.0.1:9", 1.0) is None


# --- what was added


def test_what_was_added_is_used_and_forgotten_again(tmp_path: Path, served) -> None:
    port = served({"/v1/models": {"data": [{"id": "large"}, {"id": "text-embedding-x"}]}})
    url = f"http://127.0.0.1:{port}/v1"
    kept = adding.add(tmp_path, "lab", ModelProvider(url=url, key="LAB_KEY"), Keys(environment(LAB_KEY=SECRET)))
    assert kept.models == ["large"]
    assert SECRET not in (tmp_path / "models.json").read_text()
    adding.price(tmp_path, "lab:large", ModelPrice(input=1, output=2))
    models = gateway(tmp_path, variables={"LAB_KEY": SECRET})
    assert [(info.name, info.price.source) for info in models.models()] == [("lab:large", "settings")]
    adding.remove(tmp_path, "lab")
    assert gateway(tmp_path, variables={"LAB_KEY": SECRET}).models() == []
    assert keeping.read(tmp_path) == keeping.Kept()
    with pytest.raises(NameUnclear):
        adding.remove(tmp_path, "lab")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Not A Name", {"url": "https://x.example"}),
        ("a", {"url": "ftp://x.example"}),
        ("a", {"url": ""}),
        ("a", {"url": f"https://user:{SECRET}@x.example"}),
        ("a", {"url": "https://x.example", "key": SECRET}),
    ],
)
def test_what_is_no_provider_is_not_kept_and_a_key_given_by_mistake_is_not_shown(
    tmp_path: Path, name: str, given: dict[str, str]
) -> None:
    with pytest.raises(NameUnclear) as refused:
        adding.add(tmp_path, name, ModelProvider(**given), Keys(environment()))
    assert not (tmp_path / "models.json").exists()
    assert SECRET not in refused.value.message() + repr(refused.value.values)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"providers": {"a": {"keyy": "x"}}}', '{"prices": {"a:b": {"input": -1}}}']
)
def test_a_broken_file_is_named_and_nothing_of_it_is_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.json").write_text(text)
    with pytest.raises(ModelsFileBroken) as broken:
        gateway(tmp_path).models()
    assert "models.json" in broken.value.message("fr")
    with pytest.raises(ModelsFileBroken):
        adding.price(tmp_path, "a:b", ModelPrice(input=1, output=1))
    assert (tmp_path / "models.json").read_text() == text, "it is not written over"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ModelsFileBroken):
        adding.price(tmp_path / "home", "a:b", ModelPrice(input=1, output=1))


# --- what is loaded


@pytest.mark.parametrize("line", ["import nextgeneration", "from nextgeneration.models.gateway import Gateway"])
def test_no_model_library_is_loaded_before_a_model_is_asked(line: str) -> None:
    heavy = "('langchain', 'langchain_core', 'langsmith', 'openai', 'anthropic', 'genai_prices', 'httpx2', 'keyring')"
    program = f"{line}; import sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_and_an_empty_list_load_none_either(tmp_path: Path) -> None:
    program = (
        "import sys; from nextgeneration.cli.main import run_command; "
        "code = run_command(sys.argv[1:]); "
        "print(code, [n for n in ('langchain', 'langchain_core', 'openai', 'anthropic') if n in sys.modules])"
    )
    for args in (["--help"], ["models", "--help"], ["models", "-w", str(tmp_path)]):
        done = subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "0 []", done.stderr


async def test_asking_an_added_server_works_from_beginning_to_end(tmp_path: Path) -> None:
    with WireServer("openai", models=["m"]) as wire:
        found = adding.add(tmp_path, "lab", ModelProvider(url=wire.url), Keys(environment()))
        assert found.models == ["m"]
