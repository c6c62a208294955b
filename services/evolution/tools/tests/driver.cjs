'use strict';

// Runs inside of the project's own test runner, in a throw-away copy of the project: calls functions with inputs and writes down what
// they do, or judges tests against mutants. Each line of its journal is written before the next step, so that a process that dies
// shows where.

const fs = require('fs');
const util = require('util');

const append = fs.appendFileSync;
const MAX_SOURCE = 400;
const SETTLE_MS = 1000;

// ---- values as source text ----

function quote(text) {
  const escaped = JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'");
  return `'${escaped.replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029')}'`;
}

function number(value) {
  if (Object.is(value, -0)) return '-0';
  return String(value);
}

function key(name) {
  return /^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__' ? name : quote(name);
}

// The source of a value that can be made anew from it; undefined for all others.
function literal(value, depth = 0) {
  const text = source(value, depth, new Set());
  return text !== undefined && text.length <= MAX_SOURCE ? text : undefined;
}

function source(value, depth, seen) {
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'boolean':
      return String(value);
    case 'number':
      return number(value);
    case 'bigint':
      return `${value}n`;
    case 'string':
      return quote(value);
    case 'object':
      break;
    default:
      return value?.shimSource;
  }
  if (value === null) return 'null';
  if (depth > 5 || seen.has(value)) return undefined;
  seen.add(value);
  const text = composite(value, depth, seen);
  seen.delete(value);
  return text;
}

function all(values, depth, seen) {
  const parts = [];
  for (const value of values) {
    const part = source(value, depth + 1, seen);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

function composite(value, depth, seen) {
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (Array.isArray(value)) {
    const isPlain = Object.keys(value).length === value.length;
    const parts = isPlain ? all(value, depth, seen) : undefined;
    return parts && `[${parts.join(', ')}]`;
  }
  if (kind === 'Date') {
    const time = value.getTime();
    return Number.isNaN(time) ? 'new Date(NaN)' : `new Date(${quote(value.toISOString())})`;
  }
  if (kind === 'RegExp') return value.lastIndex === 0 ? String(value) : undefined;
  if (kind === 'Map' || kind === 'Set') {
    const parts = all([...value], depth, seen);
    return parts && `new ${kind}(${parts.length ? `[${parts.join(', ')}]` : ''})`;
  }
  if (/^(Uint8|Uint8Clamped|Int8|Uint16|Int16|Uint32|Int32|Float32|Float64)Array$/.test(kind) && value.constructor.name === kind) {
    return `new ${kind}([${Array.from(value, number).join(', ')}])`;
  }
  const proto = Object.getPrototypeOf(value);
  const isPlain = proto !== null && Object.getPrototypeOf(proto) === null && proto.constructor?.name === 'Object';
  if (!isPlain || kind !== 'Object' || Object.getOwnPropertySymbols(value).length > 0) return undefined;
  const names = Object.keys(value);
  if (names.length !== Object.getOwnPropertyNames(value).length) return undefined;
  if (names.some((name) => Object.getOwnPropertyDescriptor(value, name).get)) return undefined;
  const parts = all(names.map((name) => value[name]), depth, seen);
  if (!parts) return undefined;
  return names.length === 0 ? '{}' : `{ ${names.map((name, at) => `${key(name)}: ${parts[at]}`).join(', ')} }`;
}

// Indirect, so that what is evaluated sees globals alone, of the realm that the tests run in.
function evaluate(text) {
  return new Function(`return (${text});`)();
}

// ---- what a function does beside returning ----

const EFFECTS = {
  fs: ['fs', null],
  child_process: ['child_process', null],
  net: ['net', ['connect', 'createConnection', 'createServer']],
  http: ['http', ['request', 'get', 'createServer']],
  https: ['https', ['request', 'get']],
  dns: ['dns', null],
};
let watching = null;

function guard(holder, name, effect, blocks) {
  const original = holder[name];
  if (typeof original !== 'function') return;
  const wrapped = function (...args) {
    if (watching) {
      watching.add(effect);
      if (blocks) throw new Error(`not here: ${effect}`);
    }
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

function watchEffects() {
  for (const [effect, [module, names]] of Object.entries(EFFECTS)) {
    const holder = require(module);
    for (const name of names ?? Object.keys(holder)) {
      if (typeof holder[name] === 'function' && /^[a-z]/.test(name)) guard(holder, name, effect, true);
    }
  }
  for (const name of Object.keys(fs.promises)) guard(fs.promises, name, 'fs', true);
  for (const name of ['exit', 'abort', 'kill', 'chdir', 'reallyExit']) guard(process, name, 'process', true);
  for (const name of ['log', 'error', 'warn', 'info', 'debug', 'trace']) guard(console, name, 'console', false);
  for (const stream of [process.stdout, process.stderr]) guard(stream, 'write', 'output', false);
  for (const name of ['setTimeout', 'setInterval', 'setImmediate']) guard(globalThis, name, 'timers', false);
  if (typeof globalThis.fetch === 'function') guard(globalThis, 'fetch', 'network', true);
  require('module').syncBuiltinESMExports();
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

// ---- calls ----

function find(subject, { access, name }) {
  if (access === 'named') {
    const owner = typeof subject[name] === 'function' ? subject : subject.default;
    return owner?.[name];
  }
  if (access === 'default') return typeof subject.default === 'function' ? subject.default : (subject.default?.default ?? subject);
  return typeof subject === 'function' ? subject : subject.default;
}

function settled(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = realSetTimeout(() => resolve({ isLate: true }), SETTLE_MS);
  });
  const done = Promise.resolve(promise).then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

const realSetTimeout = setTimeout;

function isIterator(value) {
  return value && typeof value === 'object' && typeof value.next === 'function' && typeof value[Symbol.iterator] === 'function';
}

// What one call does: { value } or { error }, and whether it came by a promise or an iterator.
async function call(f, args) {
  let value;
  try {
    value = f(...args);
  } catch (error) {
    return { error };
  }
  if (value && typeof value.then === 'function') return { ...(await settled(value)), isAsync: true };
  if (isIterator(value)) {
    const items = [];
    try {
      for (const item of value) {
        items.push(item);
        if (items.length > 100) return { isLate: true };
      }
    } catch (error) {
      return { error, isIterator: true };
    }
    return { value: items, isIterator: true };
  }
  return { value };
}

// Realms differ between a runner's modules and its globals, so errors are known by their form.
function described(error) {
  const isError = error !== null && typeof error === 'object' && typeof error.message === 'string' && typeof error.name === 'string';
  if (!isError) return { thrown: literal(error) ?? null };
  const own = error.constructor?.name ?? error.name;
  return { name: error.name, class: own, message: error.message, code: typeof error.code === 'string' ? error.code : '' };
}

// ---- observing ----

async function observe(subject, plan, write) {
  watchEffects();
  if (plan.days) shiftClock(plan.days);
  const skip = new Set(plan.skip);
  for (const target of plan.functions) {
    const f = find(subject, target);
    if (typeof f !== 'function') {
      write({ step: 'missing', f: target.id });
      continue;
    }
    for (let at = 0; at < target.cases.length; at++) {
      if (skip.has(`${target.id}/${at}`)) continue;
      write({ step: 'begin', f: target.id, at });
      write({ step: 'end', f: target.id, at, ...(await observed(f, target.cases[at]).catch(unreadable)) });
    }
  }
}

// A value may throw while it is looked at: a proxy, a getter.
function unreadable() {
  watching = null;
  return { value: null, type: 'object' };
}

async function observed(f, sources) {
  const args = evaluate(`[${sources.join(', ')}]`);
  const before = args.map((arg) => literal(arg));
  const effects = new Set();
  watching = effects;
  const outcome = await call(f, args);
  watching = null;
  const after = args.map((arg) => literal(arg));
  const changed = after.map((text, at) => (text === before[at] ? null : (text ?? '?')));
  const common = { effects: [...effects], changed, is_async: Boolean(outcome.isAsync), is_iterator: Boolean(outcome.isIterator) };
  if (outcome.isLate) return { ...common, is_late: true };
  if ('error' in outcome) return { ...common, error: described(outcome.error) };
  const value = outcome.value;
  const isSame = args.findIndex((arg) => arg === value && typeof arg === 'object' && arg !== null);
  return { ...common, value: literal(value) ?? null, type: typeOf(value), returns_argument: isSame };
}

function typeOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

// ---- judging ----

function same(actual, expected) {
  return Object.is(actual, expected) || util.isDeepStrictEqual(actual, expected) || (literal(actual) !== undefined && literal(actual) === literal(expected));
}

async function holds(test, functions) {
  const f = functions.get(test.f);
  if (test.kind === 'value') {
    const args = evaluate(`[${test.args.join(', ')}]`);
    const outcome = await call(f, args);
    if (!('value' in outcome) || !same(outcome.value, evaluate(test.expected))) return false;
    return (test.changed ?? []).every((text, at) => text === null || same(args[at], evaluate(text)));
  }
  if (test.kind === 'throws') {
    const outcome = await call(f, evaluate(`[${test.args.join(', ')}]`));
    if (!('error' in outcome)) return false;
    const error = described(outcome.error);
    return error.class === test.name && (test.message === null || error.message === test.message);
  }
  for (const sources of test.inputs) {
    if (!(await property(test, f, functions, sources))) return false;
  }
  return true;
}

async function property(test, f, functions, sources) {
  const args = evaluate(`[${sources.join(', ')}]`);
  const outcome = await call(f, args);
  if (!('value' in outcome)) return false;
  const value = outcome.value;
  switch (test.kind) {
    case 'type':
      return typeOf(value) === test.type;
    case 'integer':
      return Number.isInteger(value);
    case 'not_negative':
      return value >= 0;
    case 'within':
      return args[test.low] > args[test.high] || (value >= args[test.low] && value <= args[test.high]);
    case 'keeps_input':
      return args.every((arg, at) => same(arg, evaluate(sources[at])));
    case 'idempotent': {
      const again = await call(f, [value, ...evaluate(`[${sources.slice(1).join(', ')}]`)]);
      return 'value' in again && same(again.value, value);
    }
    case 'commutes': {
      const swapped = await call(f, evaluate(`[${[sources[1], sources[0]].join(', ')}]`));
      return 'value' in swapped && same(swapped.value, value);
    }
    case 'same_length':
      return value.length === args[0].length;
    case 'not_longer':
      return value.length <= args[0].length;
    case 'round_trip': {
      const back = await call(functions.get(test.other), [value]);
      return 'value' in back && same(back.value, evaluate(sources[0]));
    }
    default:
      return false;
  }
}

function state() {
  const shim = globalThis.__shim;
  if (shim) return shim;
  return (globalThis.__shim = { active: 0, ticks: 0, hit() {} });
}

// Tests that fail, and whether a loop had to be ended.
async function failing(tests, functions, mutant, limit) {
  const shim = state();
  const failed = [];
  let isEndless = false;
  for (const test of tests) {
    shim.active = mutant;
    shim.ticks = 0;
    shim.limit = limit;
    let ok;
    try {
      ok = await holds(test, functions);
    } catch {
      ok = false;
    }
    shim.active = 0;
    if (!ok) failed.push(test.id);
    isEndless ||= shim.ticks > limit;
  }
  return { failed, isEndless };
}

// Judges each mutant by all tests of its function. Mutants may leave traces in the module: then the process gives up, and is begun anew.
async function screen(subject, plan, write) {
  const functions = new Map(plan.functions.map((target) => [target.id, find(subject, target)]));
  const tests = plan.tests.filter((test) => typeof functions.get(test.f) === 'function');
  const broken = new Set((await failing(tests, functions, 0, Infinity)).failed);
  write({ step: 'broken', tests: [...broken] });
  const sound = tests.filter((test) => !broken.has(test.id));
  const done = new Set(plan.done);
  for (const mutant of plan.mutants) {
    if (done.has(mutant.id)) continue;
    const own = sound.filter((test) => test.f === mutant.f || test.other === mutant.f);
    write({ step: 'mutant', id: mutant.id });
    const { failed, isEndless } = await failing(own, functions, mutant.id, 100000);
    write({ step: 'killed', id: mutant.id, tests: failed, is_endless: isEndless });
    if ((await failing(own, functions, 0, Infinity)).failed.length > 0) {
      write({ step: 'traces', id: mutant.id });
      return;
    }
  }
  write({ step: 'done' });
}

async function run(subject, folder, name) {
  const plan = JSON.parse(fs.readFileSync(`${folder}/${name}.plan.json`, 'utf8'));
  const journal = `${folder}/${name}.journal`;
  const write = (line) => append(journal, `${JSON.stringify(line)}\n`);
  write({ step: 'loaded' });
  await (plan.mode === 'observe' ? observe : screen)(subject, plan, write);
  write({ step: 'finished' });
}

module.exports = { run, literal, evaluate };
