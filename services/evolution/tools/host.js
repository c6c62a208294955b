'use strict';

// The tool host: runs the methods of `methods/` for its owner, one call or several at a time, over JSON-RPC 2.0.
//
// Each message is one line of JSON. Requests come on descriptor 4 and answers leave on descriptor 3; the usual streams belong to
// the tools, whose prints can so never break a message. The owner closes descriptor 4 when the host is to end.

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { confine } = require('./confine.js');
const { makeContext } = require('./context.js');

const ANSWERS = 3;
const REQUESTS = 4;
const NEWLINE = 10;

// Codes of JSON-RPC 2.0, and three of ours; the owner knows them by `HostErrorCode`.
const METHOD_NOT_FOUND = -32601;
const FAILED = -32000;
const TOO_LARGE = -32001;
const CANCELLED = -32002;
const UNCAUGHT = -32003;
const PACKAGE_MISSING = -32004;

const options = JSON.parse(process.argv[2] ?? '{}');
const { isConfined = true, maxMessageBytes = 64 << 20 } = options;
const home = process.cwd();
const exit = process.reallyExit.bind(process);
const answers = new net.Socket({ fd: ANSWERS, readable: false, writable: true });
const running = new Map();

function serialized(message) {
  let text;
  try {
    text = JSON.stringify(message);
  } catch (error) {
    if (error instanceof RangeError) return { bytes: Infinity };
    throw error;
  }
  return { text, bytes: Buffer.byteLength(text) };
}

function write(text) {
  return new Promise((resolve) => answers.write(`${text}\n`, resolve));
}

function notify(method, params) {
  const { text, bytes } = serialized({ jsonrpc: '2.0', method, params });
  if (bytes > maxMessageBytes) {
    throw Object.assign(new Error(tooLarge(bytes)), { rpcCode: TOO_LARGE });
  }
  return write(text);
}

function tooLarge(bytes) {
  return `it is ${bytes} bytes long; at most ${maxMessageBytes} are passed on`;
}

function respond(id, outcome) {
  const rss = process.memoryUsage.rss();
  let message;
  try {
    message = serialized({ jsonrpc: '2.0', id, ...outcome, rss });
  } catch (error) {
    message = serialized({ jsonrpc: '2.0', id, error: described(error), rss });
  }
  if (message.bytes > maxMessageBytes) {
    const error = { code: TOO_LARGE, message: tooLarge(message.bytes) };
    message = serialized({ jsonrpc: '2.0', id, error, rss });
  }
  return write(message.text);
}

function described(error) {
  const isError = error instanceof Error || typeof error?.message === 'string';
  const message = isError ? String(error.message) : `it threw ${String(error)}`;
  const stack = isError && typeof error.stack === 'string' ? error.stack.slice(0, 4000) : '';
  return { code: error?.rpcCode ?? FAILED, message: message.slice(0, 4000), data: { stack } };
}

// The method's function. A file that is there and fails to load is a failure, not an unknown method.
function find(method) {
  const file = path.join(__dirname, 'methods', `${method}.js`);
  if (!/^[a-z][a-z0-9_-]*$/.test(method) || !fs.existsSync(file)) {
    throw Object.assign(new Error(`there is no method ${method}`), { rpcCode: METHOD_NOT_FOUND });
  }
  return require(file);
}

async function answer({ id, method, params = {} }) {
  const controller = new AbortController();
  running.set(id, controller);
  const context = makeContext({
    signal: controller.signal,
    isConfined,
    notify: (name, body) => notify(name, { id, ...body }),
    packageMissing: PACKAGE_MISSING,
  });
  let outcome;
  try {
    outcome = { result: (await find(method)(params, context)) ?? null };
  } catch (error) {
    const isCancelled = controller.signal.aborted;
    outcome = { error: isCancelled ? { code: CANCELLED, message: 'cancelled' } : described(error) };
  }
  running.delete(id);
  // A tool may have moved; the next call begins where this one did.
  if (process.cwd() !== home) process.chdir(home);
  await respond(id, outcome);
}

function take(line) {
  const message = JSON.parse(line);
  if (message.method === 'cancel') {
    running.get(message.params.id)?.abort(new Error('cancelled'));
  } else {
    answer(message);
  }
}

function listen() {
  const requests = new net.Socket({ fd: REQUESTS, readable: true, writable: false });
  let parts = [];
  requests.on('data', (chunk) => {
    let end;
    while ((end = chunk.indexOf(NEWLINE)) !== -1) {
      parts.push(chunk.subarray(0, end));
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      chunk = chunk.subarray(end + 1);
      take(line);
    }
    if (chunk.length > 0) parts.push(chunk);
  });
  requests.on('end', () => exit(0));
  requests.on('error', () => exit(0));
}

// What a tool does to the process must not end it unseen.
function guardProcess() {
  const refused = (name) => (code) => {
    throw new Error(`a tool called process.${name}(${code ?? ''})`);
  };
  process.exit = refused('exit');
  process.reallyExit = refused('reallyExit');
  process.abort = refused('abort');
  answers.on('error', () => exit(0));
  process.on('unhandledRejection', (reason) => {
    console.error('a tool left a rejection unhandled:', reason);
  });
  process.on('uncaughtException', async (error) => {
    console.error('a tool threw outside of its call:', error);
    const failure = { ...described(error), code: UNCAUGHT };
    await Promise.all([...running.keys()].map((id) => respond(id, { error: failure })));
    exit(70);
  });
}

guardProcess();
if (isConfined) confine(path.dirname(__dirname));
listen();
