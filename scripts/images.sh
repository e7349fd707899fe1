#!/usr/bin/env bash
# Puts the programs of a folder into images: blockchat-node, blockchat (the command line) and blockchat-loadtest.
#
#   images.sh BIN_DIR [TAG]     TAG: the version of the workspace unless given
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${1:?the folder of the programs; make images gives it}
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
tag=${2:-$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# The engine's own client: another one, newer than the engine, may come first on the path.
docker=${DOCKER:-$([ -x /usr/bin/docker ] && echo /usr/bin/docker || echo docker)}

mkdir -p target/images
for program in blockchat-node blockchat blockchat-loadtest; do
    # Without the names of functions: a fifth of the size. Backtraces are of use where programs are debugged, not here.
    strip --strip-all -o "target/images/$program" "$bin/$program"
    case $program in
    blockchat) target=client ;;
    *) target=${program#blockchat-} ;;
    esac
    "$docker" build --quiet --file docker/Dockerfile --target "$target-from-host" --tag "$program:$tag" \
        --build-arg VERSION="$version" --build-arg REVISION="$revision" . >/dev/null
    printf '%-26s %s MB\n' "$program:$tag" "$("$docker" image inspect --format '{{.Size}}' "$program:$tag" | awk '{ printf "%.1f", $1 / 1e6 }')"
done
