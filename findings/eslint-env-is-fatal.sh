#!/bin/sh
# ESLint 10.15.0: an `eslint-env` comment gives a message with `fatal: true`, and the file is linted all the same.
#
# Expected: `fatal` stands for a file that could not be parsed, about which no rule said anything.
# Seen: `fatalErrorCount` 1, and beside it the findings of the rules. Whoever takes a fatal message for "this file was not linted"
# leaves out of its figures every file with a comment of that kind, of which older projects have many.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund eslint@10.15.0
printf "export default [{ rules: { 'no-unused-vars': 'error' } }];\n" > eslint.config.mjs
printf '/* eslint-env node */\nvar unused = 1;\n' > a.js

node_modules/.bin/eslint --format json a.js > said.json || true
node -e '
const [file] = JSON.parse(require("fs").readFileSync("said.json", "utf8"));
for (const { ruleId, fatal, line, message } of file.messages) console.log({ ruleId, fatal, line, message });
const fatal = file.messages.filter((message) => message.fatal);
const found = file.messages.filter((message) => message.ruleId === "no-unused-vars");
if (file.fatalErrorCount !== 1 || fatal.length !== 1 || fatal[0].ruleId !== null) throw new Error("changed: the comment is not fatal");
if (found.length !== 1) throw new Error("changed: a file with a fatal comment is not linted");
'
echo "as described: fatal, and linted"
