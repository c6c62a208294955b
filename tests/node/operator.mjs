// An operator: does with a queue and its jobs what people do with BullMQ's own methods.
//
// in:  {"do": "remove" | "promote" | "retry" | "state" | "data", "id": "..."}, {"do": "add", "name": "...", "data": {...}, "opts": {...}},
//      {"do": "pause" | "resume" | "obliterate" | "drain"}, {"do": "limit", "max": n, "duration": ms}
// out: {"did": "...", "said": value} or {"did": "...", "failed": reason}

import { Queue } from 'bullmq';

import { orders, tell } from './pipe.mjs';
import { flags, place } from './queue.mjs';

const given = flags();
const queue = new Queue(given.queue[0], place(given));

const job = async ({ id }) => (await queue.getJob(id)) ?? Promise.reject(new Error(`there is no job ${id}`));
const deeds = {
  add: async ({ name, data, opts }) => (await queue.add(name, data, opts)).id,
  remove: async (order) => (await job(order)).remove(),
  promote: async (order) => (await job(order)).promote(),
  retry: async (order) => (await job(order)).retry(),
  state: async (order) => (await job(order)).getState(),
  data: async (order) => (await job(order)).data,
  pause: () => queue.pause(),
  resume: () => queue.resume(),
  obliterate: () => queue.obliterate({ force: true }),
  drain: () => queue.drain(true),
  limit: ({ max, duration }) => queue.setGlobalRateLimit(max, duration),
};

for await (const order of orders()) {
  try {
    tell({ did: order.do, said: await deeds[order.do](order) });
  } catch (failure) {
    tell({ did: order.do, failed: failure.message });
  }
}
