"""What can go wrong when agents are made and run."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class HookUnknown(NGError):
    """A template or class names a hook that no installed package provides."""

    code = "NG-AGENT-001"
    what = Texts(
        "{agent} names the hook {hook!r}, which is not installed",
        "{agent} nomme le hook {hook!r}, qui n'est pas installé",
    )
    mend = Texts(
        "Install the package that provides it, or remove it from the template. Hooks are entry points of the group "
        "`nextgeneration.hooks`; installed: {known}.",
        "Installez le paquet qui le fournit, ou retirez-le du modèle. Les hooks sont des points d'entrée du groupe "
        "`nextgeneration.hooks` ; installés : {known}.",
    )


class HookFailed(NGError):
    """A ``before_process`` hook failed or refused: the agent did not work."""

    code = "NG-AGENT-002"
    what = Texts(
        "{agent} did not start: its {moment} hook {hook!r} failed: {detail}",
        "{agent} n'a pas démarré : son hook {moment} {hook!r} a échoué : {detail}",
    )
    mend = Texts(
        "Read the hook's message; an agent never works past a hook that failed.",
        "Lisez le message du hook ; un agent ne travaille jamais après un hook en échec.",
    )


class AgentLimitReached(NGError):
    """There are as many agents, alive or recorded, as ``max_agents`` allows."""

    code = "NG-AGENT-003"
    what = Texts(
        "{active} agents are alive or recorded and the limit is {limit}",
        "{active} agents existent ou sont enregistrés et la limite est {limit}",
    )
    mend = Texts(
        "Let go of agents that are no longer used, remove recorded ones (nextgen agents remove NAME), or raise "
        "NG_MAX_AGENTS.",
        "Libérez les agents inutilisés, supprimez des agents enregistrés (nextgen agents remove NOM), ou augmentez "
        "NG_MAX_AGENTS.",
    )
    retryable = True


class AgentNamesEqual(NGError, ValueError):
    """Two agents of one bulk request would have the same name."""

    code = "NG-AGENT-004"
    what = Texts(
        "Two agents would be named {name!r}; none was created",
        "Deux agents s'appelleraient {name!r} ; aucun n'a été créé",
    )
    mend = Texts("Give each of them its own `suffix`.", "Donnez à chacun son propre `suffix`.")


class AgentSpecRefused(NGError, ValueError):
    """What an agent was asked to be made from is not usable."""

    code = "NG-AGENT-005"
    what = Texts("This agent cannot be made: {detail}", "Cet agent ne peut pas être créé : {detail}")
    mend = Texts(
        "A spec is {{template_name, suffix, config}}: `config` is an object, `suffix` at most 64 letters, digits, "
        "`_`, `-` or `.`.",
        "Une spécification est {{template_name, suffix, config}} : `config` est un objet, `suffix` au plus 64 lettres, "
        "chiffres, `_`, `-` ou `.`.",
    )


class AnswerRefused(NGError, TypeError):
    """An agent's ``process`` handed back something that is not an answer."""

    code = "NG-AGENT-006"
    what = Texts("{agent} answered with {kind} instead of an object", "{agent} a répondu {kind} au lieu d'un objet")
    mend = Texts("Return a dict or a Report from `process`.", "Renvoyez un dict ou un Report depuis `process`.")


class InputNotObject(NGError, TypeError):
    """An agent was given something that is not an object to work on."""

    code = "NG-AGENT-007"
    what = Texts("{agent} takes an object, not {kind}", "{agent} attend un objet, pas {kind}")
    mend = Texts('Pass a dict, such as {{"goal": "…"}}.', 'Passez un dict, par exemple {{"goal": "…"}}.')


class HostMissing(NGError, RuntimeError):
    """There is nothing that could run an agent outside a mission."""

    code = "NG-AGENT-008"
    what = Texts("No host runs agents here: {detail}", "Aucun hôte n'exécute d'agents ici : {detail}")
    mend = Texts(
        "Install the package (`pip install nextgeneration`) or call `nextgeneration.agents.hosting.use_host`.",
        "Installez le paquet (`pip install nextgeneration`) ou appelez `nextgeneration.agents.hosting.use_host`.",
    )


class RuntimeMissing(NGError):
    """A template asks for a runtime that cannot run here."""

    code = "NG-AGENT-009"
    what = Texts(
        "{agent} needs the runtime {runtime!r}, which cannot run here",
        "{agent} demande le runtime {runtime!r}, indisponible ici",
    )
    mend = Texts(
        "Use `auto` or `playbook` in the template; these run everywhere: {known}.",
        "Utilisez `auto` ou `playbook` dans le modèle ; disponibles partout : {known}.",
    )
