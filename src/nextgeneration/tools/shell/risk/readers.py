"""Programs that only read, and the options with which they do."""

from __future__ import annotations

from nextgeneration.tools.shell.risk import checks
from nextgeneration.tools.shell.risk.grammar import Program
from nextgeneration.tools.shell.risk.listed import listed

_CHECKSUM = Program("-b -t -z --binary --text --tag --zero --help --version")

READERS: dict[str, Program] = {
    # Files as they are.
    "cat": Program(
        "-A -b -e -E -n -s -t -T -u -v --show-all --number --number-nonblank --squeeze-blank --show-ends "
        "--show-tabs --show-nonprinting --help --version",
        mild=True,
    ),
    "tac": Program("-b -r -s= --before --regex --separator= --help --version", mild=True),
    "head": Program(
        "-n= -c= -q -v -z --lines= --bytes= --quiet --silent --verbose --zero-terminated --help --version",
        numbers=True,
        mild=True,
    ),
    "tail": Program(
        "-n= -c= -q -v -z --lines= --bytes= --quiet --silent --verbose --zero-terminated --help --version",
        numbers=True,
        mild=True,
    ),
    "nl": Program(
        "-b= -d= -f= -h= -i= -l= -n= -p -s= -v= -w= --body-numbering= --number-width= --help --version", mild=True
    ),
    "od": Program(
        "-A= -t= -N= -j= -v -a -b -c -d -f -i -l -o -s -x -w? --format= --read-bytes= --skip-bytes= --help --version"
    ),
    "hexdump": Program("-b -c -C -d -n= -o -s= -v -x --canonical --length= --skip= --help --version"),
    "xxd": Program("-a -b -c= -e -g= -i -l= -o= -p -ps -s= -u --help --version", most=1),
    "strings": Program(
        "-a -n= -t= -e= -f -o --all --bytes= --radix= --encoding= --help --version",
        numbers=True,
        mild=True,
        lists=True,
    ),
    "rev": Program("--help --version", mild=True),
    # Lines and fields.
    "wc": Program(
        "-c -m -l -L -w --bytes --chars --lines --words --max-line-length --total= --help --version", mild=True
    ),
    "cut": Program(
        "-b= -c= -d= -f= -n -s -z --bytes= --characters= --delimiter= --fields= --complement "
        "--only-delimited --output-delimiter= --zero-terminated --help --version",
        mild=True,
    ),
    "sort": Program(
        "-b -d -f -g -h -i -M -n -R -r -V -c -C -k= -m -s -t= -u -z --ignore-leading-blanks "
        "--dictionary-order --ignore-case --general-numeric-sort --human-numeric-sort --month-sort "
        "--numeric-sort --reverse --version-sort --check? --key= --merge --stable --field-separator= "
        "--unique --zero-terminated --sort= --parallel= --debug --help --version"
    ),
    "uniq": Program(
        "-c -d -D -f= -i -s= -u -w= -z --count --repeated --all-repeated? --skip-fields= --ignore-case "
        "--skip-chars= --unique --check-chars= --zero-terminated --group? --help --version",
        most=1,
    ),
    "comm": Program(
        "-1 -2 -3 -z --check-order --nocheck-order --output-delimiter= --total --zero-terminated --help --version"
    ),
    "join": Program("-a= -e= -i -j= -o= -t= -v= -1= -2= --check-order --nocheck-order --header --help --version"),
    "paste": Program("-d= -s -z --delimiters= --serial --zero-terminated --help --version", mild=True),
    "column": Program(
        "-t -s= -o= -x -c= -n= -N= -R= -H= -J --table --separator= --output-separator= --json --help --version"
    ),
    "fold": Program("-b -s -w= --bytes --spaces --width= --help --version", numbers=True, mild=True),
    "fmt": Program(
        "-c -s -t -u -w= -p= -g= --width= --split-only --uniform-spacing --help --version", numbers=True, mild=True
    ),
    "expand": Program("-i -t= --initial --tabs= --help --version", mild=True),
    "unexpand": Program("-a -t= --all --first-only --tabs= --help --version", mild=True),
    "tr": Program(
        "-c -C -d -s -t --complement --delete --squeeze-repeats --truncate-set1 --help --version", operands="text"
    ),
    "base64": Program("-d -i -w= --decode --ignore-garbage --wrap= --help --version", most=1),
    "base32": Program("-d -i -w= --decode --ignore-garbage --wrap= --help --version", most=1),
    "md5sum": _CHECKSUM,
    "sha1sum": _CHECKSUM,
    "sha224sum": _CHECKSUM,
    "sha256sum": _CHECKSUM,
    "sha384sum": _CHECKSUM,
    "sha512sum": _CHECKSUM,
    "b2sum": _CHECKSUM,
    "cksum": _CHECKSUM,
    "sum": Program("-r -s", mild=True),
    "zcat": Program("-f -q -v --help --version"),
    # Searching and comparing.
    "grep": Program(
        "-E -F -G -P -e= -f=r -i -v -w -x -y -c -L -l -m= -o -q -s -b -H -h -n -T -Z -z -A= -B= -C= -a -I "
        "-r -d= -D= -U --extended-regexp --fixed-strings --basic-regexp --perl-regexp --regexp= --file=r "
        "--ignore-case --no-ignore-case --invert-match --word-regexp --line-regexp --count --color? "
        "--colour? --files-without-match --files-with-matches --max-count= --only-matching --quiet "
        "--silent --no-messages --byte-offset --with-filename --no-filename --label= --line-number "
        "--initial-tab --null --null-data --after-context= --before-context= --context= --text "
        "--binary-files= --exclude= --exclude-dir= --include= --recursive --line-buffered --help "
        "--version -V",
        operands="pattern",
        numbers=True,
        mild=True,
    ),
    "rg": Program(
        "-A= -B= -C= -c -e= -E= -F -f=r -g= -H -h -I -i -j= -l -m= -M= -N -n -o -P -p -q -r= -s -S -T= "
        "-t= -U -u -v -V -w -x -0 -. --after-context= --before-context= --context= --count "
        "--count-matches --regexp= --encoding= --fixed-strings --file=r --glob= --iglob= --with-filename "
        "--no-filename --heading --no-heading --ignore-case --threads= --files --files-with-matches "
        "--files-without-match --max-count= --max-columns= --max-depth= -d= --max-filesize= --line-number "
        "--no-line-number --only-matching --pcre2 --pretty --quiet --replace= --case-sensitive "
        "--smart-case --type-not= --type= --type-list --multiline --multiline-dotall --unrestricted "
        "--invert-match --word-regexp --line-regexp --null --hidden --no-ignore --no-ignore-vcs "
        "--no-messages --color= --colors= --column --no-column --json --stats --trim --vimgrep --sort= "
        "--sortr= --passthru --text -a --no-config --glob-case-insensitive --crlf --help --version",
        operands="pattern",
    ),
    "find": Program(raw=True, check=checks.find),
    "fd": Program(
        "-H -I -u -s -i -g -F -a -l -p -0 -d= -t= -e= -E= -S= -q -1 --hidden --no-ignore --unrestricted "
        "--case-sensitive --ignore-case --glob --fixed-strings --absolute-path --full-path --print0 "
        "--max-depth= --min-depth= --exact-depth= --type= --extension= --exclude= --size= "
        "--changed-within= --changed-before= --max-results= --quiet --color= --help --version",
        operands="pattern",
    ),
    "diff": Program(
        "-q -s -c -C= -u -U= -e -n -y -W= -p -F= -t -T -r -N -i -E -b -w -B -I= -a -d --brief "
        "--report-identical-files --unified? --context? --side-by-side --width= --left-column "
        "--suppress-common-lines --show-c-function --recursive --new-file --ignore-case "
        "--ignore-tab-expansion --ignore-space-change --ignore-all-space --ignore-blank-lines "
        "--ignore-matching-lines= --text --minimal --exclude= -x= --color? --label= --strip-trailing-cr "
        "--no-dereference --help --version",
        numbers=True,
        mild=True,
        check=checks.diff,
    ),
    "cmp": Program(
        "-b -i= -l -n= -s --print-bytes --ignore-initial= --verbose --bytes= --quiet --silent --help --version"
    ),
    "sed": Program(
        "-n -E -r -s -u -z -e= --quiet --silent --regexp-extended --separate --unbuffered --null-data "
        "--expression= --posix --debug --sandbox -i? --in-place? --help --version",
        operands="any",
        check=checks.sed,
    ),
    "awk": Program("-F= -v= --field-separator= --assign=", operands="any", stop=True, check=checks.awk),
    "gawk": Program("-F= -v= --field-separator= --assign= --sandbox -S", operands="any", stop=True, check=checks.awk),
    "mawk": Program("-F= -v=", operands="any", stop=True, check=checks.awk),
    "jq": Program(
        "-c -r -j -a -s -n -e -S -C -M -R --compact-output --raw-output --join-output --ascii-output "
        "--slurp --null-input --exit-status --sort-keys --color-output --monochrome-output --raw-input "
        "--tab --indent= --arg== --argjson== --stream --seq -h -V --help --version",
        operands="any",
        check=checks.jq,
    ),
    # Names and attributes.
    "ls": Program(
        "-a -A -b -B -c -C -d -f -F -g -G -h -H -i -I= -k -l -L -m -n -N -o -p -q -Q -r -R -s -S -t -T= "
        "-u -U -v -w= -x -X -Z -1 --all --almost-all --author --block-size= --color? --directory "
        "--classify? --file-type --format= --full-time --group-directories-first --no-group "
        "--human-readable --si --hide= --indicator-style= --inode --ignore= --literal --numeric-uid-gid "
        "--escape --quote-name --quoting-style= --reverse --recursive --size --sort= --time= "
        "--time-style= --width= --zero --dereference --help --version",
        operands="names",
        mild=True,
        follows=("-L", "--dereference"),
    ),
    "tree": Program(
        "-a -d -f -i -L= -P= -I= -D -F -h -p -s -u -g -t -r -n -C -A -S -J -X -Q -N -x --dirsfirst "
        "--gitignore --noreport --prune --filelimit= --charset= --matchdirs --ignore-case --sort= --du "
        "--si --inodes --help --version",
        operands="names",
        follows=("-l",),
    ),
    "stat": Program(
        "-c= -f -L -t --format= --printf= --file-system --dereference --terse --help --version",
        operands="names",
        mild=True,
    ),
    "file": Program("-b -i -k -L -N -n -p -r -F= --brief --mime --mime-type --mime-encoding --help --version"),
    "du": Program(
        "-a -b -c -d= -h -H -k -l -L -m -s -S -t= -x -0 --all --apparent-size --bytes --total "
        "--max-depth= --human-readable --si --summarize --threshold= --exclude= --time? --inodes --help "
        "--version",
        operands="names",
        follows=("-L",),
    ),
    "basename": Program("-a -s= -z --multiple --suffix= --zero --help --version", operands="text", mild=True),
    "dirname": Program("-z --zero --help --version", operands="text", mild=True),
    "realpath": Program(
        "-e -m -L -P -q -s -z --canonicalize-existing --canonicalize-missing --relative-to=r "
        "--relative-base=r --strip --help --version",
        operands="names",
        mild=True,
    ),
    "readlink": Program(
        "-f -e -m -n -q -v -z --canonicalize --no-newline --help --version", operands="names", mild=True
    ),
    "pwd": Program("-L -P --help --version", operands="text", mild=True),
    "test": Program(raw=True, check=checks.test),
    "[": Program(raw=True, check=checks.test),
    # Text and numbers that stand in the line.
    "echo": Program("-n -e -E", operands="text", mild=True),
    "printf": Program("", operands="text", stop=True, mild=True, check=checks.printf),
    "true": Program(operands="text", mild=True),
    "false": Program(operands="text", mild=True),
    ":": Program(operands="text", mild=True),
    "seq": Program("-f= -s= -w --format= --separator= --equal-width --help --version", operands="text", numbers=True),
    "expr": Program("--help --version", operands="text"),
    "factor": Program("--help --version", operands="text"),
    "sleep": Program("--help --version", operands="text"),
    "date": Program(
        "-u -R -I? -d= -r=r --utc --universal --rfc-email --rfc-3339= --iso-8601? --date= --reference=r "
        "--help --version",
        operands="text",
        check=checks.date,
    ),
    "cal": Program("-1 -3 -s -m -j -y -h", operands="text"),
    # Facts about the machine that are nobody's secret.
    "uname": Program(
        "-a -s -n -r -v -m -p -i -o --all --kernel-name --kernel-release --machine --operating-system --help --version",
        operands="text",
        check=checks.no_operand,
    ),
    "whoami": Program("--help --version", operands="text", check=checks.no_operand),
    "id": Program("-u -g -G -n -r -z --user --group --groups --name --help --version", operands="text", mild=True),
    "groups": Program("--help --version", operands="text", mild=True),
    "hostname": Program("-s -f -d -i -I --short --fqdn --help --version", operands="text", check=checks.no_operand),
    "arch": Program("--help --version", operands="text", check=checks.no_operand),
    "nproc": Program("--all --ignore= --help --version", operands="text", check=checks.no_operand),
    "tty": Program("-s", operands="text", check=checks.no_operand),
    "getconf": Program("-a", operands="text"),
    "which": Program("-a -s --all --help --version", operands="text", mild=True),
    "whereis": Program("-b -m -s", operands="text"),
    "type": Program("-a -t -p -P -f", operands="text", mild=True),
    # Shell built-ins that only steer this line.
    "cd": Program("-L -P -e", operands="any", check=checks.cd),
    "set": Program("-e -u -x -o= +e +u +x", operands="text", check=checks.set_options),
    "exit": Program("", operands="text"),
    "return": Program("", operands="text"),
    "break": Program("", operands="text"),
    "continue": Program("", operands="text"),
    "wait": Program("", operands="text"),
}
"""Safe when every option is listed, every operand stays in the workspace, and nothing else is odd."""

VERSION_SHOWN = listed(
    "python node deno ruby perl php lua java javac gcc g++ cc clang clang++ cmake make ninja git "
    "docker docker-compose podman kubectl helm terraform bash zsh fish pip uv ruff mypy black isort "
    "gofmt pandoc psql mysql sqlite3 redis-cli openssl curl wget tar gzip zip unzip rsync tmux vim "
    "nano nvim apt apt-get dpkg rpm dnf systemctl"
)
"""Programs that say their version and nothing else with ``--version``. Those that a file of the workspace can make
run something else (``cargo``, ``go``, ``mvn``, ``yarn``) are not here."""
