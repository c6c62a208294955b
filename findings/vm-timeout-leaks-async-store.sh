#!/bin/sh
# Node 20.20.2: a `vm` timeout inside of AsyncLocalStorage.run leaves the store behind, in the caller and in what it starts.
#
# Expected: `run` has ended with its call, by whatever error, so that `getStore()` is undefined afterwards.
# Seen: the timeout ends the code without running `finally`, and `run` restores the store there: the caller, and timers that it sets
# afterwards, have the store of the call that was ended. Traces, request ids and limits kept in a store go to the wrong call.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund node@20.20.2
cat > ended.mjs << 'SCRIPT'
import { AsyncLocalStorage } from 'node:async_hooks';
import vm from 'node:vm';
const current = new AsyncLocalStorage();
const context = vm.createContext({ current, work() { for (;;); } });
const script = new vm.Script("current.run('of the ended call', work)");
try {
  script.runInContext(context, { timeout: 50 });
} catch (error) {
  console.log(error.code);
}
console.log('after it:', current.getStore());
setTimeout(() => console.log('in a later timer:', current.getStore()), 1);
SCRIPT
node_modules/.bin/node ended.mjs | tee said.txt
printf 'ERR_SCRIPT_EXECUTION_TIMEOUT\nafter it: of the ended call\nin a later timer: of the ended call\n' | cmp -s - said.txt \
  || { echo "changed: the store does not outlive the call"; exit 1; }
echo "as described: the store outlives the call that was ended"
