"""git, subcommand by subcommand.

The reading subcommands are safe with the options listed here. No pager is started, because commands
run without a terminal; `READING_ENVIRONMENT` switches off what else git would start or write by
itself. Text filters that the repository's own configuration names still run: that file is a control
file, which nothing an agent runs may write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.grammar import Call, Program, judge_program, parse
from nextgeneration.tools.shell.risk.reasons import DESTRUCTIVE, NETWORK, PRIVILEGED, SAFE, UNKNOWN, WRITE, Ground
from nextgeneration.tools.shell.risk.words import Arg

READING_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.fsmonitor",
    "GIT_CONFIG_VALUE_0": "false",
    "GIT_CONFIG_KEY_1": "core.hooksPath",
    "GIT_CONFIG_VALUE_1": "/dev/null",
}
"""What a command judged safe must be run with: no index refresh, no monitor, no hooks, no pager."""

_GLOBAL = Program(
    "--no-pager -P --no-optional-locks --literal-pathspecs --no-replace-objects -C=r -c= --version -v --help -h",
    "any",
    stop=True,
)
_HARMLESS_SETTING = re.compile(
    r"(?:color\.[a-z.]+|advice\.\w+|core\.quotepath|log\.date|diff\.(?:renames|noprefix))=[\w.-]*", re.IGNORECASE
)

_COMMON = "-q --quiet --no-pager --color? --no-color --abbrev? --no-abbrev --column? --no-column -z --relative?"
_DIFF = (
    _COMMON + " -p -u -U= -s --patch --no-patch --unified= --raw --stat? --numstat --shortstat --dirstat? "
    "--summary --name-only --name-status --compact-summary --minimal --patience --histogram "
    "--diff-algorithm= --word-diff? --word-diff-regex= --color-words? --color-moved? --no-renames "
    "--check --full-index --binary -M? -C? -B? -D --find-renames? --find-copies? --diff-filter= -S= "
    "-G= --pickaxe-all --pickaxe-regex -R -a --text --ignore-cr-at-eol --ignore-space-at-eol -b "
    "--ignore-space-change -w --ignore-all-space --ignore-blank-lines --inter-hunk-context= -W "
    "--function-context --exit-code --no-ext-diff --no-textconv --src-prefix= --dst-prefix= "
    "--no-prefix --submodule? --ita-invisible-in-index --cc -c -m"
)
_LOG = (
    _DIFF + " -n= --max-count= --skip= --since= --after= --until= --before= --author= --committer= --grep= -i "
    "--regexp-ignore-case --invert-grep --all-match -E -F -P --extended-regexp --fixed-strings "
    "--perl-regexp --all --branches? --tags? --remotes? --glob= --exclude= --oneline --graph "
    "--decorate? --no-decorate --decorate-refs= --pretty? --format= --abbrev-commit "
    "--no-abbrev-commit --date= --relative-date --follow --full-history --simplify-merges "
    "--first-parent --merges --no-merges --reverse --topo-order --date-order --author-date-order "
    "--left-right --cherry-pick --cherry-mark --boundary --source --no-walk? --stdin -L= -g "
    "--walk-reflogs --parents --children --count --ancestry-path --notes? --no-notes --left-only "
    "--right-only --use-mailmap"
)

_READING: dict[str, Program] = {
    "status": Program(
        _COMMON + " -s -b -v -u? --short --branch --show-stash --porcelain? --long --verbose --untracked-files? "
        "--ignored? --ignore-submodules? --ahead-behind --no-ahead-behind --renames --no-renames "
        "--find-renames?",
        "revisions",
    ),
    "log": Program(_LOG, "revisions", numbers=True),
    "show": Program(_LOG, "revisions", numbers=True),
    "whatchanged": Program(_LOG, "revisions", numbers=True),
    "shortlog": Program(_LOG + " -s -n -e -c --numbered --summary --email --group=", "revisions", numbers=True),
    "reflog": Program(_LOG, "revisions", numbers=True),
    "rev-list": Program(_LOG + " --objects --disk-usage? --header --timestamp", "revisions", numbers=True),
    "diff": Program(
        _DIFF + " --cached --staged --merge-base -1 -2 -3 --ours --theirs --base", "revisions", numbers=True
    ),
    "diff-tree": Program(_DIFF + " -r -t --root --no-commit-id --pretty? --format= --stdin", "revisions"),
    "diff-index": Program(_DIFF + " --cached -m", "revisions"),
    "diff-files": Program(_DIFF, "revisions"),
    "range-diff": Program(_DIFF + " --creation-factor=", "revisions"),
    "blame": Program(
        _COMMON + " -L= -l -t -f -n -s -e -w -p -c -M? -C? --root --date= --porcelain --line-porcelain --show-name "
        "--show-number --show-email --show-stats --first-parent --since= --reverse --incremental",
        "revisions",
    ),
    "annotate": Program("-L= -l -t -s -e -w", "revisions"),
    "rev-parse": Program(
        "--show-toplevel --show-prefix --show-cdup --git-dir --git-common-dir --absolute-git-dir "
        "--is-inside-work-tree --is-inside-git-dir --is-bare-repository --is-shallow-repository "
        "--abbrev-ref? --symbolic --symbolic-full-name --short? --verify -q --quiet --all --branches? "
        "--tags? --remotes? --revs-only --no-revs --flags --no-flags --show-object-format? "
        "--local-env-vars --show-superproject-working-tree --path-format=",
        "revisions",
    ),
    "ls-files": Program(
        _COMMON + " -c -d -m -o -i -s -t -u -k -v -f --cached --deleted --modified --others --ignored --stage "
        "--unmerged --killed --exclude-standard --exclude= -x= --error-unmatch --full-name --directory "
        "--no-empty-directory --eol --deduplicate --recurse-submodules --with-tree= --format=",
        "revisions",
    ),
    "ls-tree": Program(
        _COMMON + " -d -r -t -l --long --name-only --name-status --full-name --full-tree --object-only --format=",
        "revisions",
    ),
    "cat-file": Program(
        "-t -s -e -p --batch? --batch-check? --batch-all-objects --buffer --follow-symlinks --allow-unknown-type",
        "revisions",
    ),
    "describe": Program(
        "--all --tags --contains --abbrev= --candidates= --exact-match --debug --long --match= --exclude= "
        "--always --first-parent --dirty? --broken?",
        "revisions",
    ),
    "name-rev": Program("--tags --refs= --name-only --no-undefined --always --all --exclude=", "revisions"),
    "merge-base": Program("-a --all --octopus --independent --is-ancestor --fork-point", "revisions"),
    "for-each-ref": Program(
        "--count= --sort= --format= --points-at= --merged? --no-merged? --contains? --no-contains? "
        "--ignore-case --color?",
        "revisions",
    ),
    "show-ref": Program(
        "-q -d -s --head --heads --tags --branches --dereference --hash? --verify --quiet --abbrev? --exists",
        "revisions",
    ),
    "show-branch": Program(
        "-a -r --all --remotes --current --topo-order --list --independent --merge-base", "revisions"
    ),
    "cherry": Program("-v --abbrev?", "revisions"),
    "count-objects": Program("-v -H --verbose --human-readable", "revisions"),
    "grep": Program(
        _COMMON + " -a -I -i -w -v -h -H -n -l -L -c -o -E -G -P -F -e= -A= -B= -C= -W -p --text --ignore-case "
        "--word-regexp --invert-match --full-name --extended-regexp --basic-regexp --perl-regexp "
        "--fixed-strings --line-number --column --files-with-matches --name-only --files-without-match "
        "--count --only-matching --heading --break --show-function --function-context --and --or --not "
        "--all-match --cached --untracked --no-exclude-standard --exclude-standard --max-depth= "
        "--threads= --recurse-submodules -r --max-count= -m= --after-context= --before-context= "
        "--context=",
        "revisions",
        numbers=True,
    ),
    "check-ignore": Program("-q -v -n -z --quiet --verbose --non-matching --no-index --stdin", "revisions"),
    "check-attr": Program("-a -z --all --cached --stdin", "revisions"),
    "var": Program("", "text"),
    "version": Program("--build-options", "text"),
}

_LISTING: dict[str, tuple[Program, Program]] = {
    "branch": (
        Program(
            "-a -r -v -l -i --list --all --remotes --verbose --show-current --sort= --format= --contains? "
            "--no-contains? --merged? --no-merged? --points-at= --color? --no-color --column? --no-column "
            "--abbrev= --ignore-case",
            "text",
        ),
        Program(
            "-c -C -m -M -f -t -u= --set-upstream-to= --track? --no-track --copy --move --force -q --quiet",
            "text",
            WRITE,
            why.CHANGES,
        ),
    ),
    "tag": (
        Program(
            "-l -n? -i --list --sort= --format= --contains? --no-contains? --merged? --no-merged? "
            "--points-at= --color? --column? --ignore-case",
            "text",
        ),
        Program("-a -f -m= --annotate --message= --force", "text", WRITE, why.CHANGES),
    ),
    "stash": (
        Program(_LOG, "text", numbers=True),
        Program(
            "-p -k -u -a -q -m= --keep-index --include-untracked --all --message= --staged --quiet",
            "text",
            WRITE,
            why.CHANGES,
        ),
    ),
    "worktree": (
        Program("-v -z --porcelain", "text"),
        Program("-f -b= --detach --force", "text", UNKNOWN, why.ARCHIVE),
    ),
    "remote": (Program("-v --verbose", "text"), Program("", "text", PRIVILEGED, why.ADMINISTERS)),
    "notes": (Program("", "text"), Program("-m= -f", "text", WRITE, why.CHANGES)),
    "config": (
        Program(
            "--local --get= --get-all= --get-regexp= --list -l --show-origin --show-scope --name-only -z "
            "--type= --bool --int",
            "text",
        ),
        Program("--local", "text", PRIVILEGED, why.ADMINISTERS),
    ),
}
"""Subcommands that list, or else change: with the options of each."""

_LISTING_WORDS = {
    "stash": {"list", "show"},
    "worktree": {"list"},
    "remote": {"get-url"},
    "notes": {"list", "show"},
    "branch": set(),
    "tag": set(),
    "config": set(),
}

_CHANGING: dict[str, Program] = {
    "add": Program(
        "-A -u -v -n -f -N --all --update --verbose --dry-run --force --intent-to-add --no-all --chmod= --renormalize",
        "revisions",
    ),
    "commit": Program(
        "-a -m= -F=r -C= -v -q -s -n --all --message= --file=r --amend --no-edit --allow-empty "
        "--allow-empty-message --verbose --quiet --signoff --no-verify --no-gpg-sign --author= --date= "
        "--dry-run --short --porcelain --fixup= --squash= --reuse-message= --only -o --include -i "
        "--trailer=",
        "revisions",
    ),
    "mv": Program("-f -k -n -v --force --dry-run --verbose", "write"),
    "switch": Program(
        "-c= -C= -d -t -q --create= --detach --track? --no-track --quiet --guess --no-guess --orphan=", "text"
    ),
    "merge": Program(
        "-m= -q -v -n --ff --no-ff --ff-only --squash --no-squash --commit --no-commit --abort --continue "
        "--quit --stat --no-stat --quiet --verbose --no-edit --no-verify --allow-unrelated-histories",
        "text",
    ),
    "cherry-pick": Program(
        "-n -x -s -m= --no-commit --signoff --abort --continue --quit --skip --mainline= --allow-empty", "text"
    ),
    "revert": Program("-n -s -m= --no-commit --no-edit --signoff --abort --continue --quit --skip --mainline=", "text"),
    "init": Program("-q -b= --quiet --initial-branch=", "write"),
}

_FIXED: dict[str, tuple[RiskLabel, Texts]] = {
    name: (label, texts)
    for label, texts, names in (
        (
            DESTRUCTIVE,
            why.DELETES,
            (
                "clean rm restore checkout reset gc prune filter-branch filter-repo update-ref update-index "
                "read-tree checkout-index symbolic-ref replace fast-import pack-refs repack unpack-objects "
                "multi-pack-index prune-packed"
            ),
        ),
        (NETWORK, why.NEEDS_NETWORK, "fetch ls-remote clone pull push fetch-pack send-pack"),
        (
            UNKNOWN,
            why.RUNS_CODE,
            (
                "bisect submodule rebase am difftool mergetool gui citool instaweb help send-email daemon hook "
                "maintenance credential p4 svn cvsserver cvsimport lfs annex flow filter-process remote-http "
                "remote-ext shell web--browse upload-pack receive-pack http-backend"
            ),
        ),
        (
            UNKNOWN,
            why.ARCHIVE,
            "apply format-patch archive bundle mailsplit sparse-checkout fsck merge-file merge-tree bugreport diagnose",
        ),
    )
    for name in names.split()
}

_FORMATS_THAT_RUN = re.compile(r"%G|%\(signature|%\(trailers:.*command", re.IGNORECASE)


def judge_git(call: Call) -> Iterator[Ground]:
    """All grounds for one git command."""
    parsed = parse(_GLOBAL, call)
    yield from parsed.grounds
    for place in parsed.values("-C"):
        yield from call.places.read(place, names_only=True)
        call.places.enter(place)
    yield from call.places.read(Arg(".git"), names_only=True)
    for setting in parsed.values("-c"):
        if not setting.clear or not _HARMLESS_SETTING.fullmatch(setting.text):
            yield Ground(UNKNOWN, why.ASSIGNMENT_DECIDES, setting.shown)
    if not parsed.operands:
        if not parsed.has("--version", "-v"):
            yield Ground(UNKNOWN, why.SUBCOMMAND_UNKNOWN, call.name, "")
        return
    first, *rest = parsed.operands
    if first.expanded or not first.clear:
        yield Ground(UNKNOWN, why.OPTION_EXPANDED, first.shown)
    inner = replace(call, name=f"git {first.shown}", args=rest)
    yield from _subcommand(first.text, inner)


def _subcommand(name: str, call: Call) -> Iterator[Ground]:
    if name in _READING:
        yield from judge_program(_READING[name], call)
        yield from _formats(call)
        if name == "reflog" and any(arg.text in ("expire", "delete", "drop", "write") for arg in call.args):
            yield Ground(DESTRUCTIVE, why.DELETES, call.name)
        if name in ("diff", "show", "log", "status", "grep", "blame"):
            yield Ground(SAFE, why.GIT_CONFIGURATION, call.name)
    elif name in _LISTING:
        yield from _listing(name, call)
    elif name in _CHANGING:
        yield Ground(WRITE, why.CHANGES, call.name)
        yield from judge_program(_CHANGING[name], call)
    elif name in _FIXED:
        label, texts = _FIXED[name]
        if (
            name == "restore"
            and any(arg.text in ("--staged", "-S") for arg in call.args)
            and not _has(call, "--worktree", "-W")
        ):
            label, texts = WRITE, why.CHANGES
        yield Ground(label, texts, call.name)
        yield from _network(name, call)
    else:
        yield Ground(UNKNOWN, why.SUBCOMMAND_UNKNOWN, "git", call.name.removeprefix("git "))


def _has(call: Call, *options: str) -> bool:
    return any(arg.text in options or arg.text.split("=")[0] in options for arg in call.args)


def _formats(call: Call) -> Iterator[Ground]:
    for arg in call.args:
        if _FORMATS_THAT_RUN.search(arg.text):
            yield Ground(UNKNOWN, why.SCRIPT_UNCLEAR, call.name, arg.shown)


def _listing(name: str, call: Call) -> Iterator[Ground]:
    """Listing when the arguments say so, else changing."""
    lists, changes = _LISTING[name]
    words = _LISTING_WORDS[name]
    operands = [arg for arg in call.args if not arg.text.startswith("-")]
    if name in ("branch", "tag"):
        reading = not operands or _has(
            call, "-l", "--list", "--contains", "--merged", "--no-merged", "--points-at", "--show-current"
        )
    elif name == "config":
        reading = _has(call, "--local") and _has(call, "--get", "--get-all", "--get-regexp", "--list", "-l")
    elif name == "remote":
        reading = not operands or operands[0].text == "get-url"
    else:
        reading = bool(operands) and operands[0].text in words
    if reading:
        yield from judge_program(lists, call)
        yield from _formats(call)
        return
    destroys = {"branch": ("-d", "-D", "--delete"), "tag": ("-d", "--delete")}.get(name, ())
    if _has(call, *destroys) or (operands and operands[0].text in ("drop", "clear", "pop", "remove", "prune")):
        yield Ground(DESTRUCTIVE, why.DELETES, call.name)
    if name == "remote" and operands and operands[0].text in ("show", "update"):
        yield Ground(NETWORK, why.NEEDS_NETWORK, call.name)
        return
    yield Ground(changes.label, changes.reason, call.name)
    if not destroys or not _has(call, *destroys):
        yield from judge_program(changes, call)


_NETWORK_OPTIONS = Program(
    "-q -v -a -t -p -n -f -u -4 -6 --all --tags --no-tags --prune --quiet --verbose --dry-run "
    "--depth= --single-branch --no-single-branch --branch= -b= --recurse-submodules? "
    "--no-recurse-submodules --progress --no-progress --rebase? --no-rebase --ff-only --ff --no-ff "
    "--heads --refs --exit-code --sort= --symref --set-upstream --follow-tags --porcelain --bare "
    "--filter= --shallow-since= --unshallow --no-checkout --origin= -o= --atomic --no-verify "
    "--autostash --no-autostash --no-edit",
    "text",
)


def _network(name: str, call: Call) -> Iterator[Ground]:
    """Options of the network subcommands: some name programs to run, some destroy what is on the other side."""
    if _FIXED[name][0] is not NETWORK:
        return
    parsed = parse(_NETWORK_OPTIONS, call)
    forced = [
        arg
        for arg in call.args
        if arg.text in ("-f", "--force", "--delete", "-d", "--mirror", "--prune") or arg.text.startswith("--force-")
    ]
    if name == "push":
        if forced or any(arg.text.startswith(("+", ":")) for arg in parsed.operands):
            yield Ground(DESTRUCTIVE, why.DELETES, call.name)
        yield Ground(NETWORK, why.SENDS, call.name)
    yield from parsed.grounds
    for operand in parsed.operands:
        if "::" in operand.text or operand.text.startswith("-") or not operand.clear:
            yield Ground(UNKNOWN, why.RUNS_OTHERS, operand.shown)
    if name == "clone":
        for folder in parsed.operands[1:2]:
            yield from call.places.write(folder)
    if name == "pull":
        yield Ground(WRITE, why.CHANGES, call.name)
