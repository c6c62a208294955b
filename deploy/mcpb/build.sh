#!/bin/sh
# Packs this program as a bundle for Claude Desktop.  usage: build.sh PROGRAM FOLDER MCPB
#
# PROGRAM is the built `shim`, FOLDER gets shim.mcpb, MCPB is the command of the npm package @anthropic-ai/mcpb. The bundle holds a
# program of this machine's platform alone, so its manifest names no other.
set -eu

program=$1 folder=$2 mcpb=$3
here=$(cd "$(dirname "$0")" && pwd)
case $(uname -s) in
    Darwin) platform=darwin ;;
    Linux) platform=linux ;;
    *) echo "error: there is no SHIM for $(uname -s)" >&2; exit 1 ;;
esac

bundle=$folder/bundle
rm -rf "$bundle"
mkdir -p "$bundle/server"
cp "$program" "$bundle/server/shim"
chmod 755 "$bundle/server/shim"
# The version is the program's.
version=$("$program" --version | sed 's/^shim //')
sed -e "s/\"version\": \"[^\"]*\"/\"version\": \"$version\"/" \
    -e "s/\"platforms\": \[[^]]*\]/\"platforms\": [\"$platform\"]/" "$here/manifest.json" >"$bundle/manifest.json"
"$mcpb" validate "$bundle/manifest.json"
"$mcpb" pack "$bundle" "$folder/shim.mcpb"
rm -rf "$bundle"
echo "$folder/shim.mcpb"
