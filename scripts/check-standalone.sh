#!/usr/bin/env bash
# The tree must make sense on any machine: no path of the machine it was written on, no package registry other than the
# public one, no leftovers.
set -euo pipefail
cd "$(dirname "$0")/.."

# This file has to spell the words out.
files() { git ls-files -z --cached --others --exclude-standard | grep -zvE '^(scripts/check-standalone\.sh|Cargo\.lock|LICENSE)$'; }

status=0
refuse() { # description, pattern (extended regular expression)
    local found
    if found=$(files | xargs -0 grep -nIE -- "$2" 2>/dev/null); then
        printf 'not allowed in the tree (%s):\n%s\n' "$1" "$found"
        status=1
    fi
}

refuse 'a path of one machine' '(^|[^[:alnum:]_./-])/(work|root|home|Users|mnt|opt/wheels)/[[:alnum:]_.]'
refuse 'a package mirror' '\b(artifactory|nexus|devpi|verdaccio|goproxy\.(cn|io))\b|index-url|extra-index-url|find-links'
refuse 'a source replacement' '^\[source\.|replace-with *='
refuse 'work left for later' '\b(TODO|FIXME|XXX|HACK)\b|\b(todo|unimplemented)!\('
refuse 'a skipped test' '^[[:space:]]*#\[ignore'
refuse 'a merge conflict' '^(<{7}|>{7}|={7})( |$)'

# The lock file may name the public registry and nothing else.
if grep -nE '^source = ' Cargo.lock | grep -vF 'registry+https://github.com/rust-lang/crates.io-index'; then
    echo 'Cargo.lock: a source other than crates.io'
    status=1
fi
exit "$status"
