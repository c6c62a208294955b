#!/bin/sh
# oxlint 1.94.0: a named file that does not exist is left out without a word if another named file does exist.
#
# Expected, as from ESLint (exit 2) or from oxlint with that file alone (exit 1, "No files found"): a failure that names it.
# Seen: exit 0, "on 1 file", and no mention of the missing one. A hook that lints a list of changed files passes when a file of
# the list was renamed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund oxlint@1.94.0
printf 'export default 1;\n' > there.js

status=0
node_modules/.bin/oxlint there.js missing.js > both.txt 2>&1 || status=$?
cat both.txt
[ "$status" = 0 ] || { echo "changed: exit $status for a missing file among others"; exit 1; }
grep -q 'on 1 file' both.txt || { echo "changed: it does not lint the one file"; exit 1; }
if grep -q 'missing.js' both.txt; then echo "changed: it names the missing file"; exit 1; fi

status=0
node_modules/.bin/oxlint missing.js > alone.txt 2>&1 || status=$?
cat alone.txt
[ "$status" = 1 ] || { echo "changed: exit $status for a missing file alone"; exit 1; }
echo "as described: a missing file among others is left out, with exit 0"
