#!/usr/bin/env bash
# The experiment of the course on five nodes: starts them, sends the transaction files, shows the report.
# Everything it writes is under .demo/; the nodes' data is removed by the load generator when it is done.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${1:?the folder of the programs; make demo gives it}
rm -rf .demo
mkdir -p .demo/data
trap 'rm -rf .demo/data' EXIT
started=$SECONDS
"$bin/blockchat-loadtest" reproduce --matrix --fairness --nodes 5 --data-dir .demo/data --output .demo/report
echo
cat .demo/report/report.md
echo
echo "$((SECONDS - started)) s in all; the whole report: .demo/report/"
