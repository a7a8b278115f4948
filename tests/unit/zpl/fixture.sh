#!/bin/sh
# fixture.sh WALKER FIXTURE: unpack a pool written by OpenZFS and compare all that is in it
# with its manifest. Exit 77 (skipped) if the fixtures are not there.
set -eu
walker=$1 fixture=$2
shared=${TARN_SHARED:-${TARN_SRC:-.}/../shared}
if [ ! -d "$shared/pools/$fixture" ]; then
	echo "no fixture $fixture below $shared/pools" >&2
	exit 77
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/tarn-fixture-XXXXXX")
trap 'rm -rf "$dir"' EXIT INT TERM
sh -c 'exec bash "$0" "$1" "$2"' "$shared/pools/unpack.sh" "$shared/pools/$fixture" "$dir"
"$walker" "$dir" "$dir/MANIFEST.txt"
