"""Words for matching a goal to templates, in French and English.

Not a language model: stop words, a light stemmer for both languages, and pairs of words that mean the
same in the two. Everything else a template says itself, in its keywords and examples.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from nextgeneration.kernel.language import Lang

_WORD = re.compile(r"[a-z0-9]+(?:[-_.+#][a-z0-9]+)*\+*#?")
_JOINT = re.compile(r"[-_.]")

_ENGLISH = """
a an the and or of to in on at for with by from is are was be been it its this that these those my our your
their me we you i he she they please can could would should will shall do does did have has had as so
if then than into about what which who how when where why all any some there here up out over just also too
very now get let us make
"""

_FRENCH = """
le la les un une des du de d l et ou a au aux en dans sur pour par avec sans est sont etait etre ce cet cette
ces mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs je tu il elle on nous vous ils elles ne
que qui quoi dont quel quelle quels quelles comment quand pourquoi tout tous toute toutes y se s m t c qu
n j plus moins tres faire fais fait faites peux peut pouvez veux svp stp merci moi aussi puis comme si
"""

_ENGLISH_WORDS, _FRENCH_WORDS = frozenset(_ENGLISH.split()), frozenset(_FRENCH.split())
STOP = _ENGLISH_WORDS | _FRENCH_WORDS
"""Words that say nothing about what is wanted."""

# Each line: words of one meaning, the first is the name of the concept.
_CONCEPTS = """
check verify verification inspect inspection examine review verifier verifie verifiez controle controler examiner
check inspecter revue revoir wrong problem problems probleme problemes issue issues verifies verifions controlez
not no pas isn aren doesn don didn won cannot cant never jamais aucun aucune
audit auditer audite
project projet repository repo depot
code source sources programme program
document documentation doc docs documenter
summary summarize summarise resume resumer resumez resumes synthese recap
keyword keywords mot-cle mots-cles
test tests tester testing essai essais
security securite secure insecure vulnerability vulnerabilities vulnerable vulnerabilite vulnerabilites faille failles
secret secrets password passwords mot-de-passe token tokens credential credentials
hardware materiel machine computer ordinateur
memory memoire ram
disk disque disques storage stockage
processor cpu processeur
gpu graphique
network reseau
port ports
container containers conteneur conteneurs docker
compose docker-compose
file files fichier fichiers
folder directory dossier repertoire
report rapport rapports reports
find found search look chercher cherche cherchez recherche rechercher trouver trouve trouvez
fix repair mend corriger corrige corrigez corrections reparer repare reparez correction
add ajouter ajoute ajoutez
remove delete supprimer supprime supprimez enlever enleve
generate generer genere generez
command commande commandes commands
recognised recognized reconnu reconnue reconnait
missing introuvable manquant manquante absent manque
error erreur erreurs errors
install installed installer installe installee installez installation
list lister liste listez
dependency dependencies dependance dependances
quality qualite
analyse analyze analysis analyser analyst analyste
complexity complexite complex complexe complexes
bug bugs defect defaut defauts
link links lien liens
broken casse casses cassee cassees
write ecrire ecris ecrit ecrivez rediger redige redigez redaction
explain expliquer explique
performance performances speed vitesse slow lent lente
clean nettoyer nettoie
deployment deploy deploiement deployer
web site online internet
work works working marche marchent fonctionne fonctionnent
library librairie bibliotheque framework
update upgrade mettre-a-jour
health sante etat status
"""

_SUFFIXES = (
    "issements", "issement", "ations", "ation", "ements", "ement", "ments", "ment", "ities", "ness", "ings", "ing",
    "ies", "ees", "ers", "ed", "er", "ez", "es", "ee", "ly", "e", "s",
)  # fmt: skip


_LIGATURES = str.maketrans({"\u2019": "'", "œ": "oe", "æ": "ae"})


@functools.lru_cache(maxsize=1024)
def language_of(text: str) -> Lang:
    """French when more of the small words of a sentence are French than English, or it has French letters."""
    said = set(_WORD.findall(plain(text)))
    french, english = len(said & _FRENCH_WORDS), len(said & _ENGLISH_WORDS)
    return "fr" if french > english or (french == english and not text.isascii()) else "en"


def plain(text: str) -> str:
    """``text`` in lower case without accents and ligatures and with straight apostrophes."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LIGATURES))
    return "".join(c for c in folded if not unicodedata.combining(c))


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


CONCEPTS = _concepts()
"""Words and stems that have a concept, with its name."""


_PHRASES = (
    (re.compile(r"\b(?:have|take|get) a (?:quick |close )?look\b|\blook (?:at|over|into)\b"), " check "),
    (re.compile(r"\b(?:jet\w*|donn\w*) un (?:coup d'\s?)?oeil\b"), " check "),
    (re.compile(r"\bmots? de passe\b"), " password "),
    (re.compile(r"\bmises? a jour\b|\bup to date\b|\ba jour\b"), " update "),
)
"""Turns of phrase that mean one word."""


def words(text: str) -> list[str]:
    """The meaningful words of ``text`` as stems or concepts, in order, stop words left out."""
    found: list[str] = []
    said = plain(text)
    for phrase, word in _PHRASES:
        said = phrase.sub(word, said)
    for word in _WORD.findall(said):
        found += _meanings(word)
    return found


@functools.lru_cache(maxsize=8192)
def _meanings(word: str) -> tuple[str, ...]:
    """What one word stands for: its stem or concept, and those of its parts when it is a compound nobody knows."""
    parts = [word]
    if word not in CONCEPTS:
        pieces = _JOINT.split(word)
        parts += [piece for piece in pieces if piece] if len(pieces) > 1 else []
    said = [part for part in parts if part not in STOP and (len(part) > 1 or part.isdigit())]
    return tuple([CONCEPTS.get(part) or CONCEPTS.get(stem(part)) or stem(part) for part in said])


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


_NOT_THIS = re.compile(
    r"(?:^|(?<=[,;.!?\n])|(?<=\band )|(?<=\bbut )|(?<=\bet )|(?<=\bmais )|(?<=\bplease ))\s{0,4}"
    r"(?:(?:do not|don['’]?t|never)\b|(?:i|we) (?:do not|don['’]?t) (?:want|need)\b|n(?:e |['’])\w+ (?:pas|jamais)\b)"
    r"|\b(?:without|except(?: for)?|but not|and not|not the|sans|sauf|hormis|except[eé])\b"
    r"|\b(?:mais pas|et pas|pas besoin d[eu]?)\b",
    re.IGNORECASE,
)
_BUT_THAT = re.compile(r"[,;.!?\n]|\b(?:just|only|but|instead|seulement|juste|mais|plutot)\b", re.IGNORECASE)


def told_apart(goal: str) -> tuple[str, str]:
    """What a goal asks for, and what it asks to leave alone: ``don't run the tests, just check the code``.

    "docker-compose is not recognised" leaves nothing alone: only orders and exceptions count.
    """
    wanted, unwanted = [], []
    at = 0
    while (start := _NOT_THIS.search(goal, at)) is not None:
        end = _BUT_THAT.search(goal, start.end())
        stop = end.start() if end else len(goal)
        wanted.append(goal[at : start.start()])
        unwanted.append(goal[start.end() : stop])
        at = stop
    wanted.append(goal[at:])
    return " ".join(" ".join(wanted).split()), " ".join(" ".join(unwanted).split())


_BOTH = re.compile(r"[,;]|\b(?:and|et|also|aussi|as well as|ainsi que)\b", re.IGNORECASE)


def parts(clause: str) -> list[str]:
    """What a step names side by side: ``check the links and run the tests`` has two."""
    return [part for part in map(str.strip, _BOTH.split(clause)) if part]
