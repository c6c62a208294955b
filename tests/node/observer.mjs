// An observer: tells everything that QueueEvents says of a queue, from the beginning of its history.
//
// out: {"event": "completed", "jobId": id, ...}

import { QueueEvents } from 'bullmq';

import { endWithTest, tell } from './pipe.mjs';
import { flags, place } from './queue.mjs';

const NAMES = [
  'added', 'waiting', 'delayed', 'active', 'progress', 'completed', 'failed', 'retries-exhausted', 'stalled', 'removed',
];

const given = flags();
const events = new QueueEvents(given.queue[0], { ...place(given), lastEventId: '0-0', autorun: false });
for (const event of NAMES) events.on(event, (facts) => tell({ event, ...facts }));
events.on('error', (failure) => console.error(failure));
endWithTest();
await events.run();
