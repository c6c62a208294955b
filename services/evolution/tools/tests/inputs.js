'use strict';

// Inputs for a function: edges of each parameter alone, then random ones of a fixed seed, each as source text.

const { literal } = require('./driver/literals.cjs');

const MAX_CASES = 60;
const MAX_TEXT = 160;
const RANDOM = 14;

function code(text) {
  const value = () => undefined;
  value.shimSource = text;
  return value;
}

const WORDS = ['', 'a', 'Hello World', 'foo-bar_baz', '  spaced out  ', 'ÄÖ ñ', 'a,b;c', '123', '<b>&"\'</b>', 'camelCaseText', '/a/b/c.txt'];
const NUMBERS = [0, 1, -1, 2, 10, 0.5, -2.5, 100, 255, NaN];

// Values worth trying first, the plainest first.
function edges(spec, hints, depth = 0) {
  switch (spec.kind) {
    case 'string':
      return [...hints.strings.slice(0, 8), ...WORDS];
    case 'number':
      return [...new Set([3, ...hints.numbers.slice(0, 12), ...NUMBERS])];
    case 'boolean':
      return [true, false];
    case 'bigint':
      return [0n, 1n, -5n, 12345678901234567890n];
    case 'literal':
      return [spec.value];
    case 'array':
      return arrays(spec.item, hints, depth);
    case 'tuple':
      return combined(spec.items.map((item) => edges(item, hints, depth + 1)));
    case 'object':
      return objects(spec.props, hints, depth);
    case 'record': {
      const [first, second = first] = edges(spec.item, hints, depth + 1);
      return [{ a: first, b: second }, {}, { a: first }];
    }
    case 'union': {
      const lists = spec.parts.map((part) => edges(part, hints, depth));
      return interleaved(lists);
    }
    case 'Date':
      return [new Date('2024-02-29T12:34:56.000Z'), new Date(0), new Date(NaN), new Date('1999-12-31T23:59:59.999Z')];
    case 'RegExp':
      return [/a+/, /b/gi];
    case 'Map':
      return [new Map([['a', 1]]), new Map()];
    case 'Set':
      return [new Set([1, 2]), new Set()];
    case 'Uint8Array':
      return [new Uint8Array([1, 2, 255]), new Uint8Array([])];
    case 'function':
      return callbacks(spec);
    case 'other':
      return [];
    default:
      return depth > 1 ? [1, 'a', null] : [...hints.strings.slice(0, 4), ...hints.numbers.slice(0, 4), 'a', 3, [1, 2, 3], { a: 1 }, null, undefined, true, '', 0, [], {}, ['b', 'a', 'b'], { a: { b: 2 } }, 'Hello World', -1.5];
  }
}

function arrays(item, hints, depth) {
  const items = edges(item, hints, depth + 1);
  if (items.length === 0) return [[]];
  const some = items.slice(0, 6);
  const isAny = item.kind === 'any';
  const lists = [some.slice(0, 3), [], [items[0]], [items[0], items[0], items[items.length > 1 ? 1 : 0]], some.slice(0, 6).reverse()];
  return isAny ? [[1, 2, 3], [], ['b', 'a', 'b'], hints.strings.slice(0, 3), [3, 1, 2, 1], [[1, [2]], [3]], [{ a: 1 }, { a: 2 }], [0, null, undefined, ''], [NaN, -1]] : lists;
}

function objects(props, hints, depth) {
  const lists = props.map(({ spec, isOptional }) => {
    const values = edges(spec, hints, depth + 1);
    return isOptional ? [...values.slice(0, 1), undefined, ...values.slice(1)] : values;
  });
  if (lists.some((list) => list.length === 0)) return [];
  return combined(lists).map((values) => {
    const entries = props.map(({ name }, at) => [name, values[at]]);
    return Object.fromEntries(entries.filter(([, value], at) => value !== undefined || !props[at].isOptional));
  });
}

function callbacks({ parameters, returns }) {
  if (returns.kind === 'boolean') return [code('(value) => Boolean(value)'), code('(value) => value > 1'), code('() => false')];
  if (returns.kind === 'number' && parameters === 2) return [code('(a, b) => a - b'), code('(a, b) => b - a')];
  if (returns.kind === 'string') return [code('(value) => String(value)'), code("() => 'x'")];
  if (parameters === 2) return [code('(a, b) => a + b'), code('(a) => a')];
  return [code('(value) => value'), code('(value) => [value, value]'), code("() => 'x'"), code('(value) => value > 1')];
}

function interleaved(lists) {
  const result = [];
  const longest = Math.max(...lists.map((list) => list.length), 0);
  for (let at = 0; at < longest; at++) {
    for (const list of lists) if (at < list.length) result.push(list[at]);
  }
  return result;
}

// All at their first value, then each alone at all of its values.
function combined(lists) {
  if (lists.some((list) => list.length === 0)) return [];
  const first = lists.map((list) => list[0]);
  const result = [first];
  lists.forEach((list, at) => {
    for (const value of list.slice(1)) result.push(first.map((other, index) => (index === at ? value : other)));
  });
  return result;
}

function arbitrary(fc, spec, hints, depth = 0) {
  const tidy = fc.double({ min: -1000, max: 1000, noNaN: true }).map((value) => Math.round(value * 100) / 100 + 0);
  switch (spec.kind) {
    case 'string': {
      const plain = fc.string({ maxLength: 12, unit: fc.constantFrom(...'abcXYZ019 -_.,/', ...hints.strings.join('').slice(0, 40)) });
      return hints.strings.length ? fc.oneof(plain, fc.constantFrom(...hints.strings), fc.tuple(plain, fc.constantFrom(...hints.strings), plain).map((parts) => parts.join(''))) : plain;
    }
    case 'number': {
      const parts = [fc.integer({ min: -20, max: 120 }), tidy];
      if (hints.numbers.length) parts.push(fc.constantFrom(...hints.numbers));
      return fc.oneof(...parts);
    }
    case 'boolean':
      return fc.boolean();
    case 'bigint':
      return fc.bigInt({ min: -1000n, max: 1000n });
    case 'array':
      return fc.array(arbitrary(fc, spec.item, hints, depth + 1), { maxLength: 6 });
    case 'tuple':
      return fc.tuple(...spec.items.map((item) => arbitrary(fc, item, hints, depth + 1)));
    case 'object': {
      const model = Object.fromEntries(spec.props.map((prop) => [prop.name, arbitrary(fc, prop.spec, hints, depth + 1)]));
      const requiredKeys = spec.props.filter((prop) => !prop.isOptional).map((prop) => prop.name);
      return fc.record(model, { requiredKeys, noNullPrototype: true });
    }
    case 'record':
      return fc.dictionary(fc.constantFrom('a', 'b', 'c', 'key'), arbitrary(fc, spec.item, hints, depth + 1), { maxKeys: 3, noNullPrototype: true });
    case 'union':
      return fc.oneof(...spec.parts.map((part) => arbitrary(fc, part, hints, depth)));
    case 'any': {
      const parts = [fc.integer({ min: -9, max: 99 }), fc.constantFrom('', 'a', 'Bc', 'some text'), fc.boolean(), fc.constantFrom(null, undefined)];
      if (depth < 2) parts.push(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }), fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }));
      return fc.oneof(...parts);
    }
    default: {
      const values = edges(spec, hints, depth);
      return values.length ? fc.constantFrom(...values) : fc.constant(undefined);
    }
  }
}

// Lists of argument lists, each argument as its source.
function casesOf(fc, parameters, hints, seed) {
  const required = parameters.filter((parameter) => !parameter.isOptional && !parameter.isRest);
  const needs = required.find((parameter) => edges(parameter.spec, hints).length === 0);
  if (needs) return { needs: needs.spec.name ?? needs.name };
  const usable = parameters.filter((parameter) => edges(parameter.spec, hints).length > 0);
  const fixed = combined(usable.map((parameter) => edges(parameter.spec, hints)));
  const short = required.length < usable.length ? combined(required.map((parameter) => edges(parameter.spec, hints))) : [];
  const random = fc.sample(fc.tuple(...usable.map((parameter) => arbitrary(fc, parameter.spec, hints))), { seed, numRuns: RANDOM * 2 });
  const pairs = pairsOf(usable.map((parameter) => edges(parameter.spec, hints)));
  const candidates = usable.length ? [...short.slice(0, 12), ...fixed.slice(0, 40), ...random.slice(0, RANDOM), ...pairs] : [[]];
  const table = usable.length ? random : [];
  return { cases: sources(candidates, MAX_CASES), table: sources(table, RANDOM * 2) };
}

// Several parameters away from their first value at once.
function pairsOf(lists) {
  if (lists.length < 2) return [];
  const result = [];
  for (let step = 1; step < 16; step++) {
    result.push(lists.map((list, at) => list[(step * (at * 2 + 1)) % list.length]));
  }
  return result;
}

function sources(candidates, most) {
  const seen = new Set();
  const result = [];
  for (const values of candidates) {
    const parts = values.map((value) => literal(value));
    const text = parts.join(', ');
    if (parts.includes(undefined) || text.length > MAX_TEXT || seen.has(text)) continue;
    seen.add(text);
    result.push(parts);
    if (result.length === most) break;
  }
  return result;
}

module.exports = { casesOf };
