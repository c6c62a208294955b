// Bull Board with the queues it is told of, on a free port.
//
// out: {"url": "http://127.0.0.1:port"}

import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';

import { endWithTest, tell } from './pipe.mjs';
import { flags, place } from './queue.mjs';

const given = flags();
const serverAdapter = new ExpressAdapter();
const queues = given.queue.map((name) => new BullMQAdapter(new Queue(name, place(given))));
createBullBoard({ queues, serverAdapter });

const app = express().use(serverAdapter.getRouter());
const server = app.listen(0, '127.0.0.1', () => tell({ url: `http://127.0.0.1:${server.address().port}` }));
endWithTest();
