#!/bin/sh
# Unpacks Debian's package dataset-fashion-mnist into the folder that it is given; needs no root, and does
# nothing where the four files are there.
set -eu
TARGET=$1
FILES="train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz"

fail() {
    echo "benchmarks/fashion_mnist/install.sh: $*" >&2
    exit 1
}

complete() {
    for file in $FILES; do
        [ -s "$TARGET/$file" ] || return 1
    done
}

! complete || exit 0
for tool in apt-get dpkg-deb; do
    command -v "$tool" > /dev/null ||
        fail "needs Debian or Ubuntu: there is no $tool here; put $FILES of Fashion-MNIST into $TARGET"
done

mkdir -p "$TARGET"
TARGET=$(cd "$TARGET" && pwd)
work=$(mktemp -d "$TARGET/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# apt with a state of its own, and the machine's sources, neither needs root nor touches the machine's state.
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
: > "$work/status"
own_apt() {
    LC_ALL=C apt-get -q -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@" >> "$work/log" 2>&1
}
own_apt update || fail "no package lists: $(tail -n 1 "$work/log")"
(cd "$work" && own_apt download dataset-fashion-mnist) ||
    fail "downloading dataset-fashion-mnist failed: $(tail -n 1 "$work/log")"
dpkg-deb -x "$work"/dataset-fashion-mnist_*.deb "$work/tree"
for file in $FILES; do
    found=$(find "$work/tree" -name "$file" -type f)
    [ -n "$found" ] || fail "the package has no $file"
    mv "$found" "$TARGET/$file"
done
