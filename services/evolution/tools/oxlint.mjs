// Runs oxlint once, in the folder and with the arguments that come on its input as one JSON object. Until then it waits, loaded:
// Node and the linter take longer to load than to lint a few files. If its input ends without anything, it ends.

import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , oxlint] = process.argv;
const load = (file) => import(pathToFileURL(path.join(oxlint, file)).href);

await load('dist/bindings.js');
let input = '';
process.stdin.setEncoding('utf8');
for await (const chunk of process.stdin) input += chunk;
if (input !== '') {
  const { folder, args } = JSON.parse(input);
  process.chdir(folder);
  process.argv = [process.argv[0], path.join(oxlint, 'bin/oxlint'), ...args];
  await load('dist/cli.js');
}
