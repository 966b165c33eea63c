"""Why a command has its label, in words."""

from __future__ import annotations

from typing import NamedTuple

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import RiskLabel

SAFE, WRITE, NETWORK = RiskLabel.SAFE, RiskLabel.WRITE, RiskLabel.NETWORK
UNKNOWN, DESTRUCTIVE, PRIVILEGED = RiskLabel.UNKNOWN, RiskLabel.DESTRUCTIVE, RiskLabel.PRIVILEGED


class Ground(NamedTuple):
    """One reason for a label: a text of ours and what stands in its ``{x}`` and ``{y}``."""

    label: RiskLabel
    texts: Texts
    x: str = ""
    y: str | Texts = ""

    def say(self, lang: Lang) -> str:
        """The reason in ``lang``."""
        return self.texts.say(lang, x=self.x, y=self.y.say(lang) if isinstance(self.y, Texts) else self.y)


ONLY_READS = Texts(
    "only reads, and only inside the workspace", "ne fait que lire, et seulement dans l'espace de travail"
)
GIT_CONFIGURATION = Texts(
    "only reads; git runs the text filters this repository's own configuration names",
    "ne fait que lire ; git exécute les filtres de texte que nomme la configuration de ce dépôt",
)

# What programs do.
CHANGES = Texts("`{x}` changes files of the workspace", "`{x}` modifie des fichiers de l'espace de travail")
DELETES = Texts("`{x}` deletes or overwrites what cannot be had back", "`{x}` supprime ou écrase sans retour")
ENDS_PROCESSES = Texts("`{x}` ends processes", "`{x}` arrête des processus")
NEEDS_NETWORK = Texts("`{x}` uses the network", "`{x}` utilise le réseau")
SENDS = Texts(
    "`{x}` sends files or data out over the network", "`{x}` envoie des fichiers ou des données sur le réseau"
)
REMOTE = Texts("`{x}` acts on other machines", "`{x}` agit sur d'autres machines")
BECOMES_ROOT = Texts("`{x}` runs commands with more rights", "`{x}` exécute des commandes avec plus de droits")
INSTALLS = Texts(
    "`{x}` installs or removes packages, whose scripts run",
    "`{x}` installe ou retire des paquets, dont les scripts s'exécutent",
)
ADMINISTERS = Texts("`{x}` changes this machine's own set-up", "`{x}` modifie la configuration de cette machine")
SCHEDULES = Texts("`{x}` makes commands run later, unseen", "`{x}` fait exécuter des commandes plus tard, sans témoin")
CONTAINERS = Texts(
    "`{x}` talks to the container service, which has all rights on this machine",
    "`{x}` parle au service de conteneurs, qui a tous les droits sur cette machine",
)
SETUID = Texts("`{x}` gives a program its owner's rights", "`{x}` donne à un programme les droits de son propriétaire")
RUNS_CODE = Texts("`{x}` runs code that this line does not show", "`{x}` exécute du code que cette ligne ne montre pas")
RUNS_INLINE = Texts("`{x}` runs code given in the line", "`{x}` exécute du code donné dans la ligne")
RUNS_FILE = Texts(
    "`{x}` is a program file outside the usual folders", "`{x}` est un programme hors des dossiers habituels"
)
RUNS_OTHERS = Texts("`{x}` runs another command", "`{x}` exécute une autre commande")
INTERACTIVE = Texts("`{x}` is interactive and can start a shell", "`{x}` est interactif et peut ouvrir un shell")
MACHINE_FACTS = Texts(
    "`{x}` reads facts of the machine, outside the workspace",
    "`{x}` lit des données de la machine, hors de l'espace de travail",
)
SHELL_STATE = Texts("`{x}` changes what the following commands mean", "`{x}` change le sens des commandes qui suivent")
LEFT_RUNNING = Texts("something is left running in the background", "quelque chose reste en arrière-plan")
NOT_KNOWN = Texts("`{x}` is not a command we know", "`{x}` n'est pas une commande connue")
OPTION_UNKNOWN = Texts("`{x}`: the option `{y}` is not one we know", "`{x}` : l'option `{y}` n'est pas connue")
SUBCOMMAND_UNKNOWN = Texts("`{x} {y}` is not a command we know", "`{x} {y}` n'est pas une commande connue")
SCRIPT_UNCLEAR = Texts(
    "`{x}`: this script may do more than print: {y}", "`{x}` : ce script peut faire plus qu'afficher : {y}"
)
TOO_MANY_OPERANDS = Texts("`{x}` would write to `{y}`", "`{x}` écrirait dans `{y}`")
ARCHIVE = Texts(
    "`{x}` writes files whose names this line does not show", "`{x}` écrit des fichiers que cette ligne ne nomme pas"
)
PATCHES_UNSEEN = ARCHIVE

# Paths.
READS_OUTSIDE = Texts("`{x}` is outside the workspace", "`{x}` est hors de l'espace de travail")
READS_SYSTEM = Texts(
    "`{x}` is a file of the system, not of the workspace", "`{x}` est un fichier du système, pas de l'espace de travail"
)
READS_SECRET = Texts("`{x}` may hold secrets", "`{x}` peut contenir des secrets")
LEADS_OUTSIDE = Texts(
    "`{x}` leads by a link outside the workspace, to `{y}`",
    "`{x}` mène par un lien hors de l'espace de travail, à `{y}`",
)
WRITES_THROUGH = Texts(
    "writes `{x}`, which a link leads outside the workspace, to `{y}`",
    "écrit `{x}`, qu'un lien mène hors de l'espace de travail, à `{y}`",
)
LINKS_UNSEEN = Texts(
    "`{x}`: too many files here to look at every link", "`{x}` : trop de fichiers ici pour regarder chaque lien"
)
ARGUMENTS_IN_FILE = Texts(
    "`{x}` takes further arguments from the file `{y}`", "`{x}` prend d'autres arguments dans le fichier `{y}`"
)
WRITES_INSIDE = Texts("writes `{x}`", "écrit `{x}`")
WRITES_OUTSIDE = Texts("writes `{x}`, outside the workspace", "écrit `{x}`, hors de l'espace de travail")
OVERWRITES_OUTSIDE = Texts("overwrites `{x}`, outside the workspace", "écrase `{x}`, hors de l'espace de travail")
WRITES_CONTROL = Texts("writes the control file `{x}`: {y}", "écrit le fichier de contrôle `{x}` : {y}")
WRITES_UNSEEN = Texts(
    "writes to a place this line does not show: `{x}`", "écrit à un endroit que cette ligne ne montre pas : `{x}`"
)
WRITES_DEVICE = Texts("writes to the device `{x}`", "écrit sur le périphérique `{x}`")
OPENS_CONNECTION = Texts("opens a network connection through `{x}`", "ouvre une connexion réseau par `{x}`")

# Shell.
NAME_EXPANDED = Texts("what `{x}` runs is decided by an expansion", "ce que `{x}` exécute est décidé par une expansion")
OPTION_EXPANDED = Texts("an expansion decides the option `{x}`", "une expansion décide de l'option `{x}`")
UNCLEAR = Texts("the value of `{x}` is only known when it runs", "la valeur de `{x}` n'est connue qu'à l'exécution")
GLOB_OPTION = Texts(
    "`{x}` may match a file named like an option; write `./{x}`",
    "`{x}` peut correspondre à un fichier nommé comme une option ; écrivez `./{x}`",
)
ASSIGNMENT = Texts("setting `{x}` can change what programs do", "définir `{x}` peut changer ce que font les programmes")
ASSIGNMENT_DECIDES = Texts(
    "setting `{x}` decides which code programs load or run", "définir `{x}` décide du code que les programmes chargent"
)
CONSTRUCT = Texts("`{x}` is shell we do not judge further", "`{x}` est du shell que nous ne jugeons pas plus avant")
NOT_VALID = Texts("part of this line is not valid shell", "une partie de cette ligne n'est pas du shell valide")
READ_TWICE = Texts("this line can be read in two ways", "cette ligne peut se lire de deux façons")
CALLS_ITSELF = Texts("the function `{x}` calls itself without end", "la fonction `{x}` s'appelle elle-même sans fin")
FED_SHELL = Texts("`{x}` runs what other commands hand it", "`{x}` exécute ce que d'autres commandes lui passent")
FED_HIDDEN = Texts("`{x}` runs what `{y}` hands it, unseen", "`{x}` exécute ce que `{y}` lui passe, sans qu'on le voie")
CONTROL_CHARACTER = Texts("the line holds a hidden character: {x}", "la ligne contient un caractère caché : {x}")
FOREIGN_NAME = Texts("letters that only look like ASCII: {x}", "des lettres qui ressemblent à de l'ASCII : {x}")
