"""Each built-in template does real work: a mission with that agent on the sample, judged by what is in the sample."""

import http.server
import json
import shutil
import sys
import textwrap
import threading
from importlib.resources import files

import pytest

from nextgeneration.agents import create_agent
from nextgeneration.kernel.findings import Severity
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.tools import McpServer, ToolSettings
from nextgeneration.supervisor.outcome import ActionStatus
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.lint import lint
from nextgeneration.tools import mcp_docs, net
from nextgeneration.tools.base import Limited
from nextgeneration.tools.registry import build

NAMES = {
    "base_specialist",
    "documentaliste",
    "genie_logiciel",
    "hardware",
    "security_analyst",
    "correcteur_systeme",
    "chercheur_web",
    "contexte7",
    "auditeur_code",
    "analyste",
    "codeur",
    "testeur",
    "auditeur",
}
LANGUAGES = pytest.mark.parametrize("lang", ["en", "fr"])


@pytest.fixture(scope="module")
def library():
    return TemplateLibrary()


@pytest.fixture
def sample(tmp_path):
    """A copy of the bundled project."""
    folder = tmp_path / "orders"
    shutil.copytree(str(files("nextgeneration") / "sample"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def mission(sample):
    """``await mission(agent, goal, lang)``: its outcome and report; ``approve`` gives every approval it asks for."""

    async def run(agent, goal="go", lang="en", *, tools=None, approve=False, **options):
        async with open_services(sample, tools=tools) as services:
            options = MissionOptions(agents=(agent,), **options)
            request = MissionRequest(goal=goal, workspace=str(sample), lang=lang, options=options)
            accepted = await services.missions.accept(request)
            outcome = await services.worker.run(accepted.id)
            while approve and outcome.pending:
                for approval in outcome.pending:
                    await services.approvals.decide(approval, "approved", by="human:ada")
                outcome = await services.worker.run(accepted.id)
        for entry in outcome.report.findings:
            for finding in (entry.finding, *entry.others):
                assert finding.evidence, f"{finding.rule} has no evidence"
                assert all(evidence.source for evidence in finding.evidence)
                assert not finding.location or (sample / finding.location.path).exists()
        return outcome

    return run


def rules(outcome):
    return {entry.finding.rule for entry in outcome.report.findings}


def places(outcome, rule):
    found = (entry.finding for entry in outcome.report.findings if entry.finding.rule == rule)
    return {str(finding.location) for finding in found}


def said(outcome, tool=""):
    """What ``tool`` said, or all sentences."""
    answer = outcome.report.answer
    if tool:
        return "\n".join(s.quote for s in answer if s.quote and tool in s.text)
    return "\n".join(s.text for s in answer)


# -- what the user laid down -----------------------------------------------------------------------------------------


def test_the_built_in_templates_are_all_there_and_lint_says_nothing(library):
    assert set(library.names()) == NAMES
    tools = build(ToolSettings()).names()
    assert lint(library, known_tools=tools, strict=True) == []


def test_the_users_own_values_stand(library):
    base = library.get("base_specialist")
    assert (base.role, base.domain, base.version) == ("specialist", "general", "1.0.0")
    assert {c.id for c in base.capabilities} == {"analyze_data", "generate_report"}
    assert set(base.tools) == {"python_interpreter", "file_reader"}
    assert base.default_config["log_level"] == "INFO"
    own = library.get("documentaliste")
    assert (own.role, own.domain, own.version, own.parents) == (
        "analyzer",
        "documentation",
        "1.1.0",
        ("base_specialist",),
    )
    assert {"summarize_text", "extract_keywords", "generate_docstrings"} <= {c.id for c in own.capabilities}
    assert {"pdf_reader", "markdown_writer", *base.tools} <= set(own.tools)
    assert own.default_config["summary_length"] == 250
    analyst = library.get("security_analyst")
    parent = library.get(analyst.parents[0])
    assert {c.id for c in parent.capabilities} <= {c.id for c in analyst.capabilities}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_template_speaks_both_languages_and_says_when_to_call_it(library, name):
    revision = library.get(name)
    assert revision.description.en
    assert revision.description.fr
    assert revision.description.en != revision.description.fr
    assert revision.route.keywords
    assert revision.route.examples
    assert revision.playbook
    assert not revision.default_playbook
    box = build(ToolSettings())
    assert all(tool in box for tool in revision.tools)
    assert all(step.tool in box for step in revision.playbook)


# -- one mission each ------------------------------------------------------------------------------------------------


@LANGUAGES
async def test_analyste_says_what_a_project_is_and_what_it_is_made_of(mission, lang):
    outcome = await mission("analyste", lang=lang)
    assert outcome.status == "done"
    assert "A small service that takes orders" in said(outcome, "docs.summary")
    assert "value added tax" in said(outcome, "docs.keywords")
    assert "docker-compose.yml" in said(outcome, "fs.list")
    assert "Python" in said(outcome, "code.complexity")
    assert places(outcome, "code.todo") == {"app/settings.py:8"}


@LANGUAGES
async def test_auditeur_covers_code_secrets_dependencies_containers_and_documentation(mission, lang):
    outcome = await mission("auditeur", lang=lang)
    found = rules(outcome)
    assert {"compose.privileged", "compose.docker-socket", "code.lint.S602", "code.secret.assigned"} <= found
    assert {"code.dependency.unpinned", "docs.link-file", "code.no-licence"} <= found
    assert outcome.report.findings[0].finding.severity is Severity.CRITICAL
    first = outcome.report.actions[0]
    assert (first.status, first.label) == (ActionStatus.PENDING, "write")


@LANGUAGES
async def test_auditeur_code_mends_what_it_found_and_proves_it(mission, sample, lang):
    outcome = await mission("auditeur_code", lang=lang, approve=True)
    assert outcome.status == "done"
    (action,) = outcome.report.actions
    assert action.status is ActionStatus.VERIFIED
    assert "privileged: true" not in (sample / "docker-compose.yml").read_text()
    gone = {e.finding.rule for e in outcome.report.findings if e.resolved}
    assert {"compose.privileged", "compose.exposed-database", "compose.version"} <= gone
    assert "compose.docker-socket" in {e.finding.rule for e in outcome.report.findings if not e.resolved}


@pytest.mark.bubblewrap
@LANGUAGES
async def test_base_specialist_takes_stock_and_works_out_the_figures_of_a_table(mission, sample, lang):
    (sample / "sales.csv").write_text("country;amount\nFR;10,5\nCH;20,5\nFR;\n")
    outcome = await mission("base_specialist", "sales.csv", lang, approve=True)
    assert "app/" in said(outcome, "fs.list")
    assert "takes orders" in said(outcome, "docs.summary")
    (action,) = outcome.report.actions
    assert (action.status, action.label) == (ActionStatus.DONE, "unknown")
    figures = next(s.quote for s in outcome.report.answer if s.actions)
    assert "sales.csv: 3 x 2" in figures
    assert "country: 2 distinct, empty 0" in figures
    assert "amount: min 10.5, max 20.5, mean 15.5, median 15.5, empty 1" in figures


async def test_base_specialist_has_nothing_to_approve_when_no_table_is_named(mission):
    outcome = await mission("base_specialist")
    assert (outcome.status, outcome.report.actions) == ("done", ())


@LANGUAGES
async def test_codeur_repairs_what_can_be_repaired_safely(mission, sample, lang):
    outcome = await mission("codeur", {"en": "fix the code", "fr": "corrige le code"}[lang], lang, approve=True)
    assert {"code.lint.S602", "code.lint.S608", "code.lint.E722"} <= rules(outcome)
    (action,) = outcome.report.actions
    assert action.status is ActionStatus.VERIFIED
    assert {e.finding.rule for e in outcome.report.findings if e.resolved} == {"code.lint.F401"}
    compile((sample / "app/orders.py").read_text(), "orders.py", "exec")


async def test_codeur_looks_at_the_file_that_was_named(mission):
    outcome = await mission("codeur", "fix app/worker.py", actions=0)
    assert {str(e.finding.location).partition(":")[0] for e in outcome.report.findings} == {"app/worker.py"}


@LANGUAGES
async def test_documentaliste_summarises_in_extracts_and_finds_what_leads_nowhere(mission, sample, lang):
    goal = {"en": "summarise the documentation", "fr": "résume la documentation"}[lang]
    outcome = await mission("documentaliste", goal, lang)
    assert outcome.status == "done"
    summary = said(outcome, "docs.summary")
    documents = " ".join(path.read_text() for path in (sample / "README.md", sample / "docs/prices.md"))
    first = "A small service that takes orders, keeps them, and prints invoices."
    assert first in summary
    assert first.split()[-1] in documents
    assert places(outcome, "docs.link-file") == {"README.md:10", "docs/prices.md:10"}
    assert {o.status for o in outcome.report.actions} == {ActionStatus.OFFERED}, "stubs are put to nobody unasked"


@LANGUAGES
async def test_documentaliste_writes_docstrings_when_asked(mission, sample, lang):
    goal = {"en": "write the docstrings", "fr": "écris les docstrings"}[lang]
    outcome = await mission("documentaliste", goal, lang, approve=True)
    done = [o for o in outcome.report.actions if o.status is ActionStatus.VERIFIED]
    assert len(done) == 3
    assert "def price(" in (sample / "app/orders.py").read_text()
    assert all(e.resolved for e in outcome.report.findings if e.finding.rule == "docs.docstring-missing")


async def test_documentaliste_summarises_the_file_that_was_named(mission):
    outcome = await mission("documentaliste", "summarise docs/prices.md")
    assert "small service" not in said(outcome, "docs.summary")
    assert "value added tax" in said(outcome, "docs.summary")


async def test_documentaliste_has_nothing_to_summarise_in_an_empty_folder(mission, sample):
    shutil.rmtree(sample)
    sample.mkdir()
    outcome = await mission("documentaliste", "check this project")
    assert outcome.status == "done"
    assert [e.finding.rule for e in outcome.report.findings] == ["docs.readme-missing"]


@LANGUAGES
async def test_genie_logiciel_measures_code_and_dependencies(mission, lang):
    outcome = await mission("genie_logiciel", lang=lang)
    assert {"code.lint.S602", "code.complexity", "code.dependency.unpinned", "code.todo"} <= rules(outcome)
    assert places(outcome, "code.complexity") == {"app/orders.py:40"}


@LANGUAGES
async def test_hardware_answers_about_this_machine(mission, lang):
    goal = {"en": "how much memory is left", "fr": "combien de mémoire reste-t-il"}[lang]
    outcome = await mission("hardware", goal, lang)
    assert outcome.status == "done"
    assert "MiB" in said(outcome, "system.memory")
    assert not said(outcome, "system.disks"), "only what was asked is quoted"
    healthy = await mission("hardware", "is this machine healthy", lang)
    tools = [sentence.text.split()[0] for sentence in healthy.report.answer if sentence.quote]
    assert {"system.cpu", "system.memory", "system.disks", "system.clock", "system.platform"} <= set(tools)


@LANGUAGES
async def test_security_analyst_finds_secrets_and_danger_and_shows_no_secret(mission, sample, lang):
    outcome = await mission("security_analyst", lang=lang)
    assert {"code.secret.assigned", "code.secret.password", "code.lint.S608", "compose.privileged"} <= rules(outcome)
    token = (sample / "app/settings.py").read_text().partition('PAYMENT_TOKEN = "')[2].partition('"')[0]
    assert len(token) > 10
    assert token not in outcome.report.model_dump_json()


@pytest.mark.bubblewrap
@LANGUAGES
async def test_testeur_runs_the_tests_after_approval_and_reads_the_failures(mission, lang):
    outcome = await mission("testeur", {"en": "run the tests", "fr": "lance les tests"}[lang], lang, approve=True)
    (action,) = outcome.report.actions
    assert (action.status, action.label) == (ActionStatus.DONE, "unknown")
    assert "pytest" in said(outcome, "test.find")
    failing = [e.finding for e in outcome.report.findings]
    assert {f.rule for f in failing} == {"test.failed"}
    assert {f.location.path for f in failing} == {"tests/test_orders.py"}
    assert any(s.quote and "pytest" in s.quote for s in outcome.report.answer if s.actions)


async def test_testeur_says_when_there_is_nothing_to_run(mission, sample):
    shutil.rmtree(sample / "tests")
    (sample / "pytest.ini").unlink()
    outcome = await mission("testeur", "run the tests")
    assert outcome.report.actions == ()
    assert rules(outcome) == {"test.none"}


@LANGUAGES
async def test_correcteur_systeme_diagnoses_the_command_that_was_named(mission, lang):
    goal = {"en": "zsh: command not found: frobnicate", "fr": "la commande frobnicate est introuvable"}[lang]
    outcome = await mission("correcteur_systeme", goal, lang)
    first = outcome.report.findings[0]
    assert first.finding.cause == "command-missing:frobnicate"
    assert first.asked


# -- the two that need the network -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chercheur_web", "contexte7"])
@LANGUAGES
async def test_without_the_network_its_agents_fail_in_words(mission, name, lang):
    outcome = await mission(name, "what is a monad", lang)
    (task,) = outcome.report.tasks
    assert task.status == "failed"
    assert outcome.status == "failed"
    (missing,) = outcome.report.missing
    assert missing.startswith(f"{name}: ")
    assert ("n'a rien donné" if lang == "fr" else "gave no result") in said(outcome)


@pytest.fixture
def search_service():
    """A SearXNG-compatible service on loopback; ``heard`` holds the paths asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            results = [{"title": "Compose V2", "url": "https://docs.example/compose", "content": "Use docker compose."}]
            body = json.dumps({"results": results}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    heard = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1], heard
    server.shutdown()
    server.server_close()
    thread.join()


async def test_chercheur_web_brings_results_as_claims_with_their_address(mission, search_service):
    port, heard = search_service
    searching = ToolSettings(search_url=f"http://127.0.0.1:{port}", http_seconds=10)
    tools = [Limited(tool) for tool in net.tools(searching, allow=frozenset({f"127.0.0.1:{port}"}))]
    outcome = await mission("chercheur_web", "docker-compose is not recognised", tools=tools, network=True)
    assert outcome.status == "done"
    (entry,) = outcome.report.findings
    assert entry.finding.reference == "https://docs.example/compose"
    assert entry.finding.severity is Severity.INFO
    assert entry.confidence < 0.5, "what a page says is its claim, not ours"
    assert "docker-compose" in heard[0]


LIBRARY = """
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("Context7")

    @server.tool(name="resolve-library-id")
    def resolve(query: str, libraryName: str) -> str:
        return "- Title: FastAPI\\n- Context7-compatible library ID: /fastapi/fastapi"

    @server.tool(name="query-docs")
    def docs(libraryId: str, query: str) -> str:
        return f"DOCS of {libraryId}"

    server.run("stdio")
"""


async def test_contexte7_asks_the_server_that_the_settings_name(mission, tmp_path):
    server = tmp_path / "library.py"
    server.write_text(textwrap.dedent(LIBRARY))
    settings = ToolSettings(mcp_servers={"context7": McpServer(command=[sys.executable, str(server)])})
    tools = [Limited(tool) for tool in mcp_docs.tools(settings)]
    outcome = await mission("contexte7", "documentation of fastapi", tools=tools, network=True)
    assert outcome.status == "done"
    (entry,) = outcome.report.findings
    assert "DOCS of /fastapi/fastapi" in entry.finding.evidence[0].excerpt


# -- outside a mission -----------------------------------------------------------------------------------------------


async def test_an_agent_called_from_a_program_works_on_the_text_it_is_given(sample):
    agent = await create_agent("documentaliste")
    text = (
        "The harbour was built in 1901. It was enlarged twice. Ships from forty countries call at the harbour. "
        "The harbour employs nine thousand people. Fishing has declined since 1970."
    )
    answer = await agent.process({"text": text}, {"workspace": str(sample)})
    assert answer["status"] == "done"
    assert "harbour" in answer["result"]["summary"]["summary"]
    assert "small service" not in answer["result"]["summary"]["summary"]
    assert "harbour" in answer["analysis"], "the report in words holds what was asked for"


async def test_what_changes_something_is_only_proposed_when_nobody_can_be_asked(sample):
    before = (sample / "docker-compose.yml").read_bytes()
    agent = await create_agent("auditeur_code")
    answer = await agent.process({"goal": "audit"}, {"workspace": str(sample)})
    assert answer["actions"]
    assert (sample / "docker-compose.yml").read_bytes() == before


async def test_two_agents_of_a_team_corroborate_each_other(sample):
    """The sample's password is found by two rules of two agents: one fact, more certain than either."""
    async with open_services(sample) as services:
        request = MissionRequest(goal="vérifie ce projet", workspace=str(sample), lang="fr")
        mission = await services.missions.accept(request)
        outcome = await services.worker.run(mission.id)
    agreed = [e for e in outcome.report.findings if len(e.rules) > 1]
    assert agreed
    for entry in agreed:
        assert entry.corroborated
        assert entry.confidence > max(f.confidence for f in (entry.finding, *entry.others)) - 1e-9
    assert "Trouvé indépendamment par" in "\n".join(s.text for s in outcome.report.answer)
