"""What only mutation testing found unguarded in the risk engine; see docs/mutation.md.

The two readers of a line check each other and what is not understood asks, so that most faults only
make a label stricter: a test for "at least unknown" does not see them. Here every line has exactly
its label and exactly its reasons.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import judge_argv, judge_line
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.words import visible

WORKSPACE = PurePosixPath("/work/space")
BASH = shutil.which("bash")
JUDGED = Path(__file__).with_name("risk_judgements.txt")


def judgements() -> list[tuple[str, str, list[str]]]:
    """Label, line and reasons of each row: ``LABEL LINE -> REASON x ¦ REASON x``, the line with Python's escapes."""
    found = []
    for row in JUDGED.read_text(encoding="utf-8").splitlines():
        if not row.startswith("# "):
            label, rest = row.split(None, 1)
            line, _, reasons = rest.partition("  ->  ")
            text = line.encode("latin-1").decode("unicode_escape")
            found.append((label, text, reasons.split(" ¦ ") if reasons else []))
    return found


def said(reason: str) -> str:
    """A reason's text, for a regular expression."""
    name, _, x = reason.partition(" ")
    texts: Texts = getattr(why, name)
    return re.escape(texts.en).replace(r"\{x\}", re.escape(x)).replace(r"\{y\}", ".*")


@pytest.mark.parametrize(("label", "line", "reasons"), judgements(), ids=[ascii(line) for _, line, _ in judgements()])
def test_a_line_has_its_label_for_its_reasons(label: str, line: str, reasons: list[str]) -> None:
    risk = judge_line(line, WORKSPACE)
    assert risk.label is RiskLabel(label), risk.reasons
    shown = [reason for reason in risk.reasons if reason != why.ONLY_READS.en]
    assert len(shown) == len(reasons), shown
    for text, reason in zip(shown, reasons, strict=True):
        assert re.fullmatch(said(reason), text, re.DOTALL), (text, reason)


# -- words, as bash reads them -----------------------------------------------------------------------------------------

WORDS = [
    r"a'b c'd 'a''b' '' 'a\b' 'a\'b",
    r'"a b" "a\$b" "a\`b" "a\"b" "a\\b" "a\nb" "a\ b" "" "$" "a$" "a\b"',
    '"a\\\nb" "\\\n" a"b\\\nc"d',
    r"a\ b \$x \\ a\\b \'a\" \*a \~ \# a#b \{a,b} \é \éa \😀b",
    r"$'a\x41b' $'\x4g' $'\101' $'\1012' $'\60' $'\u00e9' $'\u41' $'\U0001F600' $'\U41g'",
    r"$'\'' $'\"' $'\?' $'\q' $'\e' $'\E' $'\a\b\f\n\r\t\v' $'a b' $'\$x' $'\\'",
    r"$'\cA' $'\ca' $'\c?' $'\c[x'",
    r"{a,b} x{a,b}y {a,{b,c}} {a,b}{c,d} {a} a{b,c {} a{}b b}a {a,b}} {{a,b},c} {a,b",
    r"""a{'b',"c"}d a{'b,c'} {a,'b c'} {a,'}'} a"{b,c}" '{a,b}' {a,b\,c} {a\,b} a{b,'c}'} {$'\x41',b}""",
    r"$ a$ {a..} a$/b",
    r"a=b --a=b -a a: a@b a% ^a a+b a,b a! é à日本",
]


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize("words", WORDS)
def test_words_are_what_bash_makes_of_them(words: str) -> None:
    """The argv that is judged is the argv that would run. Words the two readers see differently ask anyway."""
    seen = subprocess.run(
        [str(BASH), "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    ).stdout
    (command,) = judge_line(f"ls {words}", WORKSPACE).commands
    assert [visible(text) for text in seen.decode().split("\0")[:-1]] == shlex.split(command.argv_text)[1:]


# -- tables that are no witness for themselves -------------------------------------------------------------------------

STRICT = {
    "destructive": """
        rm unlink shred wipe srm truncate dd mkfs mke2fs wipefs fdisk sfdisk cfdisk gdisk sgdisk parted blkdiscard
        badblocks mkswap fstrim hdparm trash gio-trash rimraf del erase deltree format lvremove vgremove pvremove zfs
        zpool cryptsetup kill pkill killall killall5 xkill skill fuser
    """,
    "privileged": """
        systemctl service initctl rc-service rc-update launchctl loginctl hostnamectl timedatectl localectl
        journalctl-vacuum shutdown reboot halt poweroff init telinit mount umount swapon swapoff losetup pivot_root
        insmod rmmod modprobe depmod iptables ip6tables nft ufw firewall-cmd iptables-restore sysctl setcap setfacl
        chattr useradd userdel usermod adduser deluser groupadd groupdel groupmod addgroup delgroup gpasswd passwd
        chpasswd chsh chfn vipw vigr visudo sudoedit ldconfig update-alternatives update-grub grub-install
        grub-mkconfig dpkg-reconfigure update-initramfs mknod hwclock ntpdate setenforce semanage aa-disable
        apparmor_parser bpftool kexec ifconfig route tc brctl wg wg-quick nmcli networksetup scutil defaults csrutil
        spctl netsh reg sc schtasks bcdedit setx xattr quotaon edquota auditctl debugfs xfs_admin tune2fs
        crontab at batch anacron systemd-run
        apt-get aptitude yum zypper pacman apk emerge snap flatpak nix-env nix-channel port pkg pkgin dpkg rpm
        rpm-ostree opkg pipx easy_install conda mamba micromamba gem cpan cpanm luarocks choco winget scoop rustup nvm
        pyenv rbenv asdf mise sdk volta brew apt dnf npx uvx bunx pnpx
        sudo su doas pkexec runuser sg newgrp chroot unshare nsenter setpriv capsh bwrap firejail systemd-nspawn
        machinectl gosu su-exec runcon kexec-load dzdo calife please run0 setuidgid chpst
        docker docker-compose podman podman-compose nerdctl ctr crictl buildah skopeo lxc lxd lxc-attach incus
    """,
    "network": """
        mtr nmap fping speedtest speedtest-cli iperf iperf3 ntpq avahi-browse smbclient
        curl wget ping dig nslookup host whois traceroute tracepath
    """,
}
SUBCOMMANDS = {
    "privileged": """
        pip:install,uninstall uv:install,add,remove,sync,lock,update,upgrade,self,tool,python,pip
        poetry:add,self pdm:add pipenv:install hatch:python
        npm:install,i,ci,add,remove,rm,uninstall,un,update,up,upgrade,link,unlink,create,x
        npm:rebuild,prune,dedupe,global,dlx,install-test,it yarn:add pnpm:dlx bun:x
        cargo:install,uninstall go:get bundle:install,update,add,remove composer:require
        make:install,uninstall gmake:install ninja:install just:install
    """,
    "destructive": """
        cargo:clean go:clean make:clean,distclean,mrproper gmake:clean ninja:clean just:clean
        kubectl:delete,drain oc:delete helm:uninstall terraform:destroy tofu:destroy pulumi:destroy
        git:clean,rm,restore,checkout,reset,gc,prune,filter-branch,filter-repo,update-ref,update-index,read-tree
        git:checkout-index,symbolic-ref,replace,fast-import,pack-refs,repack,unpack-objects,multi-pack-index
        git:prune-packed
    """,
    "network": """
        pip:download,index npm:view,info,show,search,outdated,audit,ping apt-get:download,changelog
        git:fetch,ls-remote,clone,pull,push,fetch-pack,send-pack
    """,
}
FEEDERS = """
base64 base32 basenc xxd uudecode openssl gpg gunzip zcat bzcat xzcat zstdcat gzip bzip2 xz zstd rev tr sed awk perl
python printf od ssh scp sftp rsync nc ncat netcat socat telnet rsh rlogin rexec mosh autossh sshpass sshfs lftp tftp
aria2c axel http https httpie aws gcloud az gsutil s3cmd rclone kubectl helm oc ngrok cloudflared wscat grpcurl curl
wget dig
""".split()  # noqa: SIM905
SHELLS = "sh bash dash zsh ksh mksh ash yash fish csh tcsh rbash posh elvish nu xonsh".split()  # noqa: SIM905
INTERPRETERS = """
python pypy ipython perl ruby node nodejs deno php lua luajit Rscript R julia tclsh wish expect guile racket sbcl
clisp erl elixir iex groovy scala kotlin jshell java irb pry jrb osascript gnuplot octave bc dc m4 ghci runghc ocaml
swipl gprolog
""".split()  # noqa: SIM905
RUNNERS = """
time | timeout 5 | nice | ionice | stdbuf -oL | command | nohup | setsid | exec | builtin | coproc | sudo | doas |
pkexec | gosu me | run0 | chroot d | unshare | nsenter | strace | ltrace | valgrind | taskset 1 | chrt 1 | setarch x |
linux32 | linux64 | flock f | faketime t | unbuffer | chronic | eatmydata | xvfb-run | dbus-run-session | busybox |
toybox | watch | xargs | env | eval | ssh h | uv run | poetry run | pdm run | pipenv run | hatch run |
flock f -c | bundle exec | npm exec | pnpm exec | conda run | rbenv exec | pyenv exec | docker exec c | podman exec c
"""


@pytest.mark.parametrize("label", STRICT)
def test_each_dangerous_program_is_known_as_what_it_is(label: str) -> None:
    """A program lost from its table would be unknown: asked for, but not as what it is."""
    judged = {name: judge_argv([name], WORKSPACE).label.value for name in STRICT[label].split()}
    assert judged == dict.fromkeys(judged, label)


@pytest.mark.parametrize("label", SUBCOMMANDS)
def test_each_dangerous_subcommand_is_known_as_what_it_is(label: str) -> None:
    for row in SUBCOMMANDS[label].split():
        program, _, words = row.partition(":")
        for word in words.split(","):
            assert judge_argv([program, word], WORKSPACE).label.value == label, (program, word)


@pytest.mark.parametrize("runner", [runner.strip() for runner in RUNNERS.split("|")])
def test_what_others_run_is_a_command_of_its_own(runner: str) -> None:
    """A rule against ``rm`` sees it behind each program that runs others."""
    risk = judge_line(f"{runner} rm x", WORKSPACE)
    assert risk.label.rank >= RiskLabel.DESTRUCTIVE.rank
    assert any(subject.startswith("rm x") or subject == "rm …" for subject in risk.subjects), risk.subjects


@pytest.mark.parametrize("feeder", FEEDERS)
def test_what_hides_or_fetches_a_script_makes_it_privileged(feeder: str) -> None:
    for reader in ("sh", "python"):
        assert judge_line(f"{feeder} a | {reader}", WORKSPACE).label is RiskLabel.PRIVILEGED


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_runs_its_line_and_its_input(shell: str) -> None:
    assert "rm x" in judge_line(f"{shell} -c 'rm x'", WORKSPACE).subjects
    assert "rm x" in judge_line(f"{shell} <<< 'rm x'", WORKSPACE).subjects


@pytest.mark.parametrize("language", INTERPRETERS)
def test_each_language_is_known_to_run_code(language: str) -> None:
    risk = judge_line(f"cat a | {language}", WORKSPACE)
    assert "runs what other commands hand it" in " ".join(risk.reasons)
    assert judge_line(f"curl h | {language}", WORKSPACE).label is RiskLabel.PRIVILEGED


# -- where a path points -----------------------------------------------------------------------------------------------


def test_the_system_is_no_workspace_even_from_its_root() -> None:
    """With ``/`` as the workspace everything is inside, but not what the kernel shows as files."""
    for path in ("/proc/1/environ", "/sys/x", "/dev/sda", "/run/secrets/a", "/boot/x"):
        assert judge_line(f"cat {path}", PurePosixPath("/")).label is RiskLabel.UNKNOWN
    assert judge_line("cat /srv/a", PurePosixPath("/")).label is RiskLabel.SAFE


def test_a_line_in_french_shows_the_same_things() -> None:
    risk = judge_line("rm x > ../y", WORKSPACE, "fr")
    assert risk.reasons == ("écrase `../y`, hors de l'espace de travail", "`rm` supprime ou écrase sans retour")
    assert judge_line("touch .git/config", WORKSPACE, "fr").reasons[0].startswith("écrit le fichier de contrôle")
