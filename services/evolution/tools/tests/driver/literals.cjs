'use strict';

// Values as source text, and back.

const MAX_SOURCE = 400;

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

module.exports = { literal, evaluate };
