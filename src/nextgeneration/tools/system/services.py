"""``system.services``: which service manager runs, and which services have failed."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool, listed
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host

FAILED = Rule(
    "system.service-failed",
    Severity.MEDIUM,
    Texts("The service {unit} has failed", "Le service {unit} est en échec"),
    Texts("systemd reports {unit} as failed: {description}", "systemd signale {unit} en échec : {description}"),
    Texts("Read why: journalctl -u {unit} -n 50", "Lisez pourquoi : journalctl -u {unit} -n 50"),
)


class Service(BaseModel):
    """One service. ``state`` is ``running``, ``failed`` or ``unknown``."""

    name: str
    state: str
    description: str = ""


class Services(BaseModel):
    """The services. ``manager`` is ``systemd``, ``openrc``, ``sysv`` or empty, ``init`` is process 1."""

    manager: str
    init: str
    services: list[Service]
    note: str = ""


async def read_services(host: Host, context: ToolContext) -> Services:
    """What the service manager says; without one, only the names of the installed start scripts."""
    init = host.read("/proc/1/comm")
    if host.at("/run/systemd/system").is_dir():
        services, failed = [], False
        for state in ("failed", "running"):
            argv = [
                "systemctl",
                "list-units",
                "--type=service",
                f"--state={state}",
                "--no-legend",
                "--plain",
                "--no-pager",
            ]
            ran = await host.run(argv, avoid=context.workspace)
            failed = failed or not ran.ok
            services += [_unit(line, state) for line in ran.lines if ran.ok]
        note = Texts("systemctl did not answer.", "systemctl n'a pas répondu.").say(context.lang) if failed else ""
        return Services(manager="systemd", init=init, services=services, note=note)
    manager = "openrc" if host.at("/run/openrc").is_dir() else "sysv" if init == "init" else ""
    folder = host.at("/etc/init.d")
    names = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    note = Texts(
        "No service manager that can be asked without side effects is running; states are not known.",
        "Aucun gestionnaire de services interrogeable sans effet de bord ne tourne ; les états sont inconnus.",
    ).say(context.lang)
    return Services(
        manager=manager, init=init, services=[Service(name=n, state="unknown") for n in names[:500]], note=note
    )


def _unit(line: str, state: str) -> Service:
    words = line.lstrip("●* ").split(None, 4)
    return Service(name=words[0], state=state, description=words[4] if len(words) > 4 else "")


def service_findings(services: Services, lang: Lang) -> Iterator[Finding]:
    """One finding for each failed service."""
    for service in services.services:
        if service.state == "failed":
            yield finding(
                FAILED,
                tool="system.services",
                lang=lang,
                cause=f"service-failed:{service.name}",
                excerpt=f"{service.name} failed {service.description}",
                unit=service.name,
                description=service.description or "-",
            )


class SystemServices(SystemTool):
    """Services."""

    spec = ToolSpec(
        name="system.services",
        summary=Texts(
            "The services that run or have failed, as far as the service manager tells.",
            "Les services actifs ou en échec, dans la mesure où le gestionnaire de services le dit.",
        ),
        args=NoArgs,
        result=Services,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The services and the findings over them."""
        services = await read_services(self.host, context)
        running = sum(service.state == "running" for service in services.services)
        failed = [service.name for service in services.services if service.state == "failed"]
        words = Texts("{running} running, failed: {failed}", "{running} actifs, en échec : {failed}")
        text = services.note or words.say(context.lang, running=running, failed=listed(failed, context.lang))
        return Facts(services, tuple(service_findings(services, context.lang)), text)
