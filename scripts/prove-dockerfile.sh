#!/usr/bin/env bash
# Builds the images from source as docker/Dockerfile says, with a stand-in for its base image: Debian with a C compiler, made by
# debootstrap, and this machine's Rust. For machines that can't pull images; as root, with an engine (scripts/with-docker.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
docker=${DOCKER:-$([ -x /usr/bin/docker ] && echo /usr/bin/docker || echo docker)}
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=gcc,libc6-dev,make,ca-certificates bookworm "$root" >/dev/null
# The certificates that this machine trusts: it may reach crates.io through a gateway.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir "$root/usr/local/rust"
tar -C "$(rustc --print sysroot)" --exclude=share --exclude=rustc-src -cf - . | tar -C "$root/usr/local/rust" -xf -
ln -s /usr/local/rust/bin/cargo /usr/local/rust/bin/rustc "$root/usr/local/bin/"
tar -C "$root" -cf - . | "$docker" import - blockchat-rust-stand-in >/dev/null
for target in node client loadtest; do
    "$docker" build --network host --file docker/Dockerfile --target "$target" --tag "blockchat-$target:from-source" \
        --build-arg RUST_IMAGE=blockchat-rust-stand-in --build-arg REVISION="$revision" . | tail -1
done
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
for target in node client loadtest; do
    "$docker" run --rm "blockchat-$target:from-source" --version | tee /dev/stderr | grep -q "$version"
done
"$docker" image rm blockchat-{node,client,loadtest}:from-source blockchat-rust-stand-in >/dev/null
