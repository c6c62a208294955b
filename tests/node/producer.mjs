// A producer: adds each job it is given and tells its result, as BullMQ's own QueueEvents brought it.
//
// in:  {"name": "...", "data": {...}, "opts": {...}}
// out: {"added": id}, then {"id": id, "returned": value} or {"id": id, "failed": reason}

import { Queue, QueueEvents } from 'bullmq';

import { orders, tell } from './pipe.mjs';
import { flags, place } from './queue.mjs';

const given = flags();
const [name] = given.queue;
const queue = new Queue(name, place(given));
const events = new QueueEvents(name, place(given));
await events.waitUntilReady();

async function tellResult(job) {
  try {
    tell({ id: job.id, returned: await job.waitUntilFinished(events) });
  } catch (failure) {
    tell({ id: job.id, failed: failure.message });
  }
}

for await (const { name, data, opts } of orders()) {
  const job = await queue.add(name, data, opts);
  tell({ added: job.id });
  void tellResult(job);
}
