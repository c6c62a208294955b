'use strict';

// What functions do with inputs.

const { evaluate, literal } = require('./literals.cjs');
const { call, play, find, described, breath } = require('./calls.cjs');
const { shiftClock } = require('./effects.cjs');

// How long one call may take, and all calls of one function.
const CALL_MS = 1000;
const FUNCTION_MS = 6000;
const MAX_ENDLESS = 2;
const now = Date.now;

async function observe(subject, plan, write, strays) {
  if (plan.days) shiftClock(plan.days);
  const skip = new Set(plan.skip);
  for (const target of plan.functions) {
    const f = find(subject, target);
    if (typeof f !== 'function') {
      write({ step: 'missing', f: target.id });
      continue;
    }
    strays.length = 0;
    await observeFunction(f, target, skip, write);
    await breath();
    if (strays.length > 0) write({ step: 'given_up', f: target.id, why: `it leaves an error behind that nobody handles: ${strays[0]}` });
  }
}

async function observeFunction(f, target, skip, write) {
  let [endless, calls] = [0, 0];
  const began = now();
  for (let at = 0; at < target.cases.length; at++) {
    if (skip.has(`${target.id}/${at}`)) continue;
    write({ step: 'begin', f: target.id, at });
    const seen = await seenOf(f, target, target.cases[at]).catch(unreadable);
    write({ step: 'end', f: target.id, at, ...seen });
    calls++;
    if (seen.is_endless) endless++;
    const isLast = at === target.cases.length - 1;
    if (endless === MAX_ENDLESS || (isLast && endless > 0 && endless === calls)) {
      write({ step: 'given_up', f: target.id, why: `it does not end: ${endless} of its calls were stopped after ${CALL_MS / 1000} s` });
      return;
    }
    if (now() - began > FUNCTION_MS) {
      write({ step: 'given_up', f: target.id, why: `it is too slow for tests: ${calls} calls took ${FUNCTION_MS / 1000} s` });
      return;
    }
  }
}

// A value may throw while it is looked at: a proxy, a getter.
function unreadable() {
  return { value: null, type: 'object' };
}

async function seenOf(f, target, sources) {
  const effects = new Set();
  const how = { limit: CALL_MS, effects };
  if (target.kind !== 'function') return { ...(await playSeen(f, target, sources, how)), effects: [...effects] };
  const args = evaluate(`[${sources.join(', ')}]`);
  const before = args.map((arg) => literal(arg));
  const outcome = await call(f, args, how);
  const after = args.map((arg) => literal(arg));
  const changed = after.map((text, at) => (text === before[at] ? null : (text ?? '?')));
  return { ...ended(outcome), effects: [...effects], changed, is_iterator: Boolean(outcome.isIterator) };
}

async function playSeen(Class, target, steps, how) {
  const { outcome, instance, waits, before, after, isBroken } = await play(Class, steps, target.state, how);
  const common = { waits, is_prelude_broken: isBroken };
  if (steps.length === 1 && 'value' in outcome) return { ...common, value: 'undefined', type: 'undefined', state: [...after] };
  const state = [...after].filter(([name, text]) => before.get(name) !== text);
  const returns_self = 'value' in outcome && outcome.value === instance;
  if (returns_self) return { ...common, value: 'this', type: 'object', is_async: Boolean(outcome.isAsync), state };
  return { ...common, ...ended(outcome), state };
}

function ended(outcome) {
  const common = { is_async: Boolean(outcome.isAsync) };
  if (outcome.isEndless) return { ...common, is_endless: true };
  if (outcome.isLate) return { ...common, is_late: true };
  if ('error' in outcome) return { ...common, error: described(outcome.error) };
  return { ...common, value: literal(outcome.value) ?? null, type: typeOf(outcome.value) };
}

function typeOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

module.exports = { observe, typeOf };
