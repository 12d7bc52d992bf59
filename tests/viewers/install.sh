#!/bin/sh
# Installs the viewers and tools that the tests drive, from apt and pip; does nothing where all are there.
#
#   CNNVIS_SLICER_PYTHON   a Python that has slicer-core already: none is installed then
#   PYTHON                 what makes the virtual environment of slicer-core, .venv-slicer; python3 by default
set -eu
cd "$(dirname "$0")/../.."

# ParaView and its display; teem's unu; nifti_tool; the OpenGL library that VTK draws with
PACKAGES="paraview python3-paraview xvfb xauth teem-apps nifti-bin libegl1 libgl1 libgl1-mesa-dri"
# its wheel pins a VTK of its own, so it gets an environment of its own
SLICER="slicer-core==5.13.31053.0"
SLICER_VENV=.venv-slicer
PYTHON="${PYTHON:-python3}"

say() { echo "tests/viewers/install.sh: $*" >&2; }

has() { command -v "$1" >/dev/null; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() {
    for package in $PACKAGES; do
        installed "$package" || echo "$package"
    done
    # Debian's own Python comes without it
    "$PYTHON" -c 'import ensurepip' 2>/dev/null || echo python3-venv
    # these may have come from elsewhere: what films are made by, what builds the gallery's bundle, a browser
    has ffmpeg || echo ffmpeg
    has npm || echo npm
    has chromium || has chromium-browser || has google-chrome || echo chromium
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >&2; }

install_packages() {
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if ! has apt-get; then
        say "this machine has no apt-get; install by hand what these packages of Debian hold: $missing"
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        say "not root; run: sudo apt-get install --no-install-recommends $missing"
        return 1
    fi
    say "installing $missing"
    apt update
    # shellcheck disable=SC2086  # one word for each package
    apt install --yes --no-install-recommends $missing
}

has_slicer() {
    "$1" -c 'import sys; from importlib.metadata import version
sys.exit(version("slicer-core") != sys.argv[1])' "${SLICER#*==}" 2>/dev/null
}

install_slicer() {
    [ -z "${CNNVIS_SLICER_PYTHON:-}" ] || return 0
    ! has_slicer "$SLICER_VENV/bin/python" || return 0
    say "installing $SLICER in $SLICER_VENV"
    "$PYTHON" -m venv --clear "$SLICER_VENV"
    "$SLICER_VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$SLICER" >&2
}

install_packages
install_slicer
