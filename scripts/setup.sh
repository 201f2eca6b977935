#!/usr/bin/env bash
# Make this checkout ready to run: system packages, .venv, everything in it.
#
#   scripts/setup.sh          what the demo and the daemon need
#   scripts/setup.sh test     and what the tests need (a virtual microphone, a terminal)
#   scripts/setup.sh bench    and what the benchmarks compare with
#
# Running it again is quick, and after an interruption it goes on where it stopped.
# EARMARK_PYTHON names the Python to build .venv with, if it should not choose one itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what=${1:-run}
case $what in
run | test | bench) ;;
*)
    echo "usage: scripts/setup.sh [test|bench]" >&2
    exit 2
    ;;
esac

NEEDED_GB=8       # of a whole set-up at its fullest: downloads beside what they unpack to
CACHED_GB=11      # when pip may keep its downloads, too
JETSON=/etc/nv_tegra_release

say() { printf '\033[1msetup:\033[0m %s\n' "$*"; }
if [ ! -t 1 ]; then say() { printf 'setup: %s\n' "$*"; }; fi
fail() {
    printf 'setup: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# --- done already? ------------------------------------------------------------------------------
# The stamp also holds this folder's path: a .venv does not survive being moved.
stamp=.venv/setup-$what.stamp
fingerprint=$({ cat pyproject.toml scripts/setup.sh && pwd; } | sha256sum)
is_done() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ] && [ -x .venv/bin/python ]; }
if is_done; then exit 0; fi

# One set-up at a time; a second one waits and then finds the work done.
exec 9<pyproject.toml
flock 9
if is_done; then exit 0; fi

# --- a Python -----------------------------------------------------------------------------------
suits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; }

find_python() {
    local candidate
    if [ -n "${EARMARK_PYTHON:-}" ]; then
        suits "$EARMARK_PYTHON" || fail "EARMARK_PYTHON=$EARMARK_PYTHON is not a Python 3.10 to 3.13"
        command -v "$EARMARK_PYTHON"
        return
    fi
    # TensorRT of a Jetson is a Debian package, which only the system's own Python can see.
    if [ -e $JETSON ]; then
        suits /usr/bin/python3 || fail "this Jetson's /usr/bin/python3 is not a Python 3.10 to 3.13" \
            "install JetPack 6.1 or newer"
        echo /usr/bin/python3
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do
        if suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.10 to 3.13 was found" \
        "install one (Debian 12 and Ubuntu 22.04 or newer have it: apt install python3)," \
        "or name one: EARMARK_PYTHON=/path/to/python3.12 make $([ "$what" = run ] && echo demo || echo test)"
}
python=$(find_python)

# --- system packages ----------------------------------------------------------------------------
missing=()
lack() { missing+=("$1"); }
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

find_missing() {
    missing=()
    # PyAudio is compiled here: PortAudio's headers, Python's own, a compiler.
    command -v gcc >/dev/null || lack gcc
    command -v g++ >/dev/null || lack g++
    installed portaudio19-dev || lack portaudio19-dev
    installed libsndfile1 || lack libsndfile1
    local real version
    real=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    case $real in
    /usr/bin/*)
        "$python" -c 'import venv, ensurepip' 2>/dev/null || lack "$version-venv"
        "$python" -c 'import os, sysconfig
raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || lack "$version-dev"
        ;;
    esac
    if [ "$what" = test ]; then
        command -v pulseaudio >/dev/null || lack pulseaudio
        command -v paplay >/dev/null || lack pulseaudio-utils
        installed libasound2-plugins || lack libasound2-plugins
        command -v tmux >/dev/null || lack tmux
        command -v jq >/dev/null || lack jq # the examples of hooks take JSON apart with it
    fi
}

install_missing() {
    local apt=(apt-get -y -o DPkg::Lock::Timeout=300)
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            fail "these system packages are missing, and only root may install them. As root, run:" \
                "" "  apt-get update && apt-get install -y ${missing[*]}" "" "and then make again."
        elif sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        elif [ -t 0 ] && [ -t 2 ]; then
            say "sudo may ask for your password, to install system packages"
            as_root=(sudo)
        else
            fail "these system packages are missing, and sudo asks for a password. Run:" \
                "" "  sudo apt-get update && sudo apt-get install -y ${missing[*]}" "" "and then make again."
        fi
    fi
    say "installing system packages: ${missing[*]}"
    # A package list that is old or in part out of reach may still do: the install decides.
    ${as_root[@]+"${as_root[@]}"} "${apt[@]}" -q update ||
        say "the package lists could not be refreshed; trying with those that are there"
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        "${apt[@]}" -q install --no-install-recommends "${missing[@]}" ||
        fail "the system packages could not be installed (apt's own words are above)." \
            "Is the network there? When it is mended, run make again, or this by hand:" \
            "" "  ${as_root[*]:+sudo }apt-get update && ${as_root[*]:+sudo }apt-get install -y ${missing[*]}" ""
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    find_missing
    if [ ${#missing[@]} -gt 0 ]; then
        install_missing
        find_missing
        [ ${#missing[@]} = 0 ] || fail "still missing after apt-get: ${missing[*]}"
    fi
else
    say "this is not Debian or Ubuntu: a C and C++ compiler, the headers of PortAudio and of Python," \
        "and libsndfile have to be here already"
fi

# --- room on the disk ---------------------------------------------------------------------------
if ! ls .venv/lib/python3*/site-packages/torchaudio/__init__.py >/dev/null 2>&1; then
    free_mb=$(df -Pm . | awk 'NR == 2 {print $4}')
    have_mb=$(du -sm .venv 2>/dev/null | cut -f1 || true)
    if [ $((free_mb + ${have_mb:-0})) -lt $((NEEDED_GB * 1024)) ]; then
        fail "too little room here: $((free_mb / 1024)) GB free on the disk of $PWD," \
            "and the set-up takes up to $NEEDED_GB GB (PyTorch is large; about 6 GB stay)." \
            "Free some, or move this folder to a larger disk, and run make again."
    elif [ "$free_mb" -lt $((CACHED_GB * 1024)) ]; then
        say "the disk is rather full: pip keeps no downloads, so that an interruption costs them"
        export PIP_NO_CACHE_DIR=1
    fi
fi

# --- .venv --------------------------------------------------------------------------------------
venv_options=()
if [ -e $JETSON ]; then venv_options=(--system-site-packages); fi
home=.venv/made-in.txt
if [ -e .venv ] && { ! suits .venv/bin/python || { [ -f $home ] && [ "$(cat $home)" != "$PWD" ]; }; }; then
    say ".venv does not work here (another Python, or this folder was moved): making it anew"
    rm -rf .venv
fi
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv with $python ($("$python" -c 'import platform; print(platform.python_version())'))"
    "$python" -m venv --clear ${venv_options[@]+"${venv_options[@]}"} .venv ||
        fail "the virtual environment could not be made (Python's own words are above)"
fi
pwd >$home

# pip unpacks its downloads in TMPDIR: /tmp is often small, or memory.
mkdir -p .venv/tmp
export TMPDIR=$PWD/.venv/tmp PIP_DISABLE_PIP_VERSION_CHECK=1
log=.venv/setup.log

install() {
    local attempt
    for attempt in 1 2 3; do
        : >$log
        if .venv/bin/python -m pip install --log $log --retries 4 --timeout 60 "$@"; then return; fi
        if grep -q 'No space left on device' $log; then
            fail "the disk is full: $(df -Ph . | awk 'NR == 2 {print $4}') left on the disk of $PWD." \
                "Free up to $NEEDED_GB GB and run make again: it goes on where it stopped."
        fi
        # A line that broke in the middle is worth another try; one that was never there is not.
        if ! grep -qE 'IncompleteRead|ConnectionReset|Connection reset|Read timed out|ProtocolError|IncompleteDownload' $log; then
            break
        fi
        if [ "$attempt" -lt 3 ]; then
            say "the download broke off; trying again in 10 seconds"
            sleep 10
        fi
    done
    if grep -qE 'NewConnectionError|NameResolutionError|name resolution|Name or service not known|Network is unreachable|ConnectTimeout|ProxyError|Read timed out|Connection reset|IncompleteRead' $log; then
        fail "the package index was not reached: no network, or a proxy in between." \
            "Mend the network (pip honours https_proxy and its own configuration) and run make again:" \
            "it goes on where it stopped. pip's whole account is in $log"
    fi
    fail "pip could not install everything (its own words are above; all of them in $log)." \
        "make again goes on where it stopped."
}

# The line of pyproject.toml that asks for package $1.
requirement() { sed -nE "s/^ *\"($1[<>=][^\"]*)\",?$/\\1/p" pyproject.toml; }

if ! .venv/bin/python -c 'import pip, sys; sys.exit(int(pip.__version__.split(".")[0]) < 24)'; then
    say "a newer pip"
    install --quiet --upgrade pip
fi
if ! ls .venv/lib/python3*/site-packages/torchaudio/__init__.py >/dev/null 2>&1; then
    say "PyTorch comes first and is large: about 3 GB to download. Minutes on a fast line."
    if [ -e $JETSON ] && grep -q '^# R36' $JETSON; then
        say "JetPack 6: for training on the GPU, point PIP_INDEX_URL at NVIDIA's builds of torch 2.8" \
            "for it before this step; what the plain index has trains on the processor."
    fi
    # pip keeps what it has downloaded, so that an interruption costs one file at most.
    install "$(requirement torch)" "$(requirement torchaudio)"
fi
say "Earmark and the rest of what it needs"
extras="test"
if [ "$what" = bench ]; then extras="test,bench"; fi
install -e ".[$extras]"
rm -rf .venv/tmp

# Compiled or fetched wrongly shows here, not in the middle of a demo.
.venv/bin/python - <<'PY' || fail "what was installed does not work: see the lines above; try make clean and make again"
import onnxruntime, pyaudio, soundfile, soxr, torch, torchaudio
PY
printf '%s\n' "$fingerprint" >"$stamp"
say "ready"
