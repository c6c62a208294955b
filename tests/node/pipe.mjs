// How a script and the test that runs it talk: JSON lines in, JSON lines out. A script lives as long as its standard
// input is open, so that none outlives its test, however that ends.

import { createInterface } from 'node:readline';

/** Tells the test something. */
export function tell(fact) {
  process.stdout.write(`${JSON.stringify(fact)}\n`);
}

/** What the test asks for, until it hangs up. */
export function orders() {
  endWithTest();
  return lines();
}

/** Ends the script when the test hangs up, whatever it is doing. */
export function endWithTest() {
  process.stdin.on('end', () => process.exit(0)).resume();
}

async function* lines() {
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line);
}
