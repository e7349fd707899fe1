#!/usr/bin/env bash
# Checks the written pages against the tree: relative links lead somewhere, `make` targets and paths named in backticks
# exist.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
fail() {
    echo "$1"
    status=1
}

# The anchor GitHub gives a heading: lower case, punctuation dropped, spaces to hyphens.
anchors() {
    grep -E '^#{1,6} ' "$1" | sed -E 's/^#+ +//; s/[^[:alnum:] _-]//g; s/ /-/g' | tr '[:upper:]' '[:lower:]'
}

while IFS= read -r -d '' page; do
    folder=$(dirname "$page")

    while IFS= read -r link; do
        case "$link" in
        http://* | https://* | mailto:*) continue ;;
        esac
        path=${link%%#*}
        target=$page
        [ -z "$path" ] || target="$folder/$path"
        if ! [ -e "$target" ]; then
            fail "$page: link to $link leads nowhere"
        elif [[ $link == *'#'* && $target == *.md ]] && ! anchors "$target" | grep -qxF -- "${link#*#}"; then
            fail "$page: no heading for $link"
        fi
    done < <(grep -oE '\]\([^)[:space:]]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//')

    while IFS= read -r target; do
        grep -qE "^$target:" Makefile || fail "$page: there is no \`make $target\`"
    done < <(grep -oE '(^|`)make [a-z][a-z-]*' "$page" | awk '{print $2}' | sort -u)

    while IFS= read -r path; do
        [ -e "$path" ] || fail "$page: $path does not exist"
    done < <(grep -oE '`(api|charts|client|consensus|docker|docs|grafana|ledger|loadtest|node|scripts|tests)/[[:alnum:]_./-]+`' "$page" | tr -d '`' | sort -u)
done < <(git ls-files -z --cached --others --exclude-standard '*.md')
exit "$status"
