#!/usr/bin/env bash
# The experiments of the course on the Kubernetes that kubectl is set to: for each cell a release is installed, measured by
# its load Job and removed with its volumes. All reports become one.
#
#   charts/experiments.sh [--quick] [--output DIR] [-- HELM ARGUMENTS...]
#
# --quick: five nodes, capacity 5, and nothing else. Needs helm, kubectl and blockchat-loadtest on the path.
set -euo pipefail

chart=$(cd "$(dirname "$0")" && pwd)/blockchat
output=results/kubernetes-$(date -u +%Y%m%dT%H%M%SZ)
quick=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=yes ;;
    --output) output=${2:?a folder}; shift ;;
    --) shift; break ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
    esac
    shift
done
namespace=${NAMESPACE:-blockchat-experiments}
mkdir -p "$output"
kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace" >/dev/null

cell() { # name, values file, further helm arguments
    local name=$1 values=$2 started=$SECONDS
    shift 2
    helm --namespace "$namespace" install cell "$chart" --values "$chart/$values" --wait --timeout 5m \
        --set persistence.whenDeleted=Delete "$@" >/dev/null
    echo "$name: installed and ready in $((SECONDS - started)) s"
    helm --namespace "$namespace" upgrade cell "$chart" --reuse-values --set loadtest.enabled=true >/dev/null
    kubectl --namespace "$namespace" wait --for=jsonpath='{.status.completionTime}' --timeout=30m job/cell-blockchat-loadtest-2 >/dev/null
    kubectl --namespace "$namespace" logs job/cell-blockchat-loadtest-2 >"$output/$name.log"
    helm --namespace "$namespace" uninstall cell --wait >/dev/null
    kubectl --namespace "$namespace" delete job cell-blockchat-loadtest-2 >/dev/null
    kubectl --namespace "$namespace" wait --for=delete pvc --all --timeout=2m >/dev/null
    logs+=("$output/$name.log")
}
logs=()

for money in 1000 100000; do
    for nodes in 5 10; do
        for capacity in 5 10 20; do
            cell "$nodes-nodes-capacity-$capacity-endowment-$money" "values-$nodes.yaml" --set capacity=$capacity --set-string endowment=$money "$@"
            if [ -n "$quick" ]; then break 3; fi
        done
    done
    cell "fairness-endowment-$money" values-fairness.yaml --set-string endowment=$money "$@"
done
blockchat-loadtest merge "${logs[@]}" --output "$output/report"
