'use strict';

// Judges tests against mutants, each chosen by its number.

const util = require('util');
const { evaluate, literal } = require('./literals.cjs');
const { call, play, find, described } = require('./calls.cjs');
const { isWild } = require('./effects.cjs');
const { typeOf } = require('./observe.cjs');

const TICKS = 100000;
// How long the tests of one function may take for all of its mutants together.
const FUNCTION_MS = 20000;
// How long they may take for one: what is left by then says nothing.
const MUTANT_MS = 3000;
const now = Date.now;

function same(actual, expected) {
  return Object.is(actual, expected) || util.isDeepStrictEqual(actual, expected) || (literal(actual) !== undefined && literal(actual) === literal(expected));
}

function isThrown(outcome, { name, message }) {
  if (!('error' in outcome)) return false;
  const error = described(outcome.error);
  return error.class === name && (message === null || error.message === message);
}

async function holds(test, functions, how) {
  const f = functions.get(test.f);
  if (test.kind === 'sequence') return sequenceHolds(test, f, how);
  if (test.kind === 'value') {
    const args = evaluate(`[${test.args.join(', ')}]`);
    const outcome = await call(f, args, how);
    if (!('value' in outcome) || !same(outcome.value, evaluate(test.expected))) return false;
    return (test.changed ?? []).every((text, at) => text === null || same(args[at], evaluate(text)));
  }
  if (test.kind === 'throws') return isThrown(await call(f, evaluate(`[${test.args.join(', ')}]`), how), test);
  for (const sources of test.inputs) {
    if (!(await property(test, f, functions, sources, how))) return false;
  }
  return true;
}

async function sequenceHolds(test, Class, how) {
  const names = test.state.map(([name]) => name);
  const { outcome, instance, after, isBroken } = await play(Class, test.steps, names, how);
  if (isBroken) return false;
  if (test.throws) return isThrown(outcome, test.throws);
  if (!('value' in outcome)) return false;
  const isMade = test.steps.length === 1;
  const isValue = isMade || (test.expected === 'this' ? outcome.value === instance : same(outcome.value, evaluate(test.expected)));
  return isValue && test.state.every(([name, text]) => after.get(name) === text);
}

async function property(test, f, functions, sources, how) {
  const args = evaluate(`[${sources.join(', ')}]`);
  const outcome = await call(f, args, how);
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
      const again = await call(f, [value, ...evaluate(`[${sources.slice(1).join(', ')}]`)], how);
      return 'value' in again && same(again.value, value);
    }
    case 'commutes': {
      const swapped = await call(f, evaluate(`[${[sources[1], sources[0]].join(', ')}]`), how);
      return 'value' in swapped && same(swapped.value, value);
    }
    case 'same_length':
      return value.length === args[0].length;
    case 'not_longer':
      return value.length <= args[0].length;
    case 'round_trip': {
      const back = await call(functions.get(test.other), [value], how);
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

// Tests that fail, whether a loop had to be ended, and whether one reached for what is out of reach.
async function failing(tests, functions, mutant, limit) {
  const shim = state();
  const failed = [];
  let isEndless = false;
  const effects = new Set();
  const began = now();
  for (const test of tests) {
    if (mutant !== 0 && now() - began > MUTANT_MS) return { failed, isEndless: true, isWild: isWild(effects) };
    shim.active = mutant;
    shim.ticks = 0;
    shim.limit = limit;
    let ok;
    try {
      ok = await holds(test, functions, { limit: 0, effects });
    } catch {
      ok = false;
    }
    shim.active = 0;
    if (!ok) failed.push(test.id);
    isEndless ||= shim.ticks > limit;
  }
  return { failed, isEndless, isWild: isWild(effects) };
}

// Judges each mutant by all tests of its function. Mutants may leave traces in the module: then the process gives up, and is begun anew.
async function screen(subject, plan, write, strays) {
  const functions = new Map(plan.functions.map((target) => [target.id, find(subject, target)]));
  const tests = plan.tests.filter((test) => typeof functions.get(test.f) === 'function');
  const broken = new Set((await failing(tests, functions, 0, Infinity)).failed);
  write({ step: 'broken', tests: [...broken] });
  const sound = tests.filter((test) => !broken.has(test.id));
  const done = new Set(plan.done);
  const spent = new Map();
  for (const mutant of plan.mutants) {
    const took = spent.get(mutant.f) ?? 0;
    if (done.has(mutant.id) || took > FUNCTION_MS) continue;
    const began = now();
    const own = sound.filter((test) => test.f === mutant.f || test.other === mutant.f);
    write({ step: 'mutant', id: mutant.id });
    strays.length = 0;
    const { failed, isEndless, isWild: reachesOut } = await failing(own, functions, mutant.id, TICKS);
    write({ step: 'killed', id: mutant.id, tests: failed, is_endless: isEndless || reachesOut || strays.length > 0 });
    if ((await failing(own, functions, 0, Infinity)).failed.length > 0) {
      write({ step: 'traces', id: mutant.id });
      return;
    }
    spent.set(mutant.f, took + now() - began);
  }
  write({ step: 'done' });
}

module.exports = { screen };
