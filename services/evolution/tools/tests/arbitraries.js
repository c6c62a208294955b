'use strict';

// Sources of fast-check's arbitraries for parameters, plain enough to be read in a test. `undefined` for what none is plain for.

const { literal } = require('./driver/literals.cjs');

const MAX_SOURCE = 160;

function arbitrarySource(spec, depth = 0) {
  if (depth > 3) return undefined;
  const inner = (part) => arbitrarySource(part, depth + 1);
  const listed = (parts) => {
    const sources = parts.map(inner);
    return sources.includes(undefined) ? undefined : sources.join(', ');
  };
  switch (spec.kind) {
    case 'string':
      return 'fc.string()';
    case 'number':
      return 'fc.integer({ min: -1000, max: 1000 })';
    case 'boolean':
      return 'fc.boolean()';
    case 'bigint':
      return 'fc.bigInt({ min: -1000n, max: 1000n })';
    case 'literal': {
      const value = literal(spec.value);
      return value && `fc.constant(${value})`;
    }
    case 'array':
      return around('fc.array(', inner(spec.item), ', { maxLength: 8 })');
    case 'tuple':
      return around('fc.tuple(', listed(spec.items), ')');
    case 'object': {
      const entries = spec.props.map(({ name, spec: own }) => ({ name, source: inner(own) }));
      if (entries.some(({ name, source }) => source === undefined || !/^[A-Za-z_$][\w$]*$/.test(name))) return undefined;
      return `fc.record({ ${entries.map(({ name, source }) => `${name}: ${source}`).join(', ')} })`;
    }
    case 'record':
      return around('fc.dictionary(fc.string(), ', inner(spec.item), ', { maxKeys: 4 })');
    case 'union':
      return around('fc.oneof(', listed(spec.parts), ')');
    default:
      return undefined;
  }
}

function around(before, source, after) {
  return source === undefined ? undefined : before + source + after;
}

// One source for each parameter that inputs are made for; none if one of them has no plain source.
function arbitrariesOf(parameters) {
  const sources = parameters.map((parameter) => arbitrarySource(parameter.spec));
  const isPlain = sources.length > 0 && !sources.includes(undefined) && sources.join(', ').length <= MAX_SOURCE;
  return isPlain ? sources : [];
}

module.exports = { arbitrariesOf };
