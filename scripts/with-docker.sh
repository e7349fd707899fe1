#!/usr/bin/env bash
# Runs a command with a container engine: the one that runs, else one that is started for it and stopped afterwards.
set -euo pipefail

docker=${DOCKER:-$([ -x /usr/bin/docker ] && echo /usr/bin/docker || echo docker)}
if ! "$docker" info >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || { echo "no container engine runs, and only root can start one (dockerd)" >&2; exit 1; }
    log=$(mktemp)
    dockerd >"$log" 2>&1 &
    engine=$!
    trap 'kill "$engine" 2>/dev/null; wait "$engine" 2>/dev/null || true; rm -f "$log"' EXIT
    for _ in $(seq 300); do
        "$docker" info >/dev/null 2>&1 && break
        kill -0 "$engine" 2>/dev/null || { tail -20 "$log" >&2; echo "dockerd has ended" >&2; exit 1; }
        sleep 0.2
    done
    "$docker" info >/dev/null
fi
"$@"
