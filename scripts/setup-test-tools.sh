#!/usr/bin/env bash
# Installs what the tests need beyond the Rust toolchain. Does nothing for what is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly DENY_VERSION=0.20.2
readonly TOOLS_DIR="$PWD/target/tools"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# A C compiler and CMake build aws-lc, the cryptographic library.
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v cmake >/dev/null || missing+=(cmake)
command -v make >/dev/null || missing+=(make)
if [ ${#missing[@]} -gt 0 ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi

# cargo-deny is only run, never shipped: the unoptimised build takes a fraction of the time and is fast enough.
deny="$TOOLS_DIR/bin/cargo-deny"
if ! [ -x "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $DENY_VERSION" ]; then
    timeout 900 cargo install cargo-deny --version "=$DENY_VERSION" --locked --no-default-features --quiet \
        --profile dev --config 'profile.dev.debug=false' \
        --root "$TOOLS_DIR" --target-dir "$TOOLS_DIR/build"
    rm -rf "$TOOLS_DIR/build"
fi
