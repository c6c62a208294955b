// Which queue of which Redis a script works on: `--redis URL --prefix PREFIX --queue NAME`, beside its own flags.

import { parseArgs } from 'node:util';

/** The flags of the command line; `own` are those only this script knows. */
export function flags(own = {}) {
  const shared = {
    redis: { type: 'string' },
    prefix: { type: 'string', default: 'bull' },
    queue: { type: 'string', multiple: true, default: [] },
  };
  return parseArgs({ options: { ...shared, ...own } }).values;
}

/** What BullMQ's classes take as options; each call is a connection of its own. */
export function place({ redis, prefix }) {
  return { connection: { ...address(redis), maxRetriesPerRequest: null }, prefix };
}

/** A Redis URL as the stack writes it, as options of ioredis. */
function address(url) {
  const { protocol, hostname, port, pathname } = new URL(url);
  return protocol === 'redis+unix:' ? { path: pathname } : { host: hostname, port: Number(port) };
}
