"""Programs that change files or reach the network in ways their arguments show."""

from __future__ import annotations

from nextgeneration.tools.shell.risk import checks
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.grammar import Program
from nextgeneration.tools.shell.risk.reasons import NETWORK, WRITE


def _writer(flags: str, operands: str = "write", **more: object) -> Program:
    return Program(flags, operands=operands, label=WRITE, reason=why.CHANGES, **more)  # type: ignore[arg-type]


def _network(flags: str, operands: str = "text", **more: object) -> Program:
    return Program(flags, operands=operands, label=NETWORK, reason=why.NEEDS_NETWORK, **more)  # type: ignore[arg-type]


_COMPRESS = (
    "-c -d -f -k -l -n -N -q -r -t -v --stdout --decompress --force --keep --list --quiet --recursive --test --verbose"
)
_DEEP = ("-r", "--recursive")

WRITERS: dict[str, Program] = {
    "touch": _writer("-a -c -h -m -d= -r=r -t= --no-create --date= --reference=r --time= --no-dereference"),
    "mkdir": _writer("-p -v -m= --parents --verbose --mode="),
    "rmdir": _writer("-p -v --parents --verbose --ignore-fail-on-non-empty"),
    "mkfifo": _writer("-m= --mode="),
    "tee": _writer("-a -i -p --append --ignore-interrupts"),
    "cp": _writer(
        "-a -d -f -i -l -L -n -p -P -r -R -s -t=w -T -u -v -x --archive --force --interactive --link "
        "--dereference --no-clobber --no-dereference --preserve? --recursive --symbolic-link "
        "--target-directory=w --no-target-directory --update? --verbose --one-file-system --reflink? "
        "--parents",
        "copy",
        follows=("-L", "--dereference"),
    ),
    "mv": _writer(
        "-f -i -n -t=w -T -u -v --force --interactive --no-clobber --target-directory=w "
        "--no-target-directory --update? --verbose",
        "move",
    ),
    "install": _writer("-D -d -m= -p -t=w -T -v --directory --mode= --target-directory=w --verbose", "copy"),
    "ln": _writer(
        "-f -i -n -r -s -t=w -T -v -L -P --force --relative --symbolic --no-dereference --verbose --target-directory=w",
        "copy",
        check=checks.link,
    ),
    "chmod": _writer(
        "-c -f -v -R --changes --silent --quiet --verbose --recursive --reference=r", "mode", check=checks.chmod
    ),
    "chown": _writer("-c -f -v -R -h --changes --silent --verbose --recursive --no-dereference --reference=r", "mode"),
    "chgrp": _writer("-c -f -v -R -h --changes --silent --verbose --recursive --no-dereference --reference=r", "mode"),
    "split": Program(
        "-a= -b= -C= -d -l= -n= -x --bytes= --lines= --number= --verbose",
        operands="write",
        label=WRITE,
        reason=why.CHANGES,
        numbers=True,
    ),
    "gzip": Program(_COMPRESS + " --fast --best", "any", numbers=True, follows=_DEEP, check=checks.compress),
    "gunzip": Program(_COMPRESS, "any", follows=_DEEP, check=checks.compress),
    "bzip2": Program(_COMPRESS, "any", numbers=True, check=checks.compress),
    "bunzip2": Program(_COMPRESS, "any", check=checks.compress),
    "xz": Program(_COMPRESS + " -e -T= --threads=", "any", numbers=True, check=checks.compress),
    "unxz": Program(_COMPRESS, "any", check=checks.compress),
    "zip": _writer("-r -q -v -j -x= -u -9 -1", "write", follows=_DEEP),
    "unzip": Program("-l -t -p -v -Z -q -o -n -j -d=", operands="any", check=checks.unzip),
    "tar": Program(
        "-c -x -t -r -u -f= -v -z -j -J -C= -p -k -h -a -O --create --extract --get --list --append "
        "--update --file= --verbose --gzip --bzip2 --xz --zstd --directory= --exclude= "
        "--strip-components= --keep-old-files --auto-compress --to-stdout",
        operands="read",
        lists=True,
        check=checks.tar,
    ),
    # Formatters: they change the files they are given, and nothing else.
    "gofmt": _writer("-l -w -d -s -e"),
    "rustfmt": _writer("--check --edition="),
    "shfmt": _writer("-w -l -d -i="),
    # Network.
    "curl": _network(
        "-s -S -L -f -I -i -v -k -4 -6 -g -G -N -q -o=w -O -J -X= -H= -A= -e= -m= -d= -T=r -F= -u= -r= "
        "-w= -b= -c=w -x= --silent --show-error --location --fail --fail-with-body --head --include "
        "--verbose --insecure --get --output=w --remote-name --remote-header-name --request= --header= "
        "--user-agent= --referer= --max-time= --connect-timeout= --data= --data-raw= --data-binary= "
        "--data-urlencode= --json= --upload-file=r --form= --compressed --retry= --retry-delay= "
        "--max-redirs= --cookie= --user= --range= --write-out= --url= --no-progress-meter --globoff "
        "--ipv4 --ipv6 --http1.1 --http2 --progress-bar -# --create-dirs --dump-header=w -D=w --proto= "
        "--tlsv1.2",
        "any",
        check=checks.curl,
    ),
    "wget": Program(
        "-q -nv -v -S -c -N -O=w -P=w -T= -t= -U= --quiet --spider --server-response --continue "
        "--timestamping --output-document=w --directory-prefix=w --timeout= --tries= --user-agent= "
        "--header= --no-check-certificate --show-progress --max-redirect=",
        operands="any",
        label=NETWORK,
        reason=why.NEEDS_NETWORK,
        check=checks.curl,
    ),
    "ping": _network("-c= -i= -w= -W= -n -q -4 -6"),
    "dig": _network("-t= -4 -6 +short +trace +noall +answer"),
    "nslookup": _network(""),
    "host": _network("-a -t= -4 -6 -v"),
    "whois": _network(""),
    "traceroute": _network("-n -m= -w= -q= -4 -6"),
    "tracepath": _network("-n -m="),
}
