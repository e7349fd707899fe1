#!/usr/bin/env bash
# Runs the tests of the chart on a real Kubernetes, and stops what it started.
#
#   run.sh COMMAND...    with KUBECONFIG, helm and kubectl in COMMAND's environment
#
# BLOCKCHAT_KUBE_CONTEXT names a context of the present KUBECONFIG to use instead of a cluster started here; its nodes must
# be able to pull blockchat-node and blockchat-loadtest, with the tags that `make images` gives and VERSION-next.
# BLOCKCHAT_KUBE_BINARIES may name an archive (.tar.zst) with the programs of the cluster; they are built otherwise.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
docker=${DOCKER:-$([ -x /usr/bin/docker ] && echo /usr/bin/docker || echo docker)}
export PATH="$PWD/target/tools/bin:$PATH"

if [ -n "${BLOCKCHAT_KUBE_CONTEXT:-}" ]; then
    kubectl config use-context "$BLOCKCHAT_KUBE_CONTEXT" >/dev/null
    exec "$@"
fi

export CLUSTER_HOME=${CLUSTER_HOME:-$HOME/.cache/kube-cluster}
cluster=tests/kubernetes/cluster.sh
# A cache that is there is taken; the cluster's script decides by its stamp whether it is the right one.
binaries=${BLOCKCHAT_KUBE_BINARIES:-../shared/kubernetes/binaries.tar.zst}
if [ ! -e "$CLUSTER_HOME/bin/.stamp" ] && [ -r "$binaries" ]; then
    mkdir -p "$CLUSTER_HOME/bin"
    zstd -dcq --long=27 "$binaries" | tar xf - -C "$CLUSTER_HOME/bin"
fi

images=$(mktemp -d)
finish() {
    status=$?
    if [ "$status" -ne 0 ]; then
        mkdir -p artifacts/kubernetes-cluster
        cp "$CLUSTER_HOME"/log/*.log artifacts/kubernetes-cluster/ 2>/dev/null || true
    fi
    "$cluster" down || true
    rm -rf "$images"
    exit "$status"
}
trap finish EXIT
"$cluster" up
export KUBECONFIG="$CLUSTER_HOME/kubeconfig"
"$docker" tag "blockchat-node:$version" "blockchat-node:$version-next"
for image in "blockchat-node:$version" "blockchat-node:$version-next" "blockchat-loadtest:$version"; do
    "$docker" save "$image" --output "$images/image.tar"
    "$cluster" load "$images/image.tar" >/dev/null
done
RUST_BACKTRACE=0 "$@"
