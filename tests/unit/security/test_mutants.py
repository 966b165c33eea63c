"""What only mutation testing found unguarded in the validator and the permissions; see docs/mutation.md."""

from __future__ import annotations

import pytest

from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.security.errors import BadPermissionRule, TemplateRefused
from nextgeneration.security.permissions import Decision, PermissionRules, Verdict, decide, parse_rule
from nextgeneration.security.validator import TemplateLimits, TemplateSecurityValidator, danger, security_validator

ALLOW, ASK, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.DENY


def decided(*levels: PermissionRules, subjects: tuple[str, ...] = ("docs/a.md",), tool: str = "fs.write") -> Decision:
    return decide(levels, (), tool, subjects, RiskLabel.WRITE, EffectRule.ONCE)


def denies(pattern: str, subject: str) -> bool:
    return decided(PermissionRules(deny=(f"fs.write({pattern})",)), subjects=(subject,)).verdict is DENY


# -- permissions ---------------------------------------------------------------------------------------------------


def test_a_level_that_says_nothing_does_not_make_a_child_forget_its_ancestor() -> None:
    """What the root names stays named for the grandchild, whoever stands between them."""
    root, silent, child = PermissionRules(ask=("fs.write",)), PermissionRules(), PermissionRules(allow=("fs.write",))
    assert decided(root, silent, child).verdict is ASK
    assert decided(root, silent, silent, child).verdict is ASK


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("SRC/*", "src/a.py"),  # the pattern is folded, not only the subject
        ("ﬁles/*", "files/a"),
        ("./a.py", "./a.py"),  # as it was written
        ("a/b", "a//b"),  # as a file system reads it
        ("a/b", "./a/b"),
        ("./dir/*", "./dir"),  # a folder is touched by a rule for what is in it, as written
        ("dir/*", "./dir"),  # and as read
        ("[!a]*", "A.txt"),  # a class that only the unfolded name is in
    ],
)
def test_a_strict_pattern_touches_every_spelling(pattern: str, subject: str) -> None:
    assert denies(pattern, subject)
    assert not denies(pattern, "elsewhere.md" if pattern != "[!a]*" else "a.txt")


def test_a_rule_names_a_tool_whose_own_name_has_capitals() -> None:
    """Tools of other servers are called what those servers call them."""
    assert decided(PermissionRules(deny=("mcp:files/*",)), tool="mcp:Files/Delete").verdict is DENY
    assert decided(PermissionRules(deny=("MCP:FILES/delete",)), tool="mcp:Files/Delete").verdict is DENY


def test_the_reason_is_of_the_rule_that_decided_first() -> None:
    """A level that agrees with what stands changes nothing, not even the reason."""
    root, child = PermissionRules(deny=("fs.*",)), PermissionRules(deny=("fs.write",))
    assert "`fs.*`" in decided(root, child).why.en
    own = decided().why.en
    assert decided(PermissionRules(ask=("fs.write",))).why.en == own
    reads = decide((PermissionRules(allow=("fs.read",)),), (), "fs.read", ("a",), RiskLabel.SAFE, EffectRule.PURE)
    assert "only reads" in reads.why.en
    two = PermissionRules(deny=("fs.list(a)", "fs.list(b)"))
    unsure = decide((two,), (), "fs.list", (), RiskLabel.SAFE, EffectRule.PURE)
    assert unsure.verdict is ASK
    assert "`fs.list(a)`" in unsure.why.en


def test_an_unreadable_rule_is_shown_on_one_line_and_cut() -> None:
    with pytest.raises(BadPermissionRule) as caught:
        parse_rule("fs write\n" + "x" * 300)
    shown = caught.value.rule
    assert shown.startswith("fs write\\x0axx")
    assert len(shown) == 200
    assert shown in str(caught.value)


def test_a_rules_line_breaks_do_not_reach_the_reader() -> None:
    why = decided(PermissionRules(deny=("fs.write(docs/*\n)", "fs.write")), subjects=("docs/x\n",)).why
    assert "\n" not in why.en + why.fr


def test_verdicts_are_written_as_words() -> None:
    """Cards and journals hold them, so that their words may not change."""
    assert [verdict.value for verdict in Verdict] == ["allow", "ask", "deny"]
    assert [verdict.rank for verdict in Verdict] == [0, 1, 2]


# -- names of tools ------------------------------------------------------------------------------------------------

RUNS_CODE = """
eval exec execfile compile __import__ globals setattr os.system os.popen os.popen2 os.popen3 os.startfile os.fork
os.forkpty os.kill os.killpg os.abort os.execl os.execle os.execlp os.execlpe os.execv os.execve os.execvp os.execvpe
os.spawnl os.spawnle os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe os.posix_spawn os.posix_spawnp
os.remove os.removedirs os.rmdir os.unlink os.chmod os.chown os.chroot os.putenv os.setuid os.setgid posix.system
nt.system platform.popen commands.getoutput shutil.rmtree subprocess.run subprocess.check_output subprocess.anything
asyncio.create_subprocess_exec asyncio.create_subprocess_shell pickle.loads _pickle.loads cPickle.loads dill.load
marshal.loads shelve.open jsonpickle.decode yaml.load yaml.full_load yaml.unsafe_load ctypes.CDLL cffi.FFI
importlib.reload imp.load_source runpy.run_path pty.fork code.interact code.InteractiveConsole sys.settrace
sys.setprofile timeit.timeit multiprocessing.Process
subprocess pickle dill marshal shelve jsonpickle ctypes cffi importlib runpy pty
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", RUNS_CODE)
def test_what_runs_code_is_refused_by_a_list_of_its_own(name: str) -> None:
    """The validator's own list is no witness for itself: a name lost there would be lost in its test too."""
    assert "runs code" in str(danger(name).en)  # type: ignore[union-attr]
    assert danger(f"tools.{name}") is not None or name in ("compile", "globals", "setattr")


@pytest.mark.parametrize("prefix", ["builtins", "__builtins__", "__builtin__", "__main__", "python", "py"])
@pytest.mark.parametrize("name", ["compile", "globals", "setattr"])
def test_a_builtin_is_refused_under_every_name_of_its_module(prefix: str, name: str) -> None:
    assert danger(f"{prefix}.{name}") is not None
    assert danger(f"{prefix}.{prefix}.{name}") is not None


@pytest.mark.parametrize("name", [".compile", "compile.", "..setattr", "'globals'"])
def test_marks_around_a_name_hide_nothing(name: str) -> None:
    assert danger(name) is not None


@pytest.mark.parametrize("hidden", ["\u200b", "\x07", "\u0300", "\u20dd", "\u3000", "\u2028", "\u2029"])
def test_what_cannot_be_seen_in_a_name_is_looked_through(hidden: str) -> None:
    """The reason names what hides behind it, not only that something does."""
    assert "runs code" in danger(f"ev{hidden}al").en  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["mcp.redis.eval", "mcp.srv.exec", "mcp.srv.__import__", "mcp.srv.execfile", "a2a.peer.eval", "a2a.x.exec"]
)
def test_what_others_run_on_their_own_machines_is_theirs(name: str) -> None:
    assert danger(name) is None


@pytest.mark.parametrize("name", ["ldap.setattr", "lua.globals", "regex.compile"])
def test_a_harmless_function_of_another_module_passes(name: str) -> None:
    assert danger(name) is None


def refusals(data: object, validator: TemplateSecurityValidator = security_validator) -> list[str]:
    with pytest.raises(TemplateRefused) as caught:
        validator.validate(data)
    assert caught.value.where == "(memory)"
    return [reason.pointer for reason in caught.value.reasons]


def test_tools_are_looked_for_wherever_a_template_names_one() -> None:
    found = refusals(
        {
            "tools": ["fs.read", "eval"],
            "playbook": [3, "eval", {"tool": 3}, {"no": "tool"}, {"tool": "os.system"}],
            "permissions": {"allow": [3, "os.system(ls)", "exec"], "deny": ["eval"]},
        }
    )
    assert found == ["/tools/1", "/playbook/4/tool", "/permissions/allow/1", "/permissions/allow/2"]


@pytest.mark.parametrize("playbook", [[3], ["x"], [{"tool": 3}], [{"tool": None}], [None], {}])
def test_a_playbook_of_the_wrong_shape_is_left_to_the_parser(playbook: object) -> None:
    assert security_validator.validate({"playbook": playbook})


# -- size and shape ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["\ud800", 1j, "\0", {1: 2}])
def test_the_first_thing_that_is_not_json_ends_the_reading(bad: object) -> None:
    """One reason, not one for each of a million values."""
    assert refusals({"a": [bad] * 5}) == [""]


def test_a_template_that_is_no_object_is_not_read_at_all() -> None:
    assert refusals(["\ud800", 1j]) == [""]


def test_too_long_is_said_once() -> None:
    assert refusals({"a": ["xxxx"] * 50}, TemplateSecurityValidator(limits=TemplateLimits(characters=20))) == [""]


def nested(depth: int) -> object:
    value: object = []
    for _ in range(depth - 2):
        value = [value]
    return {"a": value}


def test_lists_nest_exactly_as_deep_as_objects() -> None:
    validator = TemplateSecurityValidator(limits=TemplateLimits(depth=5))
    assert validator.validate(nested(5))
    assert refusals(nested(6), validator) == [""]


@pytest.mark.parametrize(
    ("most", "pointer"),
    [
        (lambda more: {"a": "x" * (999_999 + more)}, ""),
        (lambda more: nested(64 + more), ""),
        (lambda more: {"a": [0] * (49_998 + more)}, ""),
        (lambda more: {"tools": ["fs.read"] * (256 + more)}, "/tools"),
        (lambda more: {"capabilities": ["c"] * (256 + more)}, "/capabilities"),
        (lambda more: {"hooks": {"before_process": ["h"] * (32 + more)}}, "/hooks"),
    ],
)
def test_the_default_limits_are_these(most, pointer) -> None:
    assert security_validator.validate(most(0))
    assert refusals(most(1)) == [pointer]


# -- secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("AWS", "AKIA" + "A1" * 8),  # twenty characters: the shortest of all
        ("AWS", "ASIA" + "B2" * 8),
        ("GitHub", "ghs_" + "a1" * 18),
        ("GitHub", "github_pat_" + "a_" * 30),
        ("OpenAI", "sk-proj-" + "a1" * 16),
        ("OpenAI", "sk-svcacct-" + "a1" * 16),
        ("OpenAI", "sk-" + "a1" * 16),
        ("Anthropic", "sk-ant-" + "a1" * 16),
        ("Anthropic", "sk-ant-api03-" + "a1" * 45),
        ("OpenRouter", "sk-or-v1-" + "a1" * 32),
        ("OpenAI", "sk-service-T3BlbkFJ" + "a1" * 10),
        ("Slack", "https://hooks.sl" + "ack.com/services/T01ABCDEF/B01ABCDEF/" + "a1" * 12),
        ("Stripe", "rk_live_" + "a1" * 10),
        ("PEM", "-----BEGIN PRIVATE KEY-----"),
        ("PEM", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_a_key_is_seen_alone_and_named(kind: str, secret: str) -> None:
    with pytest.raises(TemplateRefused) as caught:
        security_validator.validate({"a": secret})
    (reason,) = caught.value.reasons
    assert kind in reason.what.en
    assert secret not in str(caught.value)


@pytest.mark.parametrize("text", ["-----END PRIVATE KEY-----", "-----BEGIN PRIVATE LETTER-----", "a PRIVATE KEY-----"])
def test_what_only_speaks_of_a_key_is_none(text: str) -> None:
    assert security_validator.validate({"a": text})
