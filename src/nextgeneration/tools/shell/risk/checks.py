"""Rules of single programs that an option list cannot state. Each only ever adds grounds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.grammar import Call, Parsed
from nextgeneration.tools.shell.risk.listed import listed
from nextgeneration.tools.shell.risk.reasons import DESTRUCTIVE, PRIVILEGED, UNKNOWN, WRITE, Ground
from nextgeneration.tools.shell.risk.words import Arg, shown

# sed: addresses and the commands that only edit the stream. `w`, `W`, `e`, `r`, `R` and text commands are left out.
_SED_ADDRESS = r"(?:\d+(?:~\d+)?|\$|/(?:\\[^\n]|[^/\\\n])*/I?)"
_SED_SUBSTITUTE = r"s([/|#,@:!_+%])(?:\\[^\n]|(?!\1)[^\\\n])*\1(?:\\[^\n]|(?!\1)[^\\\n])*\1[gpiI0-9]*"
_SED_COMMAND = re.compile(
    rf"[\s;{{]*(?:{_SED_ADDRESS}(?:\s*,\s*[~+]?{_SED_ADDRESS})?)?\s*!?\s*(?:{_SED_SUBSTITUTE}|[pPdD=nNgGhHxlqQ]\d*|(?=\{{))[\s}}]*(?:;|\n|$|(?=\{{))"
)
# awk: what it could use to run, write, or read beyond its operands.
_AWK_HARMFUL = re.compile(
    r"system|getline|ARG[CV]|ENVIRON|PROCINFO|SYMTAB|@|(?<!\|)\|(?!\|)|>(?!=)|\\\n|close|/inet|FILENAME\s*=|extension|load|include"
)
_JQ_HARMFUL = re.compile(r"\benv\b|ENV|import|include|modulemeta|input_filename|get_search_list|\$__|\bhalt_error\b")
_TEST_UNARY_PATH = {"-" + letter for letter in "abcdefghkLOGNprsSuwx"}
_TEST_UNARY_TEXT = {"-n", "-z"}
_TEST_BINARY = {"=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "<", ">"}
_TEST_BINARY_PATH = {"-nt", "-ot", "-ef"}
_SETUID = re.compile(r"0*[2-7][0-7]{3}|[^,]*[+=][^,]*s[^,]*")


def sed(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """The script, and in-place editing."""
    scripts = parsed.values("-e", "--expression")
    operands = parsed.operands
    if not scripts and not parsed.has("-e", "--expression"):
        scripts, operands = operands[:1], operands[1:]
    for script in scripts:
        if not script.clear or script.glob or not _plain_sed(script.text):
            yield Ground(UNKNOWN, why.SCRIPT_UNCLEAR, call.name, script.shown)
    in_place = parsed.has("-i", "--in-place")
    for suffix in parsed.values("-i", "--in-place"):
        if "/" in suffix.text or "*" in suffix.text:
            yield Ground(UNKNOWN, why.WRITES_UNSEEN, suffix.shown)
    for operand in operands:
        yield from call.places.write(operand) if in_place else call.places.read(operand)


def _plain_sed(script: str) -> bool:
    at = 0
    while at < len(script):
        match = _SED_COMMAND.match(script, at)
        if not match or match.end() == at:
            return not script[at:].strip(" \t\n;}")
        at = match.end()
    return True


def awk(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """The program text, then files; an operand with ``=`` sets a variable."""
    for script in parsed.operands[:1]:
        harmful = _AWK_HARMFUL.search(script.text)
        if not script.clear or script.glob or harmful:
            yield Ground(UNKNOWN, why.SCRIPT_UNCLEAR, call.name, shown(harmful[0]) if harmful else script.shown)
    for operand in parsed.operands[1:]:
        if "=" in operand.text:
            yield Ground(UNKNOWN, why.ASSIGNMENT, operand.shown)
        yield from call.places.read(operand)
    for value in parsed.values("-v", "--assign"):
        if "\\" in value.text or not re.match(r"[a-z_]\w*=", value.text):
            yield Ground(UNKNOWN, why.ASSIGNMENT, value.shown)


def jq(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """The filter, then files."""
    for script in parsed.operands[:1]:
        harmful = _JQ_HARMFUL.search(script.text)
        # `.items[0]` stands for itself or for one file name; a `*` for any.
        wild = script.glob and any(c in script.text for c in "*?")
        if not script.clear or wild or harmful:
            yield Ground(UNKNOWN, why.SCRIPT_UNCLEAR, call.name, shown(harmful[0]) if harmful else script.shown)
    for operand in parsed.operands[1:]:
        yield from call.places.read(operand)


def test(call: Call, _: Parsed) -> Iterator[Ground]:
    """Expressions of ``test`` and ``[``. ``-v`` and ``-R`` evaluate subscripts and are left out."""
    words = list(call.args)
    for word in words:
        if word.glob:
            # A file may be named `-v`, the next one like a subscript that runs a command.
            yield Ground(UNKNOWN, why.UNCLEAR, word.shown)
    if call.name == "[":
        if not words or words[-1].text != "]":
            yield Ground(UNKNOWN, why.SCRIPT_UNCLEAR, call.name, "]")
            return
        words.pop()
    while words:
        first = words.pop(0)
        if first.clear and not first.expanded and first.text in ("!", "(", ")", "-a", "-o") and words:
            continue
        operator = words[0] if words else None
        if operator is not None and operator.text in _TEST_BINARY | _TEST_BINARY_PATH and len(words) > 1:
            second = words[1]
            del words[:2]
            yield from _test_operands(call, [first, second], operator.text in _TEST_BINARY_PATH)
            if operator.expanded or operator.glob:
                yield Ground(UNKNOWN, why.OPTION_EXPANDED, operator.shown)
        elif first.text in _TEST_UNARY_PATH | _TEST_UNARY_TEXT and words and not first.expanded:
            yield from _test_operands(call, [words.pop(0)], first.text in _TEST_UNARY_PATH)
        elif first.text.startswith("-") or not first.clear:
            yield Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, first.shown)
        else:
            yield from _test_operands(call, [first], False)


def _test_operands(call: Call, operands: list[Arg], paths: bool) -> Iterator[Ground]:
    for operand in operands:
        if paths or operand.tilde:
            yield from call.places.read(operand, names_only=True)
        elif operand.loose:
            yield Ground(UNKNOWN, why.UNCLEAR, operand.shown)


def date(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """An operand that is no format sets the clock."""
    for operand in parsed.operands:
        if not operand.text.startswith("+"):
            yield Ground(PRIVILEGED, why.ADMINISTERS, call.name)


def no_operand(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Programs that set what they would otherwise show when given a value."""
    for operand in parsed.operands:
        yield Ground(UNKNOWN, why.TOO_MANY_OPERANDS, call.name, operand.shown)


def set_options(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Only the options that end a line early or trace it."""
    for value in parsed.values("-o"):
        if value.text not in ("errexit", "nounset", "pipefail", "xtrace"):
            yield Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, value.shown)
    yield from no_operand(call, parsed)


def cd(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Only deeper into the workspace: then later paths that stay in it still do."""
    if not parsed.operands:
        yield Ground(UNKNOWN, why.READS_OUTSIDE, "~")
    for operand in parsed.operands:
        if operand.text == "-" or operand.glob:
            yield Ground(UNKNOWN, why.UNCLEAR, operand.shown)
        else:
            yield from call.places.read(operand, names_only=True)


def diff(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Of two folders it compares the files in them, through their links."""
    if not parsed.has("--no-dereference"):
        for operand in parsed.operands:
            yield from call.places.walk(operand)


def printf(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """``%n`` writes a variable in some shells; a format that begins with a dash is an option."""
    for operand in parsed.operands[:1]:
        if not operand.clear or operand.head:
            yield Ground(UNKNOWN, why.UNCLEAR, operand.shown)
        elif "%n" in operand.text:
            yield Ground(UNKNOWN, why.SCRIPT_UNCLEAR, call.name, operand.shown)


def chmod(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Set-user-id and set-group-id bits."""
    for operand in parsed.operands[:1]:
        if any(_SETUID.fullmatch(mode) for mode in operand.text.split(",")):
            yield Ground(PRIVILEGED, why.SETUID, call.name)


def link(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """A link out of the workspace, or to a control file, would make it look like an ordinary file inside."""
    sources = parsed.operands[:-1] or parsed.operands
    for source in sources:
        yield from (ground for ground in call.places.write(source) if ground.label is not WRITE)


def tar(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Listing reads; creating writes the archive; extracting writes what the archive names."""
    remote = [value for value in parsed.values("-f", "--file") if ":" in value.text]
    for value in remote:
        yield Ground(UNKNOWN, why.REMOTE, value.shown)
    archives = [value for value in parsed.values("-f", "--file") if value.text != "-"]
    if parsed.has("-x", "--extract", "--get"):
        yield Ground(UNKNOWN, why.ARCHIVE, call.name)
    elif parsed.has("-c", "-r", "-u", "--create", "--append", "--update"):
        for archive in archives:
            yield from call.places.write(archive)
    elif parsed.has("-t", "--list"):
        for archive in archives:
            yield from call.places.read(archive)
    else:
        yield Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, "")
    for folder in parsed.values("-C", "--directory"):
        yield from call.places.write(folder)
        call.places.enter(folder)
    for operand in parsed.operands:
        yield from call.places.read(operand)
        if parsed.has("-h"):
            yield from call.places.walk(operand)


def compress(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Without ``-c``, ``-l`` or ``-t`` the file is replaced."""
    reading = parsed.has("-c", "-l", "-t", "--stdout", "--list", "--test") or not parsed.operands
    for operand in parsed.operands:
        yield from call.places.read(operand) if reading else call.places.write(operand)


def unzip(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Listing and testing read; else files are written that the line does not name."""
    if not parsed.has("-l", "-t", "-p", "-v", "-Z"):
        yield Ground(UNKNOWN, why.ARCHIVE, call.name)
    for folder in parsed.values("-d"):
        yield from call.places.write(folder)
    for operand in parsed.operands[:1]:
        yield from call.places.read(operand)


_FIND_PLAIN = listed(
    "-print -print0 -ls -not ! ( ) -a -and -o -or , -empty -prune -quit -depth -mount -xdev -true "
    "-false -readable -writable -executable -nouser -nogroup -daystart -noleaf -ignore_readdir_race"
)
_FIND_TEXT = listed(
    "-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -type -xtype "
    "-maxdepth -mindepth -size -mtime -atime -ctime -mmin -amin -cmin -perm -user -group -uid -gid "
    "-links -inum -printf -lname -ilname"
)
_FIND_PATH = {"-newer", "-anewer", "-cnewer", "-samefile"}
_FIND_EXECUTE = {"-exec", "-execdir", "-ok", "-okdir"}
_FIND_OUTPUT = {"-fprint", "-fprint0", "-fls", "-fprintf"}


def find(call: Call, _: Parsed) -> Iterator[Ground]:
    """Starting points, then an expression read token by token."""
    words = list(call.args)
    while words and words[0].text in ("-H", "-P") and not words[0].expanded:
        words.pop(0)
    while words and not (words[0].clear and words[0].text[:1] in ("-", "(", "!", ",")):
        start = words.pop(0)
        if start.head:
            yield Ground(UNKNOWN, why.GLOB_OPTION, start.shown)
        yield from call.places.read(start, names_only=True)
    while words:
        word = words.pop(0)
        if word.expanded or word.glob or not word.clear:
            yield Ground(UNKNOWN, why.OPTION_EXPANDED, word.shown)
        if word.text in _FIND_EXECUTE:
            yield from _find_execute(call, word, words)
        elif word.text not in _FIND_PLAIN:
            yield from _find_predicate(call, word, words)


def _find_execute(call: Call, word: Arg, words: list[Arg]) -> Iterator[Ground]:
    """The command after ``-exec``, up to ``;`` or ``+``."""
    size = next((n for n, w in enumerate(words) if w.text in (";", "+")), len(words))
    yield Ground(UNKNOWN, why.RUNS_OTHERS, f"find {word.text}")
    call.judge.command([Arg("{}", clear=False, raw="{}") if "{}" in w.text else w for w in words[:size]])
    del words[: size + 1]


def _find_predicate(call: Call, word: Arg, words: list[Arg]) -> Iterator[Ground]:
    """A test or action that takes a value, or deletes."""
    if word.text == "-delete":
        yield Ground(DESTRUCTIVE, why.DELETES, "find -delete")
    elif word.text in _FIND_OUTPUT and words:
        yield from call.places.write(words.pop(0))
        del words[: word.text == "-fprintf"]
    elif word.text in _FIND_TEXT and words:
        value = words.pop(0)
        if value.glob or not value.clear:
            yield Ground(UNKNOWN, why.UNCLEAR, value.shown)
    elif word.text in _FIND_PATH and words:
        yield from call.places.read(words.pop(0), names_only=True)
    else:
        yield Ground(UNKNOWN, why.OPTION_UNKNOWN, call.name, word.shown)


def curl(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Uploads, and schemes that are no network at all."""
    if parsed.has("-T", "--upload-file", "-F", "--form") or any(
        value.text.startswith("@") or not value.clear
        for value in parsed.values("-d", "--data", "--data-binary", "--json")
    ):
        yield Ground(UNKNOWN, why.SENDS, call.name)
    if parsed.has("-O", "--remote-name", "-J", "--remote-header-name"):
        yield Ground(WRITE, why.CHANGES, call.name)
    yield from _curl_files(call, parsed)
    for operand in [*parsed.operands, *parsed.values("--url")]:
        if not re.match(r"(?:https?://)?[\w.-]+(?::\d+)?(?:[/?#]|$)", operand.text) or re.match(
            r"file:", operand.text, re.IGNORECASE
        ):
            yield Ground(UNKNOWN, why.UNCLEAR, operand.shown)


def _curl_files(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Options whose value may be a file that is sent or shown."""
    for value in parsed.values("-H", "--header"):
        if value.text.startswith("@"):
            yield Ground(UNKNOWN, why.SENDS, call.name)
    for value in parsed.values("--data-urlencode"):
        # `name@file` sends a file, `name=text` and `=text` do not.
        if "@" in value.text.partition("=")[0] or not value.clear:
            yield Ground(UNKNOWN, why.SENDS, call.name)
    for value in parsed.values("-b", "--cookie"):
        if "=" not in value.text:
            yield Ground(UNKNOWN, why.SENDS, call.name)
    for value in parsed.values("-w", "--write-out"):
        if value.text.startswith("@"):
            yield Ground(UNKNOWN, why.ARGUMENTS_IN_FILE, call.name, value.shown)
