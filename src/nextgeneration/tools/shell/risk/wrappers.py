"""Commands that run other commands: what they run is judged too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.grammar import Call, Parsed, Program, parse
from nextgeneration.tools.shell.risk.listed import listed
from nextgeneration.tools.shell.risk.others import DECODERS, INTERPRETERS, OTHERS, SHELLS, TRANSFERS
from nextgeneration.tools.shell.risk.reasons import DESTRUCTIVE, NETWORK, PRIVILEGED, UNKNOWN, Ground
from nextgeneration.tools.shell.risk.words import Arg
from nextgeneration.tools.shell.risk.writers import WRITERS

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_HARMLESS_VALUE = re.compile(r"[A-Za-z0-9_.@:+-]*")
_HARMLESS_NAMES = listed(
    "LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES LC_COLLATE LC_NUMERIC LC_TIME NO_COLOR FORCE_COLOR "
    "CLICOLOR CLICOLOR_FORCE COLUMNS LINES PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONIOENCODING "
    "PYTHONUTF8 PYTHONHASHSEED CI GIT_OPTIONAL_LOCKS GIT_TERMINAL_PROMPT BLOCKSIZE BLOCK_SIZE "
    "TIME_STYLE POSIXLY_CORRECT"
)
_TIME_ZONE = re.compile(r"[A-Z][A-Za-z_]*(?:/[A-Z][A-Za-z_+-]*)?[0-9+-]*")
_DECIDES = re.compile(
    r"LD_.*|DYLD_.*|PATH|IFS|ENV|BASH.*|SHELLOPTS|PROMPT_COMMAND|PS[0-4]|GIT_.*|SSH_.*|PYTHON.*|PERL.*|RUBY.*|NODE_.*|NPM_.*|JAVA_.*|_JAVA_.*|"
    r"JDK_.*|LUA_.*|.*PAGER|.*EDITOR|VISUAL|BROWSER|LESS.*|MANOPT|.*_PROXY|.*_proxy|GCONV_PATH|LOCPATH|NLSPATH|TERMINFO.*|HOME|"
    r"XDG_.*|TAR_OPTIONS|GREP_OPTIONS|RIPGREP_CONFIG_PATH|MAKEFLAGS|CC|CXX|CFLAGS|LDFLAGS|PKG_.*|PIP_.*|UV_.*|DOCKER_.*|KUBECONFIG|"
    r"GLIBC_TUNABLES|MALLOC_.*|OPENSSL_.*|SSL_.*|CURL_.*|WGETRC|INPUTRC|HISTFILE|CDPATH|GLOBIGNORE|FIGNORE|TMPDIR|FUNCNEST|histchars"
)
_VARIABLE = re.compile(r"[a-z_][a-z0-9_]*")


def assignment(name: str, value: Arg, *, alone: bool) -> Iterator[Ground]:
    """What setting a variable may change; ``alone``: it is no prefix of a command."""
    if _DECIDES.fullmatch(name) and name not in _HARMLESS_NAMES:
        cat = name in ("PAGER", "GIT_PAGER") and value.clear and value.text == "cat"
        if not cat:
            yield Ground(UNKNOWN, why.ASSIGNMENT_DECIDES, name)
    elif name in _HARMLESS_NAMES:
        if not value.clear or not _HARMLESS_VALUE.fullmatch(value.text):
            yield Ground(UNKNOWN, why.ASSIGNMENT, name)
    elif name == "TZ":
        if not value.clear or not _TIME_ZONE.fullmatch(value.text):
            yield Ground(UNKNOWN, why.ASSIGNMENT, name)
    elif not (alone and _VARIABLE.fullmatch(name)):
        yield Ground(UNKNOWN, why.ASSIGNMENT, name)


# Those that add nothing of their own: the command they run decides. Then how many operands come before it.
_TRANSPARENT: dict[str, tuple[Program, int]] = {
    "time": (Program("-p", stop=True), 0),
    "timeout": (Program("-k= -s= -v --kill-after= --signal= --preserve-status --foreground --verbose", stop=True), 1),
    "nice": (Program("-n= --adjustment=", stop=True, numbers=True), 0),
    "ionice": (Program("-c= -n= -t", stop=True), 0),
    "stdbuf": (Program("-i= -o= -e= --input= --output= --error=", stop=True), 0),
    "command": (Program("-p", stop=True), 0),
}
_SUDO = Program(
    "-A -b -E -e -H -h= -i -K -k -l -n -P -S -s -V -v -u= -g= -p= -C= -r= -t= -T= -U= -D= -R= "
    "--askpass --background --preserve-env? --edit --set-home --help --login --non-interactive "
    "--stdin --shell --user= --group= --prompt= --chdir= --close-from=",
    stop=True,
)
_RUNNERS: dict[str, tuple[Program, int]] = {
    "nohup": (Program(stop=True), 0),
    "setsid": (Program("-c -f -w --ctty --fork --wait", stop=True), 0),
    "exec": (Program("-c -l -a=", stop=True), 0),
    "builtin": (Program(stop=True), 0),
    "coproc": (Program(stop=True), 0),
    "sudo": (_SUDO, 0),
    "doas": (Program("-n -s -L -u= -C= -a=", stop=True), 0),
    "pkexec": (Program("--user= --disable-internal-agent", stop=True), 0),
    "gosu": (Program(stop=True), 1),
    "run0": (Program("--user= -u= --group= -g= --nice= --chdir= -D= --setenv=", stop=True), 0),
    "chroot": (Program("--userspec= --groups= --skip-chdir", stop=True), 1),
    "unshare": (
        Program(
            "-m -u -i -n -p -U -C -T -f -r -c --mount --net --pid --user --fork --map-root-user --mount-proc?",
            stop=True,
        ),
        0,
    ),
    "nsenter": (Program("-t= -m -u -i -n -p -U -C -T -a -r? -w? --target= --all --mount --net --pid", stop=True), 0),
    "strace": (Program("-f -ff -c -C -e= -o=w -p= -s= -t -tt -T -v -x -y -yy -q -P= -S=", stop=True), 0),
    "ltrace": (Program("-f -c -C -e= -o=w -p= -s= -S -t -tt -T", stop=True), 0),
    "valgrind": (Program("-q -v --leak-check= --tool= --error-exitcode= --log-file=w", stop=True), 0),
    "taskset": (Program("-a -c -p --all-tasks --cpu-list", stop=True), 1),
    "chrt": (Program("-b -f -i -o -r -a --batch --fifo --idle --other --rr", stop=True), 1),
    "setarch": (Program("-R -v --addr-no-randomize", stop=True), 1),
    "linux32": (Program("-R", stop=True), 0),
    "linux64": (Program("-R", stop=True), 0),
    "flock": (
        Program("-e -s -n -u -x -w= -E= -F -o --exclusive --nonblock --shared --unlock --wait= --timeout=", stop=True),
        1,
    ),
    "faketime": (Program("-f= -m", stop=True), 1),
    "unbuffer": (Program("-p", stop=True), 0),
    "chronic": (Program("-v -e", stop=True), 0),
    "eatmydata": (Program(stop=True), 0),
    "xvfb-run": (Program("-a -s= -n= --auto-servernum --server-args= --server-num=", stop=True), 0),
    "dbus-run-session": (Program(stop=True), 0),
    "busybox": (Program(stop=True), 0),
    "toybox": (Program(stop=True), 0),
    "watch": (
        Program(
            "-b -c -d -e -g -n= -p -q= -t -x -w --interval= --color --beep --differences? --no-title --exec", stop=True
        ),
        0,
    ),
    "xargs": (
        Program(
            "-0 -r -t -p -x -o -n= -P= -I= -L= -d= -a=r -E= -s= -i? -l? -e? --null --no-run-if-empty "
            "--max-args= --max-procs= --replace? --max-lines? --delimiter= --verbose --interactive "
            "--arg-file=r --exit --process-slot-var=",
            stop=True,
        ),
        0,
    ),
}
_LINE_OPTIONS = {
    "su": ("-c", "--command"),
    "runuser": ("-c", "--command"),
    "script": ("-c", "--command"),
    "flock": ("-c", "--command"),
}
_RUN_WORDS = {
    "uv": "run",
    "poetry": "run",
    "pdm": "run",
    "pipenv": "run",
    "hatch": "run",
    "bundle": "exec",
    "npm": "exec",
    "pnpm": "exec",
    "conda": "run",
    "rbenv": "exec",
    "pyenv": "exec",
    "docker": "exec",
    "podman": "exec",
}
_EXACT_SHELL_FLAGS = re.compile(r"-[ceuxo]*|--norc|--noprofile")


def _command(call: Call, args: Sequence[Arg]) -> Iterator[Ground]:
    yield from call.judge.command(args, call.fed, call.texts)


def transparent(call: Call) -> Iterator[Ground]:
    """``time``, ``timeout``, ``nice``, ``command`` …"""
    if call.name == "command" and call.args and call.args[0].text in ("-v", "-V"):
        return
    program, before = _TRANSPARENT[call.name]
    parsed = parse(program, call)
    yield from parsed.grounds
    yield from _rescue(call, parsed)
    for arg in parsed.operands[:before]:
        if arg.glob:
            # Where it matches several files the second would be the command.
            yield Ground(UNKNOWN, why.UNCLEAR, arg.shown)
    inner = parsed.operands[before:]
    if inner:
        yield from _command(call, inner)
    else:
        yield Ground(UNKNOWN, why.RUNS_OTHERS, call.name)


def environment(call: Call) -> Iterator[Ground]:
    """``env``: assignments, then a command; alone it shows the environment."""
    program = Program(
        "-i -0 -v -u= -C=r -S= --ignore-environment --null --unset= --chdir=r --split-string= --debug", stop=True
    )
    parsed = parse(program, call)
    yield from parsed.grounds
    yield from _rescue(call, parsed)
    for folder in parsed.values("-C", "--chdir"):
        yield from call.places.read(folder, names_only=True)
        call.places.enter(folder)
    for text in parsed.values("-S", "--split-string"):
        yield Ground(UNKNOWN, why.RUNS_INLINE, call.name)
        call.judge.line(" ".join([text.text, *(arg.text for arg in parsed.operands)]))
    inner = list(parsed.operands)
    while inner and (match := _ASSIGNMENT.fullmatch(inner[0].text)):
        arg = inner.pop(0)
        yield from assignment(match[1], Arg(match[2], arg.clear), alone=False)
        if arg.expanded:
            yield Ground(UNKNOWN, why.OPTION_EXPANDED, arg.shown)
    if inner:
        yield from _command(call, inner)
    elif not parsed.has("-S", "--split-string"):
        yield Ground(UNKNOWN, why.MACHINE_FACTS, call.name)


def runner(call: Call) -> Iterator[Ground]:
    """Wrappers that are never safe themselves."""
    label, texts = OTHERS.get(call.name, (UNKNOWN, why.RUNS_OTHERS))
    yield Ground(label, texts, call.name)
    program, before = _RUNNERS[call.name]
    parsed = parse(program, call)
    yield from parsed.grounds
    yield from _rescue(call, parsed)
    yield from _written(call, parsed)
    inner = parsed.operands[before:]
    while call.name in ("sudo", "doas", "run0") and inner and _ASSIGNMENT.fullmatch(inner[0].text):
        inner.pop(0)
    if not inner:
        return
    if call.name == "watch":
        call.judge.line(" ".join(arg.text for arg in inner))
    elif inner[0].text in _LINE_OPTIONS.get(call.name, ()):
        call.judge.line(" ".join(arg.text for arg in inner[1:]))
    elif call.name == "xargs":
        yield from _command(call, [*inner, Arg("", clear=False, loose=True, raw="…")])
    else:
        yield from _command(call, inner)


def _written(call: Call, parsed: Parsed) -> Iterator[Ground]:
    for _, kind, value in parsed.flags:
        if kind == "=w" and value is not None:
            yield from call.places.write(value)


def _rescue(call: Call, parsed: Parsed) -> Iterator[Ground]:
    """Where an option is not known the command may begin anywhere: judge from each dangerous name on."""
    if parsed.grounds:
        for index, arg in enumerate(call.args):
            known = OTHERS.get(arg.text)
            if arg.text in SHELLS or (known and known[0].rank >= DESTRUCTIVE.rank):
                yield from _command(call, call.args[index:])
                return


def line_runner(call: Call) -> Iterator[Ground]:
    """``eval``, ``trap``, ``alias``, ``su -c``, ``script -c``: a line given as text."""
    label, texts = OTHERS.get(call.name, (UNKNOWN, why.RUNS_INLINE))
    yield Ground(label, texts, call.name)
    options = _LINE_OPTIONS.get(call.name, ())
    if options:
        for index, arg in enumerate(call.args):
            name, separator, value = arg.text.partition("=")
            if arg.text in options and index + 1 < len(call.args):
                call.judge.line(call.args[index + 1].text)
            elif separator and name in options:
                call.judge.line(value)
    elif call.name == "eval":
        call.judge.line(" ".join(arg.text for arg in call.args))
    elif call.name == "trap":
        for arg in [arg for arg in call.args if not arg.text.startswith("-")][:1]:
            call.judge.line(arg.text)
    elif call.name == "alias":
        for arg in call.args:
            call.judge.line(arg.text.partition("=")[2])


def transfer(call: Call) -> Iterator[Ground]:
    """``ssh``, ``scp``, ``nc``, ``rsync`` …"""
    yield Ground(NETWORK, why.NEEDS_NETWORK, call.name)
    yield Ground(UNKNOWN, why.REMOTE, call.name)
    if call.name == "rsync" and any(arg.text.startswith(("--delete", "--remove")) for arg in call.args):
        yield Ground(DESTRUCTIVE, why.DELETES, call.name)
    if call.name == "ssh":
        operands = [arg.text for arg in call.args if not arg.text.startswith("-")]
        if len(operands) > 1:
            call.judge.line(" ".join(operands[1:]))
    for index, arg in enumerate(call.args):
        if arg.text in ("-e", "-c", "--exec", "--sh-exec") and index + 1 < len(call.args):
            call.judge.line(call.args[index + 1].text)


def shell(call: Call) -> Iterator[Ground]:
    """``bash -c LINE`` is that line; other shells read it a little differently, so it is never safe."""
    args = list(call.args)
    exact = call.name == "bash"
    inline = fed = False
    while args and args[0].text.startswith(("-", "+")) and args[0].text not in ("-", "--"):
        flag = args.pop(0)
        exact &= flag.clear and not flag.expanded and bool(_EXACT_SHELL_FLAGS.fullmatch(flag.text))
        short = not flag.text.startswith("--")
        inline |= short and "c" in flag.text[1:]
        fed |= short and "s" in flag.text[1:]
        if short and "o" in flag.text[1:].lower() and args:
            option = args.pop(0)
            exact &= option.text in ("errexit", "nounset", "pipefail")
    if args and args[0].text == "--":
        args.pop(0)
    if inline and args:
        line = args[0]
        if not exact or not line.clear or line.glob or line.expanded or len(args) > 1:
            yield Ground(UNKNOWN, why.RUNS_INLINE, call.name)
        call.judge.line(line.text)
    elif args and not fed and args[0].text not in ("-", "/dev/stdin"):
        yield Ground(UNKNOWN, why.RUNS_CODE, f"{call.name} {args[0].shown}")
    else:
        yield from _fed(call, lines=True)


def interpreter(call: Call) -> Iterator[Ground]:
    """Code in a language is not judged; ``python -m pip`` is pip."""
    texts = [arg.text for arg in call.args]
    if call.name in ("python", "pypy") and "-m" in texts:
        module = texts.index("-m") + 1
        if module < len(texts) and texts[module] in ("pip", "ensurepip", "pipx", "uv"):
            yield from _command(call, call.args[module:])
    inline = next((text for text in texts if re.match(r"-[A-Za-z]*[cerpnE]|--eval|--print|--exec", text)), None)
    if inline is not None:
        yield Ground(UNKNOWN, why.RUNS_INLINE, f"{call.name} {inline[:20]}")
    elif any(not text.startswith("-") for text in texts):
        yield Ground(UNKNOWN, why.RUNS_CODE, call.name)
    else:
        yield from _fed(call, lines=False)


def _fed(call: Call, *, lines: bool) -> Iterator[Ground]:
    """A shell or an interpreter that runs its input."""
    yield Ground(UNKNOWN, why.FED_SHELL if call.fed or call.texts else why.RUNS_CODE, call.name)
    for name in call.fed:
        program = WRITERS.get(name)
        if name in DECODERS or name in TRANSFERS or (program is not None and program.label is NETWORK):
            yield Ground(PRIVILEGED, why.FED_HIDDEN, call.name, name)
    if lines:
        for text in call.texts:
            call.judge.line(text)


def runs_word(call: Call) -> Iterator[Ground]:
    """``uv run X``, ``npm exec X``: X is judged too."""
    word = _RUN_WORDS.get(call.name)
    texts = [arg.text for arg in call.args]
    if word in texts:
        at = texts.index(word) + 1
        while at < len(texts) and texts[at].startswith("-"):
            at += 1
        if call.name in ("docker", "podman"):
            at += 1
        if at < len(texts):
            yield from _command(call, call.args[at:])


WRAPPERS: dict[str, Callable[[Call], Iterator[Ground]]] = {
    **dict.fromkeys(_TRANSPARENT, transparent),
    **dict.fromkeys(INTERPRETERS, interpreter),
    **dict.fromkeys(SHELLS, shell),
    **dict.fromkeys(TRANSFERS, transfer),
    **dict.fromkeys(_RUNNERS, runner),
    **dict.fromkeys(("eval", "trap", "alias", "su", "runuser", "script"), line_runner),
    "env": environment,
}
"""How each is judged. ``source`` and ``.`` stand in the other tables: what they run is a file."""
