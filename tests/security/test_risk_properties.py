"""What must hold for every line, not only for those somebody thought of."""

from __future__ import annotations

import json
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import READING_ENVIRONMENT, TooLong, judge_argv, judge_line

WORKSPACE = Path("/work/space")
BASH = shutil.which("bash")

HARMFUL = ["rm -rf x", "rm x", "find . -delete", "shred x", "dd if=a of=b", "git clean -fd", "kill 1", "sudo ls"]

WRAPPERS: list[Callable[[str], str]] = [
    lambda c: f"env {c}",
    lambda c: f"env A=b {c}",
    lambda c: f"xargs {c}",
    lambda c: f"xargs -n 1 -I {{}} {c}",
    lambda c: f"sh -c {shlex.quote(c)}",
    lambda c: f"bash -c {shlex.quote(c)}",
    lambda c: f"bash -ec {shlex.quote(c)}",
    lambda c: f"command {c}",
    lambda c: f"builtin {c}",
    lambda c: f"exec {c}",
    lambda c: f"nohup {c}",
    lambda c: f"time {c}",
    lambda c: f"timeout 5 {c}",
    lambda c: f"nice -n 3 {c}",
    lambda c: f"! {c}",
    lambda c: f"{{ {c}; }}",
    lambda c: f"({c})",
    lambda c: f"echo $({c})",
    lambda c: f'echo "a $({c}) b"',
    lambda c: f"echo `{c}`",
    lambda c: f"ls | {c}",
    lambda c: f"{c} | cat",
    lambda c: f"ls && {c}",
    lambda c: f"ls || {c}",
    lambda c: f"ls; {c}",
    lambda c: f"{c}; ls",
    lambda c: f"ls\n{c}",
    lambda c: f"ls # comment\n{c}",
    lambda c: f"ls & {c}",
    lambda c: f"{c} &",
    lambda c: f"if true; then {c}; fi",
    lambda c: f"if {c}; then ls; fi",
    lambda c: f"for i in a b; do {c}; done",
    lambda c: f"while {c}; do ls; done",
    lambda c: f"case a in *) {c};; esac",
    lambda c: f"f() {{ {c}; }}; f",
    lambda c: f"eval {shlex.quote(c)}",
    lambda c: f"trap {shlex.quote(c)} EXIT",
    lambda c: f"find . -exec {c} \\;",
    lambda c: f"cat <({c})",
    lambda c: f"cat <<< $({c})",
    lambda c: f"cat <<EOF\n$({c})\nEOF",
    lambda c: f"bash <<'EOF'\n{c}\nEOF",
    lambda c: f"echo {shlex.quote(c)} | sh",
    lambda c: f"x=$({c})",
    lambda c: f"ls ${{x:-$({c})}}",
    lambda c: f"a=({c}); ${{a[@]}}",
    lambda c: f"c={shlex.quote(c)}; $c",
    lambda c: "eval $'" + "".join(f"\\x{byte:02x}" for byte in c.encode()) + "'",
    lambda c: c.replace("m", "''m", 1),
    lambda c: "\\" + c,
    lambda c: f"sudo {c}",
    lambda c: f"[ -n a ] && {c}",
    lambda c: f"cd src && {c}",
    lambda c: f"{c} > /dev/null 2>&1",
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HARMFUL), st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=4))
def test_no_wrapping_makes_a_harmful_command_safe(command: str, wrappers: list[Callable[[str], str]]) -> None:
    """However a harmful command is wrapped, the line still asks."""
    for wrapper in wrappers:
        command = wrapper(command)
    try:
        label = judge_line(command, WORKSPACE).label
    except TooLong:
        return
    assert label.rank >= RiskLabel.UNKNOWN.rank, command


@pytest.mark.parametrize("wrapper", range(len(WRAPPERS)))
@pytest.mark.parametrize("command", HARMFUL)
def test_one_wrapper(wrapper: int, command: str) -> None:
    """Each wrapper alone."""
    line = WRAPPERS[wrapper](command)
    assert judge_line(line, WORKSPACE).label.rank >= RiskLabel.UNKNOWN.rank, line


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.text(st.characters(categories=["Cs", "Cf", "Zs", "L", "P", "S"]), max_size=40))
def test_any_text_is_judged(line: str) -> None:
    """Any Unicode at all, lone surrogates included, gets a label and reasons that can be shown."""
    risk = judge_line(line, WORKSPACE, "fr")
    assert all(reason.isprintable() for reason in risk.reasons)
    assert all(command.argv_text.isprintable() for command in risk.commands)
    judge_argv([line, line], WORKSPACE)


@pytest.mark.parametrize("tail", ["\U000c14cc\U00090c5a", "\U00101000", "\ue000", "\xe9", "\U000f74dc\U0009573b"])
@pytest.mark.parametrize("head", ["W{", "{", "${", "x={", "\U000f74dc{", "case {", "a[{"])
def test_no_character_ends_the_process(head: str, tail: str) -> None:
    """The grammar's scanner reads beyond its tables on characters of high planes: it is never shown one."""
    for _ in range(50):
        judge_line(head + tail, WORKSPACE)


TOKENS = r"""
    ' " \ $ ` ( ) { } [ ] < > | & ; # ~ * ? ! = - / . , : % @ + ^ a x rm ls cat EOF << <<< >> >& &> >| && || ;;
    |& $( ${ $((
    if then else fi for in do done while case esac function select time coproc [[ ]] (( )) x= -n -o {a,b} $x $' $" é
"""
PIECES = [
    *TOKENS.split(),
    " ",
    "\n",
    "\t",
    "\\\n",
    "ls ",
    "cat f",
    "echo a",
    "<<EOF\n",
    "\nEOF\n",
]


@pytest.mark.skipif(BASH is None, reason="needs bash")
@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_safe_lines_are_valid_bash(line: str) -> None:
    """What bash itself would refuse was not understood, so it is not safe."""
    if judge_line(line, WORKSPACE).label is RiskLabel.SAFE:
        checked = subprocess.run([str(BASH), "-n", "-c", line], capture_output=True, check=False)
        assert checked.returncode == 0, (line, checked.stderr)
        assert checked.stderr == b"", (line, checked.stderr)


# The canary: lines judged safe are run for real, next to files that must not change.

LINES = r"""
ls -la src
cat a.txt b.txt
head -5 a.txt
wc -l *.txt
grep -rn 'x' src
find . -name '*.py' -type f
sort -k2 ./a.txt
uniq -c a.txt
sed -n '1,3p' a.txt
sed 's/x/y/g' a.txt
sed -e '/x/d' a.txt
awk '{print $1}' a.txt
xxd -l 8 a.txt
base64 a.txt
cut -d' ' -f1 a.txt
tr a-z A-Z < a.txt
echo 'a b' "c"
printf '%s\n' a b
test -f a.txt && echo yes
[ -d src ] || ls
for f in *.txt; do wc -l "$f"; done
if [ -f a.txt ]; then cat a.txt; fi
x=a.txt; cat "$x"
cat <<EOF
text
EOF
cat <<'EOF'
$(touch pwned)
EOF
ls > /dev/null 2>&1
cd src && ls
(ls; pwd) | head -3
git status
git log --oneline -3
git diff --stat
timeout 2 ls
bash -c 'ls src'
env NO_COLOR=1 ls
tar tf a.tar
echo "$(ls)"
ls {src,a.txt}
diff -u a.txt b.txt
date +%s
stat -c %s a.txt
rg x src
ls # touch pwned
"""
SEEDS = [seed if "printf" in seed else seed.replace("\\n", "\n") for seed in LINES.strip().splitlines()]
TROUBLE = r"""
    ' " \ ; & | && || < > >> <<< ( ) { } $ ` ${ # ~ * ? [ ] ! = - -- -o -i -w -e -exec -delete / .. ../ $x $IFS $'
    rm touch x=
    {a,b} , << EOF <<EOF 2> &> >& >| done do fi then time [[ ]] (( @( <( >( $" coproc pwned '$' $'\'' "\"" \' \\
"""
FRAGMENTS = [
    *TROUBLE.split(),
    " ",
    "\n",
    "\t",
    "\\\n",
    "touch pwned",
    "> pwned",
    "w pwned",
    "e touch pwned",
    "/w pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "\nEOF\n",
    " -fprint pwned",
    " --output=pwned",
    ' > "$x"',
    'system("touch pwned")',
]

DRIVER = r"""
import hashlib, json, os, subprocess, sys
given = json.load(sys.stdin)
os.makedirs("/tmp/stubs"); os.makedirs("/tmp/empty")
with open("/tmp/stub", "w") as stub:
    stub.write('#!/bin/sh\nend=$(printf "\\1")\nprintf "%s\\0" "${0##*/}" "$@" "$end" >> /tmp/log\n')
    stub.write('[ "${0##*/}" != false ]\n')
os.chmod("/tmp/stub", 0o755)
for name in given["programs"]:
    os.symlink("/tmp/stub", "/tmp/stubs/" + name)
with open("/tmp/rc", "w") as rc:
    rc.write("enable -n echo printf test [ pwd true false kill type\n")

def state():
    found = {}
    for top in ("/work/space", "/work/outside", "/home/me", "/tmp/empty"):
        for folder, names, files in os.walk(top):
            for name in names + files:
                path = os.path.join(folder, name)
                data = open(path, "rb").read() if os.path.isfile(path) and not os.path.islink(path) else b""
                found[path] = (os.lstat(path).st_mode, hashlib.md5(data).hexdigest())
    return found

def run(line, folder, environment):
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(["/bin/bash", "-c", line], cwd=folder, env=environment, stdin=nowhere, stdout=nowhere,
                               stderr=nowhere, start_new_session=True)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()

home = {"HOME": "/home/me", "LANG": "C.UTF-8"}
before, wrong = state(), []
for line in given["lines"]:
    if os.path.exists("/tmp/log"):
        os.unlink("/tmp/log")
    run(line, "/tmp/empty", {**home, "PATH": "/tmp/stubs", "BASH_ENV": "/tmp/rc"})
    log = open("/tmp/log", "rb").read().decode("utf-8", "replace") if os.path.exists("/tmp/log") else ""
    calls = log.split("\1\0")[:-1]
    run(line, "/work/space", {**home, **given["environment"], "PATH": "/usr/bin:/bin"})
    after = state()
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    before = after
    wrong.append({"changed": changed, "calls": [call.split("\0")[:-1] for call in calls]})
json.dump(wrong, sys.stdout)
"""

PROGRAMS = """
ls cat head wc grep find sort uniq sed awk xxd base64 cut tr echo printf test [ pwd git timeout bash env tar diff date
stat rg rm touch sh true false type file nice command
"""


def mutated(rng: random.Random) -> str:
    """A line somebody wrote, with something done to it."""
    line = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(line))
        kind = rng.random()
        if kind < 0.55:
            line = line[:at] + rng.choice(FRAGMENTS) + line[at:]
        elif kind < 0.7:
            line = line[:at] + line[at + rng.randint(1, 3) :]
        elif kind < 0.85:
            line += rng.choice([" ; ", " | ", "\n", " && ", " "]) + rng.choice(SEEDS)
        else:
            line = line[:at] + rng.choice(SEEDS)[rng.randint(0, 9) :] + line[at:]
    return line


@pytest.fixture
def sandboxed(tmp_path: Path) -> Callable[[list[str]], list[dict[str, list[str]]]]:
    """Runs lines in a confinement where only a copy of everything can be hurt."""
    bubblewrap = shutil.which("bwrap") or "bwrap"
    space = tmp_path / "space"
    for folder in ("space/src", "outside", "home"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a.txt", "b.txt", "src/a.py", "-o", "--output=pwned", "-wpwned"):
        (space / name).write_text("x y\nw pwned\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(space)]
    for command in (["init", "-q"], ["add", "a.txt", "src"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    confined = [
        *[bubblewrap, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
        *["--tmpfs", "/tmp", "--tmpfs", "/work", "--tmpfs", "/home", "--bind", str(tmp_path / "home"), "/home/me"],
        *["--bind", str(space), "/work/space", "--bind", str(tmp_path / "outside"), "/work/outside"],
        *["--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--chdir", "/work/space"],
        *["/usr/bin/python3", "-I", "-c", DRIVER],
    ]

    def run(lines: list[str]) -> list[dict[str, list[str]]]:
        given = {"lines": lines, "programs": PROGRAMS.split(), "environment": READING_ENVIRONMENT}
        done = subprocess.run(
            confined, input=json.dumps(given), capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == 0, done.stderr
        answer: list[dict[str, list[str]]] = json.loads(done.stdout)
        return answer

    return run


@pytest.mark.bubblewrap
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_safe_lines_change_nothing(seed: int, sandboxed: Callable[[list[str]], list[dict[str, list[str]]]]) -> None:
    """Lines judged safe, run by bash, change no file, and run exactly the commands the judgement listed."""
    rng = random.Random(seed)
    lines: dict[str, list[list[str]]] = {}
    while len(lines) < 120:
        line = mutated(rng)
        try:
            risk = judge_line(line, WORKSPACE)
        except TooLong:
            continue
        if risk.label is RiskLabel.SAFE:
            lines[line] = [shlex.split(command.argv_text) for command in risk.commands]
    for (line, judged), seen in zip(lines.items(), sandboxed(list(lines)), strict=True):
        assert seen["changed"] == [], line
        for call in seen["calls"]:
            assert any(_same(call, argv) for argv in judged), (line, call, judged)


def _same(call: list[str], judged: list[str]) -> bool:
    """Whether this argv is what was judged; what comes from a substitution may be anything."""
    return len(call) == len(judged) and all(
        "$" in b or "\\x0a" in b or a == b for a, b in zip(call, judged, strict=True)
    )


@pytest.mark.bubblewrap
@pytest.mark.slow
def test_the_canary_sings(sandboxed: Callable[[list[str]], list[dict[str, list[str]]]]) -> None:
    """The check above notices a file that is written, wherever it is, and a command that was not listed."""
    seen = sandboxed(
        ["touch pwned", "echo x > ../outside/f", "echo x > ~/f", "ls; rm -f a.txt", "sed -n 'w out' a.txt"]
    )
    assert [bool(one["changed"]) for one in seen] == [True] * 5
    assert ["rm", "-f", "a.txt"] in seen[3]["calls"]
