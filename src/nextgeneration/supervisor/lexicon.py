"""Words for matching a goal to templates, in French and English.

Not a language model: stop words, a light stemmer for both languages, and pairs of words that mean the
same in the two. Everything else a template says itself, in its keywords and examples.
"""

from __future__ import annotations

import functools
import re
import unicodedata

_WORD = re.compile(r"[a-z0-9]+(?:[-_.+#][a-z0-9]+)*\+*#?")

_ENGLISH = """
a an the and or of to in on at for with by from is are was be been it its this that these those my our your
their me we you i he she they please can could would should will shall do does did have has had as not no so
if then than into about what which who how when where why all any some there here up out over just also too
very now get let us make
"""

_FRENCH = """
le la les un une des du de d l et ou a au aux en dans sur pour par avec sans est sont etait etre ce cet cette
ces mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs je tu il elle on nous vous ils elles ne
pas que qui quoi dont quel quelle quels quelles comment quand pourquoi tout tous toute toutes y se s m t c qu
n j plus moins tres faire fais fait faites peux peut pouvez veux svp stp merci moi aussi puis comme si
"""

STOP = frozenset(_ENGLISH.split() + _FRENCH.split())
"""Words that say nothing about what is wanted."""

# Each line: words of one meaning, the first is the name of the concept.
_CONCEPTS = """
check verify verification inspect inspection examine review verifier verifie verifiez controle controler examiner
check inspecter revue revoir wrong problem problems probleme problemes issue issues
audit auditer audite
project projet repository repo depot
code source programme program
document documentation doc docs documenter
summary summarize summarise resume resumer synthese recap
keyword keywords mot-cle mots-cles
test tests tester testing essai essais
security securite secure vulnerability vulnerabilite faille failles
secret secrets password passwords mot-de-passe token tokens credential credentials
hardware materiel machine computer ordinateur
memory memoire ram
disk disque disques storage stockage
processor cpu processeur
gpu graphique
network reseau internet
port ports
container containers conteneur conteneurs docker
compose docker-compose
file files fichier fichiers
folder directory dossier repertoire
report rapport rapports reports
find search look chercher cherche recherche rechercher trouver trouve
fix repair correct mend corriger corrige reparer repare correction
command commande commandes commands
recognised recognized reconnu reconnue reconnait
missing introuvable manquant manquante absent
error erreur erreurs errors
install installer installation
dependency dependencies dependance dependances
quality qualite
analyse analyze analysis analyser analyst analyste
complexity complexite
bug bugs defect defaut defauts
link links lien liens
broken casse casses cassee cassees
write ecrire rediger redige redaction
explain expliquer explique
performance performances speed vitesse slow lent
clean nettoyer nettoie
deployment deploy deploiement deployer
web site online ligne
library librairie bibliotheque framework
update upgrade mettre-a-jour
health sante etat status
"""

_SUFFIXES = (
    "issements", "issement", "ations", "ation", "ements", "ement", "ments", "ment", "ities", "ness", "ings", "ing",
    "ies", "ees", "ers", "ed", "er", "ez", "es", "ee", "ly", "e", "s",
)  # fmt: skip


def plain(text: str) -> str:
    """``text`` in lower case without accents and with straight apostrophes."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "'"))
    return "".join(c for c in folded if not unicodedata.combining(c))


@functools.lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The part of a word that its forms share; words that are no plain words stay whole."""
    if len(word) < 5 or not word.isalpha():
        return word[:-1] if len(word) == 4 and word.endswith("s") else word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def _concepts() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _CONCEPTS.strip().splitlines():
        words = line.split()
        name = stem(words[0])
        for word in words:
            table.setdefault(word, name)
            table.setdefault(stem(word), name)
    return table


_CONCEPT = _concepts()


def words(text: str) -> list[str]:
    """The meaningful words of ``text`` as stems or concepts, in order, stop words left out."""
    found: list[str] = []
    for word in _WORD.findall(plain(text)):
        parts = [word]
        if word not in _CONCEPT and re.search(r"[-_.]", word):
            parts += [part for part in re.split(r"[-_.]", word) if part]
        for part in parts:
            if part in STOP or (len(part) == 1 and not part.isdigit()):
                continue
            found.append(_CONCEPT.get(part) or _CONCEPT.get(stem(part)) or stem(part))
    return found


_THEN = re.compile(
    r"\b(?:and then|then|after that|afterwards|et puis|puis|ensuite|et ensuite|apres cela)\b",
    re.IGNORECASE,
)


def clauses(goal: str) -> list[str]:
    """The steps a goal names one after the other: ``check this, then run the tests`` has two."""
    parts = [
        part.strip(" \t\r\n,;.")
        for part in _THEN.split(unicodedata.normalize("NFC", goal).replace("après cela", "apres cela"))
    ]
    return [part for part in parts if part] or [goal]
