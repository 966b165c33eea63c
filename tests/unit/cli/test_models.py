"""``nextgen models``: with none, with some, one tiny call, adding and removing."""

import json

import pytest

from nextgeneration.testing import wire

SECRET = "sk-cli-0123456789-secret"


@pytest.fixture
def discover(monkeypatch):
    """Keys are looked for, servers on this machine are not: others may run some."""
    monkeypatch.setenv("NG_MODELS_DISCOVER", "true")
    monkeypatch.setenv("NG_MODELS_PROBE_MS", "0")
    monkeypatch.setenv("NG_MODELS_KEYRING", "false")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_model_it_says_so_and_how_to_add_one(cli, project):
    said = cli("models", "-w", project)
    assert said.code == 0
    assert "agents run their playbooks" in said.out
    assert "ANTHROPIC_API_KEY" in said.out
    assert "nextgen models add" in said.out
    facts = cli("models", "--json", "-w", project).json
    assert facts["models"] == []
    assert facts["purposes"]["plan"] == {"models": [], "why": "no model fits", "skipped": {}}


def test_what_was_found_is_listed_with_prices_and_uses_and_without_the_key(cli, project, discover, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    said = cli("models", "list", "-w", project)
    assert said.code == 0
    assert "ANTHROPIC_API_KEY in the environment" in said.out
    assert "anthropic:claude-opus-5-5" in said.out
    assert "the best for planning" in said.out
    facts = cli("models", "list", "--json", "-w", project).json
    first = facts["models"][0]
    assert (first["usable"], first["price"]["source"]) == (True, "genai-prices")
    assert facts["purposes"]["compact"]["models"][0] == "anthropic:claude-haiku-5-5"
    assert facts["templates"], "templates that could use a model are said with the one they would use"
    assert SECRET not in said.out + said.err + json.dumps(facts)


def test_what_the_models_at_an_address_hold_is_said_when_it_is_added_and_forgotten_with_it(cli, project):
    given = ("models", "add", "lab", "--url", "http://llm.example/v1", "--model", "m")
    assert cli(*given, "--context", "32768", "--json").json["context"] == 32_768

    def held():
        found = cli("models", "list", "--json", "-w", project).json["models"]
        return next(model["context"] for model in found if model["model"] == "lab:m")

    assert held() == 32_768
    assert cli(*given).code == 0
    assert held() == 8_192
    assert cli(*given, "--context", "5").code == 2
    assert cli(*given, "--context", "32768").code == cli("models", "remove", "lab").code == 0
    assert cli(*given).code == 0
    assert held() == 8_192


def test_a_tiny_call_shows_the_answer_its_time_and_its_cost(cli, monkeypatch):
    with wire.WireServer("openai", models=["m"]) as server:
        assert cli("models", "add", "lab", "--url", server.url).code == 0
        server.script(wire.Say("ready\x1b[31m", wire.Usage(11, 1)), wire.Say("ready", wire.Usage(11, 1)))
        said = cli("models", "check", "lab:m")
        assert said.code == 0, said.err
        assert "lab:m answered in" in said.out
        assert "\x1b[31m" not in said.out
        assert "11 tokens in, 1 out; 0 credits" in said.out
        facts = cli("models", "check", "lab:m", "--json").json
        assert (facts["text"], facts["usage"], facts["credits"]) == ("ready", {"input": 11, "output": 1}, "0")


def test_a_call_that_fails_is_an_error_with_its_code(cli):
    with wire.WireServer("openai", models=["m"]) as server:
        assert cli("models", "add", "lab", "--url", server.url).code == 0
        server.script(wire.Fails(401))
        said = cli("models", "check", "lab:m", "--json")
    assert said.code == 7
    assert said.json["error"]["code"] == "NG-MODELS-006"
    assert cli("models", "check", "nobody:m").code == 2


def test_a_tiny_call_stands_in_the_books_and_passes_no_limit(cli):
    with wire.WireServer("openai", models=["m"]) as server:
        assert cli("models", "add", "lab", "--url", server.url).code == 0
        assert cli("models", "price", "lab:m", "--input", "3", "--output", "15").code == 0
        server.script(wire.Say("ready", wire.Usage(100, 10)), wire.Resets("during"), wire.Fails(401))
        assert cli("models", "check", "lab:m", "--json").json["credits"] == "0.045"
        assert cli("models", "check", "lab:m").code
        assert cli("models", "check", "lab:m").code
        calls = cli("credits", "history", "--json").json
        assert [call["status"] for call in calls] == ["released", "unconfirmed", "settled"]
        assert cli("credits", "limits", "set", "model", "lab:m", "0.05").code == 0
        refused = cli("models", "check", "lab:m", "--json")
        assert (refused.code, refused.json["error"]["code"]) == (6, "NG-CREDITS-002")
        assert len(server.requests) == 3
    assert cli("credits", "verify").code == 0


def test_a_model_whose_key_is_missing_says_which(cli, discover):
    said = cli("models", "check", "openai:gpt-5")
    assert said.code == 7
    assert "OPENAI_API_KEY" in said.err
    assert "provider:model" not in said.err


def test_an_address_is_asked_for(cli):
    said = cli("models", "add", "lab")
    assert said.code == 2
    assert "--url is missing" in said.err


def test_an_address_is_added_priced_and_removed(cli, project, own_home):
    said = cli("models", "add", "acme", "--url", "http://llm.example/v1", "--key-name", "ACME_KEY", "--model", "large")
    assert said.code == 0
    assert "acme added: acme:large" in said.out
    assert "No key was found under ACME_KEY so far." in said.err
    assert "not encrypted" in said.err
    assert cli("models", "price", "acme:large", "--input", "1.5", "--output", "6", "--cached", "0.1").code == 0
    shown = cli("models", "--json", "-w", project).json["models"][0]
    assert (shown["model"], shown["usable"], shown["problem"]) == ("acme:large", False, "no key under ACME_KEY")
    assert (shown["price"]["input"], shown["price"]["source"]) == ("1.5", "settings")
    assert "no key under ACME_KEY" in cli("models", "-w", project).out
    assert cli("models", "remove", "acme", "--json").json == {"removed": "acme"}
    assert cli("models", "remove", "acme").code == 2
    assert cli("models", "--json", "-w", project).json["models"] == []


def test_a_key_given_instead_of_its_name_is_refused_and_not_shown(cli):
    said = cli("models", "add", "acme", "--url", "https://llm.example/v1", "--key-name", SECRET, "--model", "m")
    assert said.code == 2
    assert SECRET not in said.out + said.err
    assert cli("models", "add", "acme", "--url", "https://x.example", "--dialect", "klingon").code == 2


def test_it_speaks_french(cli, project, monkeypatch):
    monkeypatch.setenv("NG_LANG", "fr")
    said = cli("models", "-w", project)
    assert "Aucun modèle trouvé" in said.out
    assert "Pour en utiliser un" in said.out


@pytest.mark.parametrize(
    "given",
    [
        ("--key-name", "AIzaSyA1234567890abcdefghijklmnopqrstu"),
        ("--key-name", "AKIAIOSFODNN7EXAMPLE"),
        ("--key-name", "A3F9C0DE11223344556677"),
        ("--key-name", "acme_key"),
        ("--url", "https://llm.example/v1?api_key=SECRETQ"),
        ("--url", "https://llm.example/v1#SECRETQ"),
        ("--url", "https://llm.example/v1?"),
        ("--url", "https://me:SECRETQ@llm.example/v1"),
    ],
    ids=["google", "aws", "hexadecimal", "small letters", "query", "fragment", "empty query", "password"],
)
def test_what_is_or_may_be_a_key_is_neither_kept_nor_shown(cli, given):
    said = cli("models", "add", "acme", "--url", "https://llm.example/v1", "--model", "m", *given)
    assert (said.code, "NG-MODELS-017" in said.err) == (2, True)
    assert given[1] not in said.out + said.err
    assert "SECRETQ" not in said.out + said.err
    assert cli("models", "remove", "acme").code == 2, "nothing was kept"


@pytest.mark.parametrize("name", ["OPENROUTER_API_KEY", "_KEY", "KEY2", "MY_COMPANYS_VERY_LONG_NAME_OF_A_KEY_2026"])
def test_a_name_of_a_variable_is_taken(cli, name):
    given = ("models", "add", "acme", "--url", "https://llm.example/v1", "--model", "m", "--key-name", name, "--json")
    assert cli(*given).json["key"] == name


@pytest.mark.parametrize("price", ["inf", "nan", "1e400", "2000000", "1000000.5"])
def test_a_price_that_is_none_is_a_usage_error(cli, price):
    for option in ("--input", "--output", "--cached"):
        given = {"--input": "1", "--output": "1", option: price}
        said = cli("models", "price", "lab:m", *[word for pair in given.items() for word in pair])
        assert said.code == 2, said.err
        assert "number" in said.err
        assert "Internal" not in said.err
    assert cli("models", "remove", "lab:m").code == 2, "nothing was kept"
    assert cli("models", "price", "lab:m", "--input", "1000000", "--output", "0").code == 0


def test_no_command_shows_escape_sequences_of_what_it_was_given(cli):
    said = cli("models", "price", "lab:\x1b[31mm", "--input", "1", "--output", "1")
    assert (said.code, "\x1b[31m" in said.out + said.err) == (0, False)
    with wire.WireServer("openai", models=["m\x1b[31m"]) as server:
        said = cli("models", "add", "lab", "--url", server.url)
        assert (said.code, "\x1b[31m" in said.out + said.err) == (0, False)


def test_a_provider_of_langchain_is_named_by_its_package(cli):
    """...and what is missing by LangChain's own word for it: the package is not always called like the provider."""
    add = ("models", "add", "house", "--dialect", "langchain", "--model", "x")
    assert cli(*add, "--package", "bedrock", "--json").json["package"] == "bedrock"
    said = cli("models", "check", "house:x")
    assert said.code == 7
    assert "pip install langchain-aws" in said.err
    assert cli(*add).code == 0
    said = cli("models", "check", "house:x")
    assert said.code == 2
    assert "LangChain knows no provider house; say which with --package" in said.err
    wrong = cli("models", "add", "lab", "--url", "https://llm.example/v1", "--model", "m", "--package", "bedrock")
    assert wrong.code == 2
    assert "--package goes with --dialect langchain" in wrong.err
