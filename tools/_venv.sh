# Sourced by the tools: finds a Python and keeps one virtual environment for each of their needs.
#
# Sets ROOT, the checkout. Gives use_compiled, which sets COMPILED to a copy of the checkout whose hot modules
# are compiled, and use_venv NAME, which sets VENV to the path of .venv-NAME-X.Y in the
# checkout, made or renewed where it must be. PYTHON names the interpreter; without it the first of
# python3, python3.13, python3.12, python3.11 and python that is new enough and can make environments.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1

die() {
    printf '%s: %s\n' "$(basename -- "$0")" "$1" >&2
    exit 1
}

# Prints what the given command is good for: "ok", "no-venv X.Y", "unfit X.Y", or nothing if it does
# not run (a version manager's shim may be there without a Python behind it).
probe_python() {
    "$1" -I -c '
import sys
version = "%d.%d" % sys.version_info[:2]
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    print("unfit", version)
else:
    try:
        import ensurepip, venv
        print("ok")
    except ImportError:
        print("no-venv", version)
' 2>/dev/null || :
}

explain_no_venv() {
    die "$1 has no venv module; install it (on Debian and Ubuntu: apt-get install python$2-venv)"
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        answer=$(probe_python "$PYTHON")
        case $answer in
            ok) return ;;
            no-venv*) explain_no_venv "$PYTHON" "${answer#* }" ;;
            unfit*) die "PYTHON=$PYTHON is ${answer#* }; 3.11, 3.12 or 3.13 is needed" ;;
            *) die "PYTHON=$PYTHON does not run" ;;
        esac
    fi
    without_venv=
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        answer=$(probe_python "$candidate")
        case $answer in
            ok) PYTHON=$candidate; return ;;
            no-venv*) without_venv=${without_venv:-"$candidate ${answer#* }"} ;;
        esac
    done
    # shellcheck disable=SC2086  # two words: the command and its version
    [ -z "$without_venv" ] || explain_no_venv $without_venv
    die "no Python 3.11, 3.12 or 3.13 on PATH; install one, or name it with PYTHON=/path/to/python"
}

use_venv() {
    find_python
    # The tests of MySQL and Placement are skipped where these cannot be installed.
    [ "$1" != dev ] || set -- "$@" --wanted 'mysqlclient>=2.3' --wanted 'openstack-placement>=16'
    VENV=$("$PYTHON" -I "$ROOT/tools/_venv.py" "$@") || exit 1
}

# After use_venv, whose Python it is for. With an argument, it is the checkout itself where nothing can be
# compiled, after a line that says so.
use_compiled() {
    if ! COMPILED=$("$VENV/bin/python" -I "$ROOT/tools/_compiled.py"); then
        [ $# -gt 0 ] || exit 1
        printf 'Going on with what is %s.\n' "$1" >&2
        COMPILED=$ROOT
    fi
}
