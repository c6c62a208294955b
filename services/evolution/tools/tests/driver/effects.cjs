'use strict';

// What a call does beside returning, known by the context that the call runs in: also what it does later. Files, processes and the
// network are out of its reach.

const fs = require('fs');
const vm = require('vm');
const { AsyncLocalStorage } = require('async_hooks');

const EFFECTS = {
  fs: ['fs', null],
  child_process: ['child_process', null],
  net: ['net', ['connect', 'createConnection', 'createServer']],
  http: ['http', ['request', 'get', 'createServer']],
  https: ['https', ['request', 'get']],
  dns: ['dns', null],
};
const BLOCKED = new Set([...Object.keys(EFFECTS), 'process', 'network']);
const STRAY_EVENTS = ['uncaughtException', 'unhandledRejection'];

const calls = new AsyncLocalStorage();
let isArmed = false;
let isWatching = false;

// Runs `f` as a call whose effects are gathered in a set.
function watched(effects, f) {
  return calls.run(effects, f);
}

// What ends a call from within skips the code that leaves its context.
function leave() {
  calls.enterWith(undefined);
}

// Runs `f` as no call.
function unwatched(f) {
  return calls.exit(f);
}

function isWild(effects) {
  return [...effects].some((effect) => BLOCKED.has(effect));
}

function guard(holder, name, effect) {
  const original = holder[name];
  if (typeof original !== 'function') return;
  const blocks = BLOCKED.has(effect);
  const wrapped = function (...args) {
    const effects = calls.getStore();
    effects?.add(effect);
    // A process is not ended by what a call left behind either.
    if (blocks && (effects || (isArmed && effect === 'process'))) throw new Error(`not here: ${effect}`);
    return new.target ? new original(...args) : original.apply(this, args);
  };
  try {
    Object.defineProperty(wrapped, 'name', { value: name });
    Object.setPrototypeOf(wrapped, original);
    holder[name] = wrapped;
  } catch {
    // What cannot be replaced is not watched.
  }
}

// A runner may run the tests of several modules in one process, with one copy of this.
function watchEffects() {
  if (isWatching) return;
  isWatching = true;
  for (const [effect, [module, names]] of Object.entries(EFFECTS)) {
    const holder = require(module);
    for (const name of names ?? Object.keys(holder)) {
      if (typeof holder[name] === 'function' && /^[a-z]/.test(name)) guard(holder, name, effect);
    }
  }
  for (const name of Object.keys(fs.promises)) guard(fs.promises, name, 'fs');
  for (const name of ['exit', 'abort', 'kill', 'chdir', 'reallyExit']) guard(process, name, 'process');
  for (const name of ['log', 'error', 'warn', 'info', 'debug', 'trace']) guard(console, name, 'console');
  for (const stream of [process.stdout, process.stderr]) guard(stream, 'write', 'output');
  for (const name of ['setTimeout', 'setInterval', 'setImmediate']) guard(globalThis, name, 'timers');
  if (typeof globalThis.fetch === 'function') guard(globalThis, 'fetch', 'network');
  require('module').syncBuiltinESMExports();
}

// Errors that nobody handles go to `onStray` instead of the runner, which would end its test or its process by them. Runners give
// tests a copy of `process`; the context of the program has the real one. Returns what makes all as it was.
function catchStrays(onStray) {
  const real = vm.runInThisContext('process');
  const kept = STRAY_EVENTS.map((event) => real.listeners(event));
  const listener = (error) => onStray(error);
  for (const event of STRAY_EVENTS) {
    real.removeAllListeners(event);
    real.on(event, listener);
  }
  isArmed = true;
  return () => {
    isArmed = false;
    STRAY_EVENTS.forEach((event, at) => {
      real.removeListener(event, listener);
      for (const own of kept[at]) real.on(event, own);
    });
  };
}

// Another day, so that what depends on the clock shows itself.
function shiftClock(days) {
  const shift = days * 86400000;
  const RealDate = Date;
  const now = RealDate.now.bind(RealDate);
  globalThis.Date = class Date extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(now() + shift);
      else super(...args);
    }

    static now() {
      return now() + shift;
    }
  };
}

module.exports = { watched, unwatched, leave, isWild, watchEffects, catchStrays, shiftClock };
