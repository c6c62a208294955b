'use strict';

// What a parameter takes, as a small tree: from the compiler's types, or, where there are none, from how the body uses it.

const MAX_DEPTH = 4;
const any = { kind: 'any' };

function specOfType(ts, checker, type, depth = 0) {
  const { flags } = type;
  const F = ts.TypeFlags;
  if (depth > MAX_DEPTH) return any;
  if (flags & (F.Any | F.Unknown)) return any;
  if (flags & F.TypeParameter) {
    const constraint = checker.getBaseConstraintOfType(type);
    return constraint && constraint !== type ? specOfType(ts, checker, constraint, depth + 1) : any;
  }
  if (flags & F.Boolean) return { kind: 'boolean' };
  if (type.isStringLiteral() || type.isNumberLiteral()) return { kind: 'literal', value: type.value };
  if (flags & F.BooleanLiteral) return { kind: 'literal', value: type.intrinsicName === 'true' };
  if (flags & F.Undefined || flags & F.Void) return { kind: 'literal' };
  if (flags & F.Null) return { kind: 'literal', value: null };
  if (flags & F.StringLike) return { kind: 'string' };
  if (flags & F.NumberLike) return { kind: 'number' };
  if (flags & F.BigIntLike) return { kind: 'bigint' };
  if (type.isUnion()) return unionOf(type.types.map((part) => specOfType(ts, checker, part, depth)));
  if (checker.isTupleType(type)) {
    return { kind: 'tuple', items: checker.getTypeArguments(type).map((part) => specOfType(ts, checker, part, depth + 1)) };
  }
  if (checker.isArrayType(type)) {
    return { kind: 'array', item: specOfType(ts, checker, checker.getTypeArguments(type)[0], depth + 1) };
  }
  const signatures = type.getCallSignatures();
  if (signatures.length > 0) return functionOf(ts, checker, signatures[0], depth);
  if (flags & F.NonPrimitive) return { kind: 'record', item: any };
  if (flags & F.Object || type.isIntersection()) return objectOf(ts, checker, type, depth);
  return { kind: 'other', name: checker.typeToString(type) };
}

function unionOf(parts) {
  const kinds = parts.filter((part) => part.kind !== 'other');
  if (kinds.length === 0) return parts[0];
  return kinds.length === 1 ? kinds[0] : { kind: 'union', parts: kinds };
}

function functionOf(ts, checker, signature, depth) {
  const returns = specOfType(ts, checker, signature.getReturnType(), depth + 1);
  return { kind: 'function', parameters: signature.parameters.length, returns };
}

const BUILT_IN = new Set(['Date', 'RegExp', 'Map', 'Set', 'Uint8Array']);

function objectOf(ts, checker, type, depth) {
  const name = type.symbol?.name ?? '';
  if (BUILT_IN.has(name)) {
    const parts = (checker.getTypeArguments?.(type) ?? []).map((part) => specOfType(ts, checker, part, depth + 1));
    return { kind: name, parts };
  }
  if (['Iterable', 'ArrayLike', 'Iterator', 'IterableIterator', 'ReadonlySet'].includes(name)) {
    const [item] = checker.getTypeArguments?.(type) ?? [];
    return { kind: 'array', item: item ? specOfType(ts, checker, item, depth + 1) : any };
  }
  const isClass = type.isClass?.() || (type.symbol?.flags ?? 0) & ts.SymbolFlags.Class;
  if (isClass || ['Promise', 'Error', 'Buffer', 'Function', 'WeakMap', 'Symbol'].includes(name)) {
    return name === 'Function' ? { kind: 'function', parameters: 1, returns: any } : { kind: 'other', name };
  }
  const index = type.getStringIndexType();
  if (index) return { kind: 'record', item: specOfType(ts, checker, index, depth + 1) };
  const props = [];
  for (const symbol of type.getProperties().slice(0, 12)) {
    const declaration = symbol.valueDeclaration ?? symbol.declarations?.[0];
    if (!declaration) continue;
    const spec = specOfType(ts, checker, checker.getTypeOfSymbolAtLocation(symbol, declaration), depth + 1);
    props.push({ name: symbol.name, spec, isOptional: Boolean(symbol.flags & ts.SymbolFlags.Optional) });
  }
  return props.length === 0 ? any : { kind: 'object', props };
}

const STRING_METHODS = new Set(
  'split toUpperCase toLowerCase charAt charCodeAt codePointAt replace replaceAll trim trimStart trimEnd startsWith endsWith match matchAll padStart padEnd substring substr normalize localeCompare search repeat'.split(' '),
);
const ARRAY_METHODS = new Set(
  'push pop shift unshift map filter reduce reduceRight forEach join some every find findIndex sort reverse splice flat flatMap fill'.split(' '),
);
const BOTH = new Set('length slice indexOf lastIndexOf includes concat at'.split(' '));

// What a parameter without a type is, by what the body does with it.
function specOfUse(ts, name, body, depth = 0) {
  const kinds = new Set();
  const props = new Map();
  const literals = [];
  visit(body);
  return guessed(ts, name, body, { kinds, props, literals }, depth);

  function isIt(node) {
    return node && (ts.isIdentifier(node) ? node.text === name : ts.isPropertyAccessExpression(node) && node.getText() === name);
  }
  function visit(node) {
    if (ts.isPropertyAccessExpression(node) && isIt(node.expression)) ofProperty(node);
    else if (ts.isElementAccessExpression(node) && isIt(node.expression)) kinds.add(ts.isStringLiteralLike(node.argumentExpression) ? 'object' : 'list');
    else if (ts.isCallExpression(node)) ofCall(node);
    else if (ts.isBinaryExpression(node)) ofBinary(node);
    else if (ts.isPrefixUnaryExpression(node) && isIt(node.operand) && node.operator !== ts.SyntaxKind.ExclamationToken) kinds.add('number');
    else if (ts.isTypeOfExpression(node) && isIt(node.expression)) ofTypeof(node);
    else if (ts.isForOfStatement(node) && isIt(node.expression)) kinds.add('list');
    else if (ts.isForInStatement(node) && isIt(node.expression)) kinds.add('record');
    else if (ts.isSpreadElement(node) && isIt(node.expression)) kinds.add('list');
    else if (ts.isSpreadAssignment(node) && isIt(node.expression)) kinds.add('record');
    else if (ts.isCaseClause(node) && ts.isSwitchStatement(node.parent.parent) && isIt(node.parent.parent.expression)) literal(node.expression);
    ts.forEachChild(node, visit);
  }
  function ofProperty(node) {
    const property = node.name.text;
    if (STRING_METHODS.has(property)) kinds.add('string');
    else if (ARRAY_METHODS.has(property)) kinds.add('array');
    else if (BOTH.has(property)) kinds.add('list');
    else if (property === 'toFixed' || property === 'toPrecision') kinds.add('number');
    else if (property === 'getTime' || property === 'toISOString' || /^get(UTC)?(FullYear|Month|Date|Hours)/.test(property)) kinds.add('Date');
    else if (!['toString', 'valueOf', 'constructor', 'hasOwnProperty', 'call', 'apply'].includes(property)) props.set(property, node);
    else if (property === 'call' || property === 'apply') kinds.add('function');
  }
  function ofCall(node) {
    const text = node.expression.getText();
    if (isIt(node.expression)) kinds.add('function');
    if (!node.arguments.some(isIt)) return;
    if (/^(Math\.|Number\.is|isNaN|isFinite)/.test(text)) kinds.add('number');
    if (/^(parseInt|parseFloat|encodeURI|decodeURI|JSON\.parse|RegExp)/.test(text)) kinds.add('string');
    if (text === 'Array.isArray' || text === 'Array.from') kinds.add('array');
    if (/^Object\.(keys|entries|values|assign)/.test(text)) kinds.add('record');
    if (/\.(test|exec)$/.test(text)) kinds.add('string');
  }
  function ofBinary(node) {
    const operator = node.operatorToken.getText();
    const other = isIt(node.left) ? node.right : isIt(node.right) ? node.left : undefined;
    if (!other) return;
    if (['-', '*', '/', '%', '**', '<', '>', '<=', '>=', '&', '|', '^', '<<', '>>', '>>>'].includes(operator)) kinds.add('number');
    if (['===', '==', '!==', '!='].includes(operator)) literal(other);
    if (operator === '+') kinds.add(ts.isStringLiteralLike(other) || ts.isTemplateExpression(other) ? 'string' : ts.isNumericLiteral(other) ? 'number' : 'plus');
  }
  function literal(node) {
    if (ts.isStringLiteralLike(node)) literals.push({ kind: 'literal', value: node.text });
    else if (ts.isNumericLiteral(node)) literals.push({ kind: 'literal', value: Number(node.text) });
    else if (node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword) kinds.add('boolean');
    else if (node.kind === ts.SyntaxKind.NullKeyword) literals.push({ kind: 'literal', value: null });
  }
  function ofTypeof(node) {
    const other = ts.isBinaryExpression(node.parent) ? node.parent.right : undefined;
    if (other && ts.isStringLiteralLike(other) && ['string', 'number', 'boolean', 'function', 'bigint'].includes(other.text)) kinds.add(other.text);
    if (other && ts.isStringLiteralLike(other) && other.text === 'object') kinds.add('record');
  }
}

function guessed(ts, name, body, { kinds, props, literals }, depth) {
  const parts = [];
  const isText = kinds.has('string');
  if (isText) parts.push({ kind: 'string' });
  if (kinds.has('array')) parts.push({ kind: 'array', item: any });
  if (kinds.has('list') && !isText && !kinds.has('array')) parts.push({ kind: 'string' }, { kind: 'array', item: any });
  if (kinds.has('plus') && !isText && !kinds.has('number')) parts.push({ kind: 'string' });
  if (kinds.has('number') || (kinds.has('plus') && !isText)) parts.push({ kind: 'number' });
  if (kinds.has('boolean')) parts.push({ kind: 'boolean' });
  if (kinds.has('bigint')) parts.push({ kind: 'bigint' });
  if (kinds.has('Date')) parts.push({ kind: 'Date', parts: [] });
  if (kinds.has('function')) parts.push({ kind: 'function', parameters: 1, returns: any });
  if (kinds.has('record')) parts.push({ kind: 'record', item: any });
  if (props.size > 0 && depth < 2) {
    const spec = (property) => ({ name: property, spec: specOfUse(ts, `${name}.${property}`, body, depth + 1), isOptional: false });
    parts.push({ kind: 'object', props: [...props.keys()].slice(0, 8).map(spec) });
  }
  // What is compared with a text may be any text.
  if (parts.length === 0) {
    const types = new Set(literals.map(({ value }) => typeof value));
    for (const type of ['string', 'number']) if (types.has(type)) parts.push({ kind: type });
  }
  parts.push(...literals);
  if (parts.length === 0) return specOfName(name);
  return parts.length === 1 ? parts[0] : { kind: 'union', parts };
}

const NAMES = [
  [/^(str|string|text|name|word|input|s|path|key|url|query|prefix|suffix|separator|delimiter)$|(String|Text|Name|Path|Key|Url)$/, { kind: 'string' }],
  [/^(n|num|number|count|index|i|size|length|min|max|width|height|x|y|amount|limit|offset)$|(Number|Count|Index|Size|Length)$/, { kind: 'number' }],
  [/^(arr|array|list|items|values|elements|args)$|(Array|List)$/, { kind: 'array', item: any }],
  [/^(fn|func|callback|cb|iteratee|predicate|mapper)$|(Callback|Fn)$/, { kind: 'function', parameters: 1, returns: any }],
  [/^(obj|object|map|dict|record|options|opts|props)$|(Object|Options)$/, { kind: 'record', item: any }],
  [/^(is|has|should)[A-Z]|^(flag|bool|strict|deep)$/, { kind: 'boolean' }],
];

// What a parameter is called, where nothing else is known of it.
function specOfName(name) {
  const own = name.split('.').pop();
  const found = NAMES.find(([pattern]) => pattern.test(own));
  return found ? { kind: 'union', parts: [found[1], any] } : any;
}

module.exports = { specOfType, specOfUse };
