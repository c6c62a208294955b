// A worker that knows nothing of SHIM: it processes every job of a queue and tells what became of it.
//
// --failures N  each job fails its first N attempts
// --object      returns an object instead of a text
// --hang        takes jobs and never ends them
//
// out: {"ready": true}, then {"active" | "completed" | "failed": id, "attempt": n, ...}

import { Worker } from 'bullmq';

import { endWithTest, tell } from './pipe.mjs';
import { flags, place } from './queue.mjs';

const given = flags({
  failures: { type: 'string', default: '0' },
  object: { type: 'boolean', default: false },
  hang: { type: 'boolean', default: false },
});

async function work(job) {
  const attempt = job.attemptsMade + 1;
  tell({ active: job.id, attempt, name: job.name, data: job.data });
  if (given.hang) await new Promise(() => {});
  if (attempt <= Number(given.failures)) throw new Error(`attempt ${attempt} was out of luck`);
  return given.object ? { goal: job.data.goal, attempt } : `done: ${job.data.goal}`;
}

const worker = new Worker(given.queue[0], work, { ...place(given), autorun: false });
worker.on('completed', (job, returned) => tell({ completed: job.id, attempt: job.attemptsMade, returned }));
worker.on('failed', (job, failure) => tell({ failed: job?.id, attempt: job?.attemptsMade, reason: failure.message }));
worker.on('error', (failure) => console.error(failure));
await worker.waitUntilReady();
endWithTest();
tell({ ready: true });
await worker.run();
