#!/usr/bin/env bash
# Installs what the tests need beyond the Rust toolchain. Does nothing for what is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly DENY_VERSION=0.20.2
readonly HELM_VERSION=3.19.0
readonly TOOLS_DIR="$PWD/target/tools"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# A C compiler builds aws-lc, the cryptographic library; Python makes the dashboards and runs the tests that stand for
# clients in other languages; `script` gives the prompt's test a terminal, tmux one that can be looked at; the engine runs
# the containers; Go builds helm, and the Kubernetes of the tests; prometheus reads the rules and scrapes the nodes.
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v make >/dev/null || missing+=(make)
command -v script >/dev/null || missing+=(bsdutils)
command -v tmux >/dev/null || missing+=(tmux)
command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] || missing+=(docker.io)
command -v docker-compose >/dev/null || missing+=(docker-compose)
command -v go >/dev/null || missing+=(golang)
command -v kubectl >/dev/null || missing+=(kubernetes-client)
command -v zstd >/dev/null || missing+=(zstd)
command -v promtool >/dev/null || missing+=(prometheus)
if [ ${#missing[@]} -gt 0 ]; then
    as_root apt-get update -qq
    # Nothing that is installed here is to be started by its package.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi

# cargo-deny is only run, never shipped: the unoptimised build takes a fraction of the time and is fast enough.
deny="$TOOLS_DIR/bin/cargo-deny"
if ! [ -x "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $DENY_VERSION" ]; then
    timeout 900 cargo install cargo-deny --version "=$DENY_VERSION" --locked --no-default-features --quiet \
        --profile dev --config 'profile.dev.debug=false' \
        --root "$TOOLS_DIR" --target-dir "$TOOLS_DIR/build"
    rm -rf "$TOOLS_DIR/build"
fi

# Made again when the list changes.
venv="$TOOLS_DIR/python"
if ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/requirements.txt
    cp tests/requirements.txt "$venv/requirements.txt"
fi

helm="$TOOLS_DIR/bin/helm"
if ! [ -x "$helm" ] || [ "$(cat "$helm.version" 2>/dev/null)" != "$HELM_VERSION" ]; then
    GOBIN="$TOOLS_DIR/bin" GOFLAGS=-buildvcs=false CGO_ENABLED=0 timeout 900 \
        go install -ldflags '-s -w' "helm.sh/helm/v3/cmd/helm@v$HELM_VERSION"
    echo "$HELM_VERSION" >"$helm.version"
fi
