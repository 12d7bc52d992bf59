#!/bin/sh
# Unpacks Debian 11's Caffe 1.0 into .real-caffe/; needs no root, and does nothing where it is there and works.
#
# .real-caffe/python is then an interpreter with Caffe, and .real-caffe/root/usr/share/doc/caffe-doc holds the
# official networks.
#
#   CNNVIS_DEBIAN_MIRROR   address of a Debian archive that has bullseye, where those that this machine's
#                          apt sources name have it no longer
set -eu
cd "$(dirname "$0")/../.."

SUITE=bullseye
LIST=$PWD/tests/caffe/debs.txt
TARGET=$PWD/.real-caffe

say() { echo "tests/caffe/install.sh: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

contents() { cat "$LIST" tests/caffe/install.sh | cksum; }

complete() {
    [ "$(cat "$TARGET/contents" 2>/dev/null)" = "$(contents)" ] &&
        "$TARGET/python" -c 'import caffe; caffe.Net' 2>/dev/null
}

# apt with a state of its own neither needs root nor touches the machine's.
prepare_apt() {
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs"
    : > "$work/apt/status"
    : > "$work/log"
    cat > "$work/apt/conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "$architecture";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$work/apt";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
CONF
}

own_apt() { LC_ALL=C apt-get -q -c "$work/apt/conf" "$@"; }

# Archives that may have the suite: those of the machine's sources, then their neighbours named debian, since
# servers with Ubuntu often have Debian too.
mirrors() {
    if [ -n "${CNNVIS_DEBIAN_MIRROR:-}" ]; then
        echo "${CNNVIS_DEBIAN_MIRROR%/}"
        return
    fi
    own=$(LC_ALL=C apt-get update --print-uris 2>/dev/null | sed -n "s|^'\([^']*\)/dists/.*|\1|p")
    { echo "$own"; echo "$own" | sed -n 's|^\(.*://.*\)/[^/]*$|\1/debian|p'; } | awk 'NF && !seen[$0]++'
}

# Keys of a suite move from the first keyring to the second when Debian drops the suite.
keyrings() {
    for name in debian-archive-keyring debian-archive-removed-keys; do
        for file in "/usr/share/keyrings/$name.gpg" "/usr/share/keyrings/$name.pgp"; do
            if [ -r "$file" ]; then
                echo "$file"
                break
            fi
        done
    done | paste -sd, -
}

find_mirror() {
    keys=$(keyrings)
    trust=${keys:+signed-by=$keys}
    [ -n "$trust" ] || say "signatures are not checked: there is no keyring (package debian-archive-keyring)"
    for mirror in $(mirrors); do
        echo "deb [arch=$architecture ${trust:-trusted=yes}] $mirror $SUITE main" > "$work/apt/sources.list"
        if own_apt update >> "$work/log" 2>&1; then
            say "Debian $SUITE from $mirror"
            return
        fi
    done
    reason=$(grep -m 1 "^E: " "$work/log" || true)
    fail "no Debian archive of this machine's apt sources has $SUITE for $architecture;" \
        "set CNNVIS_DEBIAN_MIRROR to one that has it${reason:+ (apt: ${reason#E: })}"
}

packages() {
    case $architecture in
        amd64) cat "$LIST" ;;
        # its compiler has no quadruple precision
        arm64) grep -vx libquadmath0 "$LIST" ;;
    esac
}

unpack() {
    # shellcheck disable=SC2046  # one word for each package
    (cd "$work/debs" && own_apt download $(packages)) >> "$work/log" 2>&1 ||
        fail "downloading failed: $(tail -n 1 "$work/log")"
    mkdir "$work/tree" "$work/tree/root"
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/tree/root"
    done
}

# caffe.io imports these for functions that read and resize pictures; the real ones need 30 more packages.
write_stubs() {
    mkdir -p "$1/scipy" "$1/skimage"
    : > "$1/scipy/__init__.py"
    : > "$1/skimage/__init__.py"
    echo 'zoom = None' > "$1/scipy/ndimage.py"
    echo 'imread = None' > "$1/skimage/io.py"
    echo 'resize = None' > "$1/skimage/transform.py"
}

# Its own loader and libraries: this machine's are newer. OpenBLAS goes first, as the link that would choose it
# leaves the tree.
write_launcher() {
    cat > "$1" <<LAUNCHER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
root=\$here/root
own=\$root/usr/lib/$triplet
base=\$root/lib/$triplet
exec env -u LD_LIBRARY_PATH -u LD_PRELOAD LC_ALL=C PYTHONHOME="\$root/usr" PYTHONPATH="\$here/stubs" PYTHONNOUSERSITE=1 \\
    "\$base/ld-2.31.so" --inhibit-cache --library-path "\$own/openblas-pthread:\$own/blas:\$own/lapack:\$base:\$own:\$root/usr/lib" \\
    "\$root/usr/bin/python3.9" "\$@"
LAUNCHER
    chmod +x "$1"
}

! complete || exit 0
for tool in apt-get dpkg dpkg-deb; do
    command -v "$tool" > /dev/null ||
        fail "needs Debian or Ubuntu: there is no $tool here; set CNNVIS_CAFFE_PYTHON to a Python that has Caffe"
done
architecture=$(dpkg --print-architecture)
case $architecture in
    amd64) triplet=x86_64-linux-gnu ;;
    arm64) triplet=aarch64-linux-gnu ;;
    *) fail "only for amd64 and arm64, not $architecture; set CNNVIS_CAFFE_PYTHON to a Python that has Caffe" ;;
esac

work=$(mktemp -d "$PWD/.real-caffe-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
prepare_apt
find_mirror
unpack
write_stubs "$work/tree/stubs"
write_launcher "$work/tree/python"
"$work/tree/python" -c 'import caffe; caffe.Net' || fail "Caffe was unpacked, but does not run"
contents > "$work/tree/contents"
rm -rf "$TARGET"
mv "$work/tree" "$TARGET"
say "Caffe 1.0: $TARGET/python"
