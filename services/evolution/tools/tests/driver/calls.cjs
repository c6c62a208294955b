'use strict';

// Calls of what a module exports: functions, methods of objects, sequences of calls on an instance.

const vm = require('vm');
const timers = require('timers');
const { evaluate, literal } = require('./literals.cjs');
const { leave, watched } = require('./effects.cjs');

const SETTLE_MS = 1000;
const MAX_ITEMS = 100;
const setTimer = timers.setTimeout;
const clearTimer = timers.clearTimeout;

// The only way to end a loop of one's own thread; it costs 0.2 ms for each call.
const box = vm.createContext({ run: null });
const script = new vm.Script('run()');

// Runs `f`, for at most `limit` ms if that is not 0. An end by the limit is { isEndless }.
function bounded(f, limit, effects) {
  const run = () => watched(effects, f);
  try {
    if (!limit) return { value: run() };
    box.run = run;
    return { value: script.runInContext(box, { timeout: limit }) };
  } catch (error) {
    if (error?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') return { error };
    leave();
    return { isEndless: true };
  }
}

function owner(subject, { access, name }) {
  if (access === 'named') return subject[name] === undefined ? subject.default?.[name] : subject[name];
  if (access !== 'default') return typeof subject === 'function' ? subject : (subject.default ?? subject);
  const own = subject.default;
  return own?.default ?? own ?? subject;
}

// A function that makes objects, in the form of a class: `new` gives what a call gives.
function maker(f) {
  return function make(...args) {
    const made = f(...args);
    if (made === null || typeof made !== 'object') throw new TypeError('it is not a constructor');
    return made;
  };
}

// What a plan names, ready to be called; undefined if the module does not have it.
function find(subject, target) {
  const holder = owner(subject, target);
  if (!target.member) return typeof holder === 'function' ? (target.kind === 'factory' ? maker(holder) : holder) : undefined;
  const member = holder?.[target.member];
  return typeof member === 'function' ? member.bind(holder) : undefined;
}

function settled(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimer(() => resolve({ isLate: true }), SETTLE_MS);
  });
  const done = Promise.resolve(promise).then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  return Promise.race([done, late]).finally(() => clearTimer(timer));
}

function isIterator(value) {
  return value && typeof value === 'object' && typeof value.next === 'function' && typeof value[Symbol.iterator] === 'function';
}

function items(iterator) {
  const list = [];
  for (const item of iterator) {
    list.push(item);
    if (list.length > MAX_ITEMS) return null;
  }
  return list;
}

// What one call does: { value } or { error }, and whether it came by a promise or an iterator; { isEndless } or { isLate } if it did
// not come.
async function call(f, args, { limit = 0, effects = new Set(), receiver } = {}) {
  const outcome = bounded(() => f(...args), limit, effects);
  if (!('value' in outcome) || outcome.value === receiver) return outcome;
  const { value } = outcome;
  if (value && typeof value.then === 'function') return { ...(await settled(value)), isAsync: true };
  if (isIterator(value)) {
    const listed = bounded(() => items(value), limit, effects);
    return 'value' in listed && listed.value === null ? { isLate: true } : { ...listed, isIterator: true };
  }
  return { value };
}

function stateOf(instance, names) {
  const state = new Map();
  for (const name of names) {
    let text;
    try {
      text = literal(instance[name]);
    } catch {
      continue;
    }
    if (text !== undefined) state.set(name, text);
  }
  return state;
}

// Makes an instance by the first step, which has the sources of the constructor's arguments, and calls what the others name on it.
// The outcome is that of the last step; `before` and `after` are what can be read of the instance around it.
async function play(Class, steps, names, how) {
  const [first, ...rest] = steps;
  const made = bounded(() => new Class(...evaluate(`[${first}]`)), how.limit, how.effects);
  const waits = [false];
  if (rest.length === 0 || !('value' in made)) {
    const after = 'value' in made ? stateOf(made.value, names) : new Map();
    return { outcome: made, instance: made.value, waits, before: new Map(), after, isBroken: rest.length > 0 };
  }
  const instance = made.value;
  let before;
  let outcome;
  for (const [at, step] of rest.entries()) {
    before = stateOf(instance, names);
    outcome = await callStep(instance, step, how);
    waits.push(Boolean(outcome.isAsync));
    if (!('value' in outcome) && at < rest.length - 1) return { outcome, instance, waits, before, after: before, isBroken: true };
  }
  return { outcome, instance, waits, before, after: stateOf(instance, names), isBroken: false };
}

function callStep(instance, step, how) {
  const open = step.indexOf('(');
  const f = instance[step.slice(0, open)];
  if (typeof f !== 'function') return { error: new TypeError('no such method') };
  const args = evaluate(`[${step.slice(open + 1, -1)}]`);
  return call(f.bind(instance), args, { ...how, receiver: instance });
}

// Realms differ between a runner's modules and its globals, so errors are known by their form.
function described(error) {
  const isError = error !== null && typeof error === 'object' && typeof error.message === 'string' && typeof error.name === 'string';
  if (!isError) return { thrown: literal(error) ?? null };
  const own = error.constructor?.name ?? error.name;
  return { name: error.name, class: own, message: error.message, code: typeof error.code === 'string' ? error.code : '' };
}

// Lets all that waits for its turn come to it, so that errors that nobody handles are told before the next function.
function breath() {
  return new Promise((resolve) => setTimer(resolve, 1));
}

module.exports = { call, play, find, described, breath };
