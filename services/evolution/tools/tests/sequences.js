'use strict';

// Sequences of calls on an instance: it is made, then its methods are called with inputs of their own. A step is a source: that of the
// constructor's arguments, then `method(arguments)`.

const MAX_SEQUENCES = 110;
const RANDOM = 30;
const MAX_STEPS = 5;

// `made`: sources of arguments of the constructor; `methods`: [{ name, inputs }] with sources of arguments.
function sequencesOf(made, methods, seed) {
  const [first = ''] = made;
  const all = made.slice(0, 10).map((args) => [args]);
  for (const { name, inputs } of methods) {
    for (const args of inputs.slice(0, 5)) all.push([first, `${name}(${args})`]);
    for (const args of made.slice(1, 4)) all.push([args, `${name}(${inputs[0]})`]);
  }
  all.push(...pairs(first, methods), ...random(made, methods, seed));
  const seen = new Set();
  const fresh = all.filter((steps) => {
    const text = steps.join('\n');
    return text.length <= 240 && !seen.has(text) && seen.add(text);
  });
  return fresh.slice(0, MAX_SEQUENCES);
}

// Each method after each other one: what one stores, the other finds by the same argument.
function pairs(first, methods) {
  const result = [];
  for (const one of methods) {
    for (const other of methods) {
      const [args] = one.inputs;
      const [key] = args.split(', ');
      const again = other.inputs.find((text) => text === args) ?? other.inputs.find((text) => text === key) ?? other.inputs[0];
      result.push([first, `${one.name}(${args})`, `${other.name}(${again})`]);
      if (result.length >= 40) return result;
    }
  }
  return result;
}

function random(made, methods, seed) {
  if (methods.length === 0) return [];
  const next = numbers(seed);
  const pick = (list) => list[next() % list.length];
  const result = [];
  for (let at = 0; at < RANDOM; at++) {
    const steps = [made.length > 0 ? made[at % Math.min(made.length, 3)] : ''];
    const length = 3 + (at % (MAX_STEPS - 2));
    while (steps.length < length) {
      const { name, inputs } = pick(methods);
      steps.push(`${name}(${pick(inputs.slice(0, 4))})`);
    }
    result.push(steps);
  }
  return result;
}

// Well mixed numbers that follow from the seed.
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

module.exports = { sequencesOf };
