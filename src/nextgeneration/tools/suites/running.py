"""``test.run``: the project's tests, run in the confinement, failures as findings with their place."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, Field

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import clean, escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import BaseTool
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.shell.confined import MAX_SECONDS, Runner, tampering
from nextgeneration.tools.shell.process import Outcome
from nextgeneration.tools.suites import parse
from nextgeneration.tools.suites.detect import RESULTS, Suite
from nextgeneration.tools.suites.errors import NoSuites
from nextgeneration.tools.suites.finding import FindArgs, chosen
from nextgeneration.tools.suites.parse import ERROR, FAILED, Case
from nextgeneration.tools.workspace import Workspace

DEFAULT_SECONDS = 600.0
_RESULT_LIMIT = 20_000_000
_NO_TESTS_RAN = 5
"""pytest's exit code when it collected nothing."""

_RUNS = Texts("runs the project's own code: {command}", "exécute le code du projet : {command}")
_TITLE = Texts("Run the project's tests", "Exécuter les tests du projet")
_FAILS = Texts("The test {name} fails", "Le test {name} échoue")
_BREAKS = Texts("The test {name} cannot be run", "Le test {name} ne peut pas être exécuté")
_SUITE_FAILS = Texts("{runner} fails in {folder}", "{runner} échoue dans {folder}")
_NO_RUNNER = Texts("{runner} is not installed for this project", "{runner} n'est pas installé pour ce projet")
_TIMED_OUT = Texts("ended after its time limit", "arrêté après sa limite de temps")
_SUMMARY = Texts(
    "{runner} in {folder}: {passed} passed, {failed} failed, {error} with errors, {skipped} skipped ({seconds} s)",
    "{runner} dans {folder} : {passed} réussis, {failed} en échec, {error} en erreur, {skipped} ignorés ({seconds} s)",
)


class RunArgs(FindArgs):
    """Which suites to run, and for how long."""

    seconds: float = Field(default=DEFAULT_SECONDS, gt=0, le=MAX_SECONDS, description="wall-clock limit of each suite")


class SuiteReport(BaseModel):
    """How one suite ended. ``problem`` says why there are no results, when there are none."""

    runner: str
    folder: str
    command: list[str]
    exit_code: int
    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0
    seconds: float = 0.0
    timed_out: bool = False
    confinement: str = ""
    problem: str = ""
    output: str = ""
    """The end of what it printed."""


class RunResult(BaseModel):
    """All suites that were run."""

    suites: list[SuiteReport]


class SuiteRun(BaseTool):
    """Runs the project's tests. What they build and cache stays in the mission's private home."""

    spec = ToolSpec(
        name="test.run",
        summary=Texts(
            "Runs the project's tests and reads the results.",
            "Exécute les tests du projet et lit les résultats.",
        ),
        args=RunArgs,
        result=RunResult,
        effect=EffectRule.IDEMPOTENT,
        risk=RiskLabel.UNKNOWN,
        touches=frozenset({"workspace", "process"}),
        seconds=2 * MAX_SECONDS,
    )

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def assess(self, args: RunArgs, context: ToolContext) -> Assessment:
        """``unknown``: tests are programs. It rests on the commands and the files that define them."""
        workspace = Workspace(context.workspace)
        suites = chosen(workspace, args.folder, args.runner)
        reasons = tuple(_RUNS.say(context.lang, command=_shown(suite)) for suite in suites)
        conditions = {f"file:{suite.rests_on}": workspace.digest(suite.rests_on) for suite in suites if suite.rests_on}
        conditions["commands"] = digest([[suite.folder, *suite.argv] for suite in suites])
        judged = Assessment(label=self.spec.risk, reasons=reasons, conditions=conditions)
        return self._runner.judged(judged, context)

    def subjects(self, args: RunArgs) -> tuple[str, ...]:
        """The runner asked for (``*`` for all), and where."""
        return (f"{args.runner or '*'} {args.folder}",)

    def preview(self, args: RunArgs, context: ToolContext) -> Preview:
        """Every command and its circumstances."""
        suites = chosen(Workspace(context.workspace), args.folder, args.runner)
        body = "".join(
            self._runner.described(context, suite.folder, args.seconds) + _shown(suite) + "\n" for suite in suites
        )
        return Preview(title=_TITLE.say(context.lang), body=body, kind="command")

    async def call(self, args: RunArgs, context: ToolContext) -> ToolResult:
        """Run one suite after the other; ``ok`` is whether all of them passed."""
        suites = await asyncio.to_thread(chosen, Workspace(context.workspace), args.folder, args.runner)
        if not suites:
            raise NoSuites(folder=args.folder)
        reports: list[SuiteReport] = []
        findings: list[Finding] = []
        for suite in suites:
            report, found = await self._suite(suite, args.seconds, context)
            reports.append(report)
            findings += found
        lines = [_SUMMARY.say(context.lang, **report.model_dump()) for report in reports]
        lines += [finding.title for finding in findings]
        return ToolResult(
            ok=all(report.exit_code == 0 and not report.problem for report in reports),
            value=RunResult(suites=reports).model_dump(),
            text="\n".join(lines),
            findings=tuple(findings),
        )

    async def _suite(self, suite: Suite, seconds: float, context: ToolContext) -> tuple[SuiteReport, list[Finding]]:
        results = Path(tempfile.mkdtemp(prefix="suite-", dir=context.scratch))
        try:
            outcome = await self._runner.run(
                suite.command(str(results)),
                context,
                cwd=suite.folder,
                seconds=seconds,
                variables=dict(suite.variables),
                writable=(results,),
            )
            cases = _cases(suite, outcome, results, context.workspace)
        finally:
            shutil.rmtree(results, ignore_errors=True)
        problem = _problem(suite, outcome, cases, context.lang)
        report = SuiteReport(
            runner=suite.runner,
            folder=suite.folder,
            command=suite.command(RESULTS),
            exit_code=outcome.exit_code,
            **parse.counted(cases),
            seconds=outcome.seconds,
            timed_out=outcome.ended == "time",
            confinement=outcome.confinement,
            problem=problem,
            output=masked((outcome.stdout + outcome.stderr)[-4_000:]),
        )
        failing = [_failure(suite, case, context.lang) for case in cases if case.outcome in (FAILED, ERROR)]
        if not failing and outcome.exit_code != 0 and outcome.exit_code != _NO_TESTS_RAN:
            failing = [_suite_failure(suite, report, context.lang)]
        return report, [*failing, *tampering(outcome, self.spec.name, context.lang)]


def _shown(suite: Suite) -> str:
    return " ".join(shlex.quote(escaped(part, newlines=False)) for part in suite.command("RESULTS"))


def _cases(suite: Suite, outcome: Outcome, results: Path, workspace: Path) -> list[Case]:
    def written(name: str) -> bytes:
        # The tests could have put a link in its place.
        try:
            return Workspace(results).read_bytes(name, _RESULT_LIMIT)
        except NGError:
            return b""

    if suite.runner == "pytest":
        found = parse.junit(written("junit.xml"))
    elif suite.runner == "unittest":
        found = parse.unittest(outcome.stderr)
    elif suite.runner == "node":
        found = parse.tap(outcome.stdout)
    elif suite.runner in ("jest", "vitest"):
        found = parse.jest(written("jest.json"))
    elif suite.runner == "go":
        found = parse.go(outcome.stdout, _module(workspace, suite))
    elif suite.runner == "cargo":
        found = parse.cargo(outcome.stdout, outcome.stderr)
    else:
        found = []
    return list(_placed(found, suite, workspace))


def _module(workspace: Path, suite: Suite) -> str:
    try:
        text = Workspace(workspace).read_text(suite.rests_on)
    except NGError:
        return ""
    return next((line.split()[1] for line in text.splitlines() if line.startswith("module ") and line.split()[1:]), "")


def _placed(cases: list[Case], suite: Suite, workspace: Path) -> Iterator[Case]:
    """The cases with paths relative to the workspace; a path that is not in it is dropped."""
    root = workspace.resolve()
    for case in map(parse.shortened, cases):
        path = PurePosixPath(case.path)
        if path.is_absolute():
            path = path.relative_to(root) if path.is_relative_to(root) else PurePosixPath()
        elif case.path:
            path = PurePosixPath(suite.folder, path)
        fine = path.parts and ".." not in path.parts
        yield Case(
            clean(case.name)[:300],
            case.outcome,
            str(path) if fine else "",
            case.line if fine else None,
            masked(clean(case.message)),
        )


def _problem(suite: Suite, outcome: Outcome, cases: list[Case], lang: Lang) -> str:
    if outcome.ended == "time":
        return _TIMED_OUT.say(lang)
    if outcome.exit_code == 127 or f"No module named {suite.runner}" in outcome.stderr:
        return _NO_RUNNER.say(lang, runner=suite.runner)
    return "" if cases or outcome.exit_code == 0 else _SUITE_FAILS.say(lang, runner=suite.runner, folder=suite.folder)


def _failure(suite: Suite, case: Case, lang: Lang) -> Finding:
    location = Location(path=case.path, line=case.line) if case.path else None
    texts = _BREAKS if case.outcome == ERROR else _FAILS
    return Finding(
        rule=f"test.{case.outcome}",
        title=texts.say(lang, name=case.name),
        message=case.message,
        severity=Severity.HIGH,
        location=location,
        evidence=(Evidence(source="test.run", excerpt=case.excerpt, location=location),),
        cause=f"test-fails:{suite.runner}:{case.name}",
        data={"runner": suite.runner, "folder": suite.folder},
    )


def _suite_failure(suite: Suite, report: SuiteReport, lang: Lang) -> Finding:
    return Finding(
        rule="test.suite",
        title=report.problem or _SUITE_FAILS.say(lang, runner=suite.runner, folder=suite.folder),
        message=report.output[-1_000:],
        severity=Severity.MEDIUM if report.exit_code == 127 else Severity.HIGH,
        location=Location(path=suite.rests_on) if suite.rests_on else None,
        evidence=(Evidence(source="test.run", excerpt=report.output[-500:]),),
        cause=f"test-suite-fails:{suite.runner}:{suite.folder}",
        data={"exit_code": report.exit_code},
    )
