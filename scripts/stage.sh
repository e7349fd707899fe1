#!/usr/bin/env bash
# Runs one stage of the checks and keeps its log and duration.
#
#   stage.sh NAME COMMAND...   run COMMAND, show its output, record the time
#   stage.sh --begin           forget the stages of an earlier run
#   stage.sh --summary         what ran, for how long, with the closing lines of every test runner
set -euo pipefail
cd "$(dirname "$0")/.."
readonly DIR=target/stages

minutes() { awk -v s="$1" 'BEGIN { printf "%.1f", s / 60 }'; }

case "${1:-}" in
--begin)
    rm -rf "$DIR"
    mkdir -p "$DIR"
    exit 0
    ;;
--summary)
    [ -s "$DIR/times" ] || exit 0
    total=0
    echo
    echo "== test results"
    while IFS=$'\t' read -r name _ _; do
        grep -hE '^test result: |^test .* FAILED$' "$DIR/$name.log" 2>/dev/null | sed "s/\$/  [$name]/" || true
    done <"$DIR/times"
    echo "== minutes per stage"
    while IFS=$'\t' read -r name seconds outcome; do
        printf '%-14s %6s  %s\n' "$name" "$(minutes "$seconds")" "$outcome"
        total=$((total + seconds))
    done <"$DIR/times"
    printf '%-14s %6s\n' total "$(minutes "$total")"
    exit 0
    ;;
esac

name=$1
shift
mkdir -p "$DIR"
echo "== $name: $*"
start=$SECONDS
status=0
"$@" 2>&1 </dev/null | tee "$DIR/$name.log" || status=$?
if [ "$status" -eq 0 ]; then outcome=ok; else outcome="FAILED ($status)"; fi
printf '%s\t%s\t%s\n' "$name" "$((SECONDS - start))" "$outcome" >>"$DIR/times"
exit "$status"
