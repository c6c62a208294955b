// BullMQ's own side of the benchmark: one process that submits jobs and processes them with a processor that does
// nothing, as the other sides do.
//
// in:  {"run": jobs, "concurrency": n, "batch": n}   out: {"submit_s", "process_s"}
// in:  {"trips": count, "pause_ms": n}               out: {"start_ms": [...], "result_ms": [...]}

import { setTimeout as pause } from 'node:timers/promises';

import { Queue, QueueEvents, Worker } from 'bullmq';

import { orders, tell } from './pipe.mjs';
import { flags, place } from './queue.mjs';

const given = flags();
const [name] = given.queue;
const queue = new Queue(name, place(given));
await queue.waitUntilReady();

const seconds = (from, to) => (to - from) / 1000;

/** Submits `jobs` in batches, then starts a worker and waits until all are completed. */
async function run({ run: jobs, concurrency, batch }) {
  const worker = new Worker(name, async () => null, { ...place(given), concurrency, autorun: false });
  await worker.waitUntilReady();
  const allCompleted = new Promise((resolve) => {
    let left = jobs;
    worker.on('completed', () => (left -= 1) || resolve());
  });

  const start = performance.now();
  for (let first = 0; first < jobs; first += batch) {
    const numbers = Array.from({ length: Math.min(batch, jobs - first) }, (_, offset) => first + offset);
    await queue.addBulk(numbers.map((number) => ({ name: 'task', data: { goal: `job ${number}` } })));
  }
  const submitted = performance.now();
  void worker.run();
  await allCompleted;
  const processed = performance.now();

  await worker.close();
  await queue.obliterate({ force: true });
  tell({ submit_s: seconds(start, submitted), process_s: seconds(submitted, processed) });
}

/** One job at a time with an idle worker: until the worker has it, and until the submitter knows its result. */
async function trips({ trips: count, pause_ms }) {
  const events = new QueueEvents(name, place(given));
  let started;
  const worker = new Worker(name, async () => ((started = performance.now()), null), place(given));
  await Promise.all([events.waitUntilReady(), worker.waitUntilReady()]);
  const [start_ms, result_ms] = [[], []];
  for (let trip = 0; trip < count; trip += 1) {
    await pause(pause_ms);
    const completed = new Promise((resolve) => events.once('completed', resolve));
    const submitted = performance.now();
    await queue.add('task', { goal: `trip ${trip}` });
    await completed;
    result_ms.push(performance.now() - submitted);
    start_ms.push(started - submitted);
  }
  await Promise.all([worker.close(), events.close()]);
  await queue.obliterate({ force: true });
  tell({ start_ms, result_ms });
}

for await (const order of orders()) await ('run' in order ? run(order) : trips(order));
