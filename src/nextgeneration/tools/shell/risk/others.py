"""Programs that are never safe, whatever their arguments: what they do, by label."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.listed import listed
from nextgeneration.tools.shell.risk.reasons import DESTRUCTIVE, NETWORK, PRIVILEGED, UNKNOWN

_LISTS: tuple[tuple[RiskLabel, Texts, str], ...] = (
    (
        DESTRUCTIVE,
        why.DELETES,
        (
            "rm unlink shred wipe srm truncate dd mkfs mke2fs wipefs fdisk sfdisk cfdisk gdisk sgdisk parted "
            "blkdiscard badblocks mkswap fstrim hdparm trash gio-trash rimraf del erase deltree format "
            "lvremove vgremove pvremove zfs zpool cryptsetup"
        ),
    ),
    (DESTRUCTIVE, why.ENDS_PROCESSES, "kill pkill killall killall5 xkill skill fuser"),
    (
        PRIVILEGED,
        why.ADMINISTERS,
        (
            "systemctl service initctl rc-service rc-update launchctl loginctl hostnamectl timedatectl "
            "localectl journalctl-vacuum shutdown reboot halt poweroff init telinit mount umount swapon "
            "swapoff losetup pivot_root insmod rmmod modprobe depmod iptables ip6tables nft ufw firewall-cmd "
            "iptables-restore sysctl setcap setfacl chattr useradd userdel usermod adduser deluser groupadd "
            "groupdel groupmod addgroup delgroup gpasswd passwd chpasswd chsh chfn vipw vigr visudo sudoedit "
            "ldconfig update-alternatives update-grub grub-install grub-mkconfig dpkg-reconfigure "
            "update-initramfs mknod hwclock ntpdate setenforce semanage aa-disable apparmor_parser bpftool "
            "kexec ifconfig route tc brctl wg wg-quick nmcli networksetup scutil defaults csrutil spctl netsh "
            "reg sc schtasks bcdedit setx xattr quotaon edquota auditctl debugfs xfs_admin tune2fs"
        ),
    ),
    (PRIVILEGED, why.SCHEDULES, "crontab at batch anacron systemd-run"),
    (
        PRIVILEGED,
        why.INSTALLS,
        (
            "apt-get aptitude yum zypper pacman apk emerge snap flatpak nix-env nix-channel port pkg pkgin "
            "dpkg rpm rpm-ostree opkg pipx easy_install conda mamba micromamba gem cpan cpanm luarocks choco "
            "winget scoop rustup nvm pyenv rbenv asdf mise sdk volta"
        ),
    ),
    (
        PRIVILEGED,
        why.BECOMES_ROOT,
        (
            "sudo su doas pkexec runuser sg newgrp chroot unshare nsenter setpriv capsh bwrap firejail "
            "systemd-nspawn machinectl gosu su-exec runcon kexec-load dzdo calife please run0 setuidgid chpst"
        ),
    ),
    (
        PRIVILEGED,
        why.CONTAINERS,
        "docker docker-compose podman podman-compose nerdctl ctr crictl buildah skopeo lxc lxd lxc-attach incus",
    ),
    (
        UNKNOWN,
        why.RUNS_CODE,
        (
            "make gmake ninja cmake meson bazel buck pants scons just task rake grunt gulp ant mvn gradle "
            "gradlew sbt lein mill tox nox pytest unittest nose2 coverage jest vitest mocha ava karma cypress "
            "playwright go cargo dotnet swift xcodebuild zig stack cabal mix rebar3 flutter dart pre-commit "
            "invoke fab ansible ansible-playbook vagrant packer terraform tofu pulumi nix nix-shell nix-build "
            "tsc eslint prettier webpack vite rollup esbuild parcel next nuxt ng turbo nx lerna black isort "
            "mypy pylint flake8 bandit ruff alembic flask django-admin uvicorn gunicorn hypercorn celery "
            "jupyter jupyter-notebook ipython mysql psql sqlite3 mongo mongosh redis-cli gcc g++ cc clang "
            "clang++ ld as rustc javac ghc ocaml nim crystal latex pdflatex xelatex lualatex tex convert "
            "magick ffmpeg pandoc gdb lldb protoc ctest autoreconf configure aclocal automake autoconf "
            "libtool m4 perf bpftrace hatch flit patch rsync gpg openssl ssh-keygen ssh-agent ssh-add tshark "
            "tcpdump csplit crystal"
        ),
    ),
    (
        UNKNOWN,
        why.INTERACTIVE,
        (
            "less more most man info vi vim nvim view vimdiff rvim gvim ed ex emacs emacsclient nano pico joe "
            "mcedit mc top htop btop screen tmux ftp mail mutt lynx w3m links elinks pg watch fzf gh glab tig "
            "lazygit code subl dialog whiptail expect script"
        ),
    ),
    (
        UNKNOWN,
        why.RUNS_OTHERS,
        (
            "parallel entr inotifywait xdg-open open start rlwrap socat-exec run-parts dbus-send gdbus "
            "osascript automator wsl cmd pwsh powershell start-stop-daemon daemonize supervisord "
            "supervisorctl pm2 forever foreman"
        ),
    ),
    (
        UNKNOWN,
        why.MACHINE_FACTS,
        (
            "env printenv ps pgrep pidof free uptime vmstat iostat mpstat sar df lsblk blkid lsof ss netstat "
            "ip arp dmesg journalctl last lastlog who w users finger lscpu lsmem lspci lsusb lshw dmidecode "
            "sensors nvidia-smi findmnt getent locate mlocate plocate updatedb history jobs ulimit locale "
            "xset xrandr pbpaste xclip xsel wl-paste security secret-tool pass"
        ),
    ),
    (
        UNKNOWN,
        why.SHELL_STATE,
        (
            "alias unalias export declare typeset local readonly unset shopt enable hash bind complete "
            "compgen compopt read readarray mapfile getopts let pushd popd dirs shift umask times caller "
            "disown fg bg suspend logout help fc ulimit"
        ),
    ),
    (NETWORK, why.NEEDS_NETWORK, "mtr nmap fping speedtest speedtest-cli iperf iperf3 ntpq avahi-browse smbclient"),
)

OTHERS: dict[str, tuple[RiskLabel, Texts]] = {
    name: (label, texts) for label, texts, names in reversed(_LISTS) for name in names.split()
}
"""Label and reason of each; of programs that stand in two lists the earlier counts."""

TRANSFERS = listed(
    "ssh scp sftp rsync nc ncat netcat socat telnet rsh rlogin rexec mosh autossh sshpass sshfs lftp "
    "tftp aria2c axel http https httpie aws gcloud az gsutil s3cmd rclone kubectl helm oc ngrok "
    "cloudflared wscat grpcurl"
)
"""Programs that act on other machines or carry files there."""

SHELLS = listed("sh bash dash zsh ksh mksh ash yash fish csh tcsh rbash posh elvish nu xonsh")
"""They run what they are given with ``-c``, as a file, or on their input."""

INTERPRETERS = listed(
    "python pypy ipython perl ruby node nodejs deno bun php lua luajit Rscript R julia tclsh wish "
    "expect guile racket sbcl clisp erl elixir iex groovy scala kotlin jshell java irb pry jrb "
    "osascript gnuplot octave bc dc m4 ghci runghc ocaml swipl gprolog busybox toybox"
)
"""Languages: what they run is not judged, so it is never safe."""

DECODERS = listed(
    "base64 base32 basenc xxd uudecode openssl gpg gunzip zcat bzcat xzcat zstdcat gzip bzip2 xz zstd "
    "rev tr sed awk perl python printf od"
)
"""They can hide what they hand on."""

_PYTHON_PROJECTS = "uv poetry pdm pipenv hatch"
_NODE = "npm yarn pnpm bun"
_ROWS: tuple[tuple[str, RiskLabel, Texts, str], ...] = (
    ("pip", PRIVILEGED, why.INSTALLS, "install uninstall"),
    ("pip", NETWORK, why.NEEDS_NETWORK, "download index"),
    ("pip", UNKNOWN, why.MACHINE_FACTS, "list show freeze check config cache debug inspect hash wheel"),
    (_PYTHON_PROJECTS, PRIVILEGED, why.INSTALLS, "install add remove sync lock update upgrade self tool python pip"),
    (_PYTHON_PROJECTS, UNKNOWN, why.RUNS_CODE, "run build shell publish init export tree venv env version x"),
    (_NODE, PRIVILEGED, why.INSTALLS, "install i ci add remove rm uninstall un update up upgrade link unlink create x"),
    (_NODE, PRIVILEGED, why.INSTALLS, "rebuild prune dedupe global dlx install-test it"),
    (_NODE, UNKNOWN, why.RUNS_CODE, "run run-script test t start stop restart exec pack init version build dev"),
    (_NODE, UNKNOWN, why.SENDS, "publish unpublish deprecate owner token login adduser logout"),
    (_NODE, NETWORK, why.NEEDS_NETWORK, "view info show search outdated audit ping"),
    ("npx uvx bunx pnpx apt-cache dpkg-query", UNKNOWN, why.MACHINE_FACTS, ""),
    ("cargo go", PRIVILEGED, why.INSTALLS, "install uninstall get"),
    ("cargo go", DESTRUCTIVE, why.DELETES, "clean"),
    ("cargo go", UNKNOWN, why.SENDS, "publish login yank owner"),
    ("bundle composer", PRIVILEGED, why.INSTALLS, "install update add remove require"),
    ("bundle composer", UNKNOWN, why.RUNS_CODE, "exec run run-script"),
    ("make gmake ninja just", PRIVILEGED, why.INSTALLS, "install uninstall"),
    ("make gmake ninja just", DESTRUCTIVE, why.DELETES, "clean distclean mrproper"),
    ("apt", UNKNOWN, why.MACHINE_FACTS, "list search show policy"),
    ("apt-get", NETWORK, why.NEEDS_NETWORK, "download changelog"),
    ("dnf yum zypper pacman apk brew", UNKNOWN, why.MACHINE_FACTS, "list search info config doctor"),
    (
        "docker podman",
        UNKNOWN,
        why.MACHINE_FACTS,
        "ps images inspect logs version info top stats port diff history events",
    ),
    ("docker-compose compose", UNKNOWN, why.MACHINE_FACTS, "ps ls config images logs version top port events"),
    (
        "systemctl",
        UNKNOWN,
        why.MACHINE_FACTS,
        "status is-active is-enabled is-failed list-units list-unit-files show cat",
    ),
    ("kubectl oc helm", DESTRUCTIVE, why.DELETES, "delete drain uninstall"),
    ("terraform tofu pulumi", DESTRUCTIVE, why.DELETES, "destroy"),
)


def _subcommands() -> dict[str, dict[str, tuple[RiskLabel, Texts]]]:
    table: dict[str, dict[str, tuple[RiskLabel, Texts]]] = {}
    for programs, label, texts, words in _ROWS:
        for program in programs.split():
            table.setdefault(program, {}).update(dict.fromkeys(words.split(), (label, texts)))
    return table


SUBCOMMANDS = _subcommands()
"""Programs whose first operand decides; ``compose`` is that of ``docker compose``."""

SUBCOMMAND_DEFAULTS: dict[str, tuple[RiskLabel, Texts]] = {
    "pip": (UNKNOWN, why.RUNS_CODE),
    "brew": (PRIVILEGED, why.INSTALLS),
    "apt": (PRIVILEGED, why.INSTALLS),
    "dnf": (PRIVILEGED, why.INSTALLS),
    "compose": (PRIVILEGED, why.CONTAINERS),
    "npx": (PRIVILEGED, why.INSTALLS),
    "uvx": (PRIVILEGED, why.INSTALLS),
    "bunx": (PRIVILEGED, why.INSTALLS),
    "pnpx": (PRIVILEGED, why.INSTALLS),
    "apt-cache": (UNKNOWN, why.MACHINE_FACTS),
    "dpkg-query": (UNKNOWN, why.MACHINE_FACTS),
}
"""What they do with any other first operand, where :data:`OTHERS` does not say."""
