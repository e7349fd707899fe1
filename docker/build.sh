#!/bin/sh
# Runs inside the build stage of the Dockerfile.
#
#   build.sh dependencies    builds what the manifests name, with empty sources in place of the project's
#   build.sh programs DIR    builds the project and puts its three programs into DIR
set -eu

host=$(rustc -vV | sed -n 's/^host: //p')
build() { cargo build --release --locked --target "$host" --config scripts/release.toml "$@"; }

case "${1:-}" in
dependencies)
    for manifest in */Cargo.toml; do
        crate=${manifest%/Cargo.toml}
        mkdir -p "$crate/src"
        : >"$crate/src/lib.rs"
        # What the manifest names by path has to exist.
        sed -n 's/^path = "\(.*\.rs\)"$/\1/p' "$manifest" | while read -r file; do
            mkdir -p "$crate/$(dirname "$file")"
            echo 'fn main() {}' >"$crate/$file"
        done
        sed -n '/^\[\[bench\]\]/,/^$/s/^name = "\(.*\)"$/\1/p' "$manifest" | while read -r name; do
            mkdir -p "$crate/benches"
            echo 'fn main() {}' >"$crate/benches/$name.rs"
        done
    done
    build --workspace --lib
    # Cargo goes by modification times, and these are newer than the sources that are to come.
    for manifest in */Cargo.toml; do
        rm -rf "${manifest%/Cargo.toml}/src" "${manifest%/Cargo.toml}/benches"
    done
    find target -name '*blockchat*' -prune -exec rm -rf {} +
    ;;
programs)
    build --workspace --bins
    mkdir -p "$2"
    for program in blockchat-node blockchat blockchat-loadtest; do
        strip --strip-all -o "$2/$program" "target/$host/release/$program"
    done
    ;;
*)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
