'use strict';
// `return p.then((x) => f(x))` in an async function becomes `const x = await p; return f(x);`.

const { asyncObstacle, asyncPlace } = require('./promise_start');
const { enclosingFunction, isFunction, isInside, siblings, some, usesOwnContext } = require('../syntax');

const OWN_LOW = new Set(['SequenceExpression', 'AssignmentExpression', 'ArrowFunctionExpression', 'ConditionalExpression', 'YieldExpression']);

/** The promise that a chain begins with, and its callbacks in order; null for what is no chain of then. */
function chainOf(node) {
  const links = [];
  let each = node;
  while (each.type === 'CallExpression' && each.callee.type === 'MemberExpression' && !each.callee.computed
    && ['then', 'catch', 'finally'].includes(each.callee.property.name) && !each.optional && !each.callee.optional) {
    links.unshift({ method: each.callee.property.name, call: each });
    each = each.callee.object;
  }
  if (!links.some((link) => link.method === 'then')) return null;
  const last = links[links.length - 1];
  return last.method === 'catch' ? { base: each, links: links.slice(0, -1), handler: last.call } : { base: each, links, handler: null };
}

/** The statement that a chain is the whole of: `return chain;` or `await chain;`. */
function place(node) {
  const { parent } = node;
  if (parent.type === 'ReturnStatement') return { statement: parent, isReturn: true };
  if (parent.type === 'AwaitExpression' && parent.parent.type === 'ExpressionStatement') return { statement: parent.parent, isReturn: false };
  if (parent.type === 'AwaitExpression' && parent.parent.type === 'ReturnStatement') return { statement: parent.parent, isReturn: true };
  return null;
}

function obstacle(file, chain, { statement, isReturn }, home) {
  if (!home || home.generator) return 'it stands in no function, or in a generator';
  const sync = home.async ? '' : asyncObstacle(file, home, statement, chain.base);
  if (sync) return sync;
  if (file.hasEval) return 'the file uses eval';
  const list = siblings(statement);
  if (!list) return 'it is a branch without braces';
  if (statement.parent.type === 'SwitchCase' || list[list.length - 1] !== statement) return 'something comes after it in its block';
  if (insideTry(statement, home)) return 'it stands in try, which would catch what the promise rejects with';
  if (!file.isAloneOnItsLines(statement.range[0], statement.range[1])) return 'it shares its lines with something else';
  if (hasLooseComment(file, chain, statement)) return 'a comment stands between its parts';
  return ofHandler(file, chain.handler, isReturn && statement.parent === home.body) || ofLinks(file, chain, home, statement);
}

/** Why a catch at the end cannot become that of a try. */
function ofHandler(file, handler, isEnd) {
  if (!handler) return '';
  const [callback] = handler.arguments;
  if (handler.arguments.length !== 1 || !isFunction(callback)) return 'catch is given something else than one function';
  if (!isEnd) return 'what comes after it would run when its catch returns';
  if (callback.generator || callback.id || callback.async) return 'the callback of its catch has a name, is async or a generator';
  if (callback.type !== 'ArrowFunctionExpression' && usesOwnContext(file, callback)) return 'a callback uses its own this or arguments';
  if (callback.params.length > 1 || (callback.params[0] && (callback.params[0].type !== 'Identifier' || callback.params[0].typeAnnotation))) return 'the callback of its catch takes something else than one plain value';
  const declared = file.scopes.acquire(callback);
  const isDeclaring = declared && declared.variables.some((each) => each.name !== 'arguments' && each.defs.some((one) => one.type !== 'Parameter'));
  return isDeclaring ? 'the callback of its catch declares something' : '';
}

function insideTry(statement, home) {
  for (let each = statement.parent; each && each !== home; each = each.parent) if (each.type === 'TryStatement') return true;
  return false;
}

/** A comment that is neither in the promise nor in the body of a callback would be lost. */
function hasLooseComment(file, chain, statement) {
  const calls = [...chain.links.map(({ call }) => call), ...(chain.handler ? [chain.handler] : [])];
  const kept = [chain.base, ...calls.flatMap((call) => call.arguments).map((each) => each.body || each)];
  return file.comments.some((each) => each.range[0] >= statement.range[0] && each.range[1] <= statement.range[1]
    && !kept.some((node) => each.range[0] >= node.range[0] && each.range[1] <= node.range[1]));
}

function ofLinks(file, { links }, home, statement) {
  const names = new Set();
  for (const [index, { method, call }] of links.entries()) {
    if (method !== 'then') return `${method} is left as it is`;
    if (call.arguments.length !== 1 || !isFunction(call.arguments[0])) return 'then is given something else than one function';
    const why = ofCallback(file, call.arguments[0], index === links.length - 1, names, home, statement);
    if (why) return why;
    if (index < links.length - 1 && !valueOf(call.arguments[0]) && links[index + 1].call.arguments[0].params && links[index + 1].call.arguments[0].params.length) return 'a callback takes what the one before does not give';
  }
  return '';
}

function ofCallback(file, callback, isLast, names, home, statement) {
  if (callback.generator || callback.id) return 'a callback has a name or is a generator';
  if (callback.type !== 'ArrowFunctionExpression' && usesOwnContext(file, callback)) return 'a callback uses its own this or arguments';
  if (callback.params.length > 1 || (callback.params[0] && !['Identifier', 'ObjectPattern', 'ArrayPattern'].includes(callback.params[0].type))) return 'a callback takes something else than one plain value';
  if (callback.params[0] && callback.params[0].typeAnnotation) return 'a callback declares the type of its value';
  if (callback.body.type === 'BlockStatement' && !returnsAtEnd(file, callback)) return 'a callback returns before its end';
  const declared = file.scopes.acquire(callback);
  for (const variable of declared ? [...declared.variables] : []) {
    if (variable.name === 'arguments') continue;
    if (names.has(variable.name) || isNamedOutside(file, home, statement, variable.name) || isNamedBeside(file, statement, variable)) return `${variable.name} is the name of something else in the function`;
    if (variable.defs.some((each) => each.type === 'FunctionName')) return 'a callback declares a function';
    if (variable.references.some((each) => each.isWrite() && !each.init) && variable.defs.some((each) => each.type === 'Parameter')) return `${variable.name} is written again`;
    names.add(variable.name);
  }
  return '';
}

/** Whether the only return of a body, its nested functions left out, is its last statement. */
function returnsAtEnd(file, callback) {
  const last = callback.body.body[callback.body.body.length - 1];
  return !some(file, callback.body, (each) => each.type === 'ReturnStatement' && each !== last && enclosingFunction(each) === callback, { intoFunctions: true });
}

function isNamedOutside(file, home, statement, name) {
  return some(file, home, (each) => (each.type === 'Identifier' || each.type === 'JSXIdentifier') && each.name === name
    && !(each.range[0] >= statement.range[0] && each.range[1] <= statement.range[1]), { intoFunctions: true });
}

/** Whether the rest of the statement means something else by the name of a callback's variable: it would see that variable afterwards. */
function isNamedBeside(file, statement, variable) {
  return file.referencesTo(variable.name).some((each) => isInside(each.identifier, statement) && each.resolved !== variable
    && !isInside(each.identifier, variable.scope.block));
}

/** What a callback gives on; null for nothing. */
function valueOf(callback) {
  if (callback.body.type !== 'BlockStatement') return callback.body;
  const last = callback.body.body[callback.body.body.length - 1];
  return last && last.type === 'ReturnStatement' ? last.argument : null;
}

/** The statements of a body without its last return, as they stand, moved to an indentation. */
function bodyLines(file, callback, indent, isWhole = false) {
  if (callback.body.type !== 'BlockStatement') return '';
  const [open, close] = [file.code.getFirstToken(callback.body), file.code.getLastToken(callback.body)];
  const list = callback.body.body;
  const last = list[list.length - 1];
  const end = !isWhole && last && last.type === 'ReturnStatement' ? file.code.getTokenBefore(last, { includeComments: true }).range[1] : file.code.getTokenBefore(close, { includeComments: true }).range[1];
  if (end <= open.range[1]) return '';
  const text = file.text.slice(open.range[1], end).replace(/\r\n/g, '\n');
  return moved(text.replace(/^[ \t]*\n/, '').replace(/^[ \t]*(?=\S)/, (blank) => (text.startsWith('\n') ? blank : indent)), indent);
}

function moved(text, indent) {
  const lines = text.split('\n');
  const old = /^[ \t]*/.exec(lines[0])[0];
  return lines.map((line) => (line.startsWith(old) ? (line.trim() ? indent + line.slice(old.length) : line) : line)).join('\n') + '\n';
}

/** The chain inside of a try, with its catch. */
function guarded(file, chain, indent) {
  const [callback] = chain.handler.arguments;
  const unit = file.indentUnit();
  const inner = written(file, chain, indent + unit, { isReturn: true, atEnd: true, keyword: 'return await' });
  const name = callback.params.length ? ` (${callback.params[0].name})` : '';
  const isBlock = callback.body.type === 'BlockStatement';
  const body = isBlock ? bodyLines(file, callback, indent + unit, true) : `${indent + unit}return ${file.textOf(callback.body)};\n`;
  return `${indent}try {\n${inner}\n${indent}} catch${name} {\n${body}${indent}}`;
}

/** `atEnd` says that the function ends with the statement: a return without a value may be left out. */
function written(file, { base, links }, indent, { isReturn, atEnd, keyword = 'return' }) {
  let text = '';
  let value = file.textOf(base);
  let node = base;
  for (const { call } of links) {
    const callback = call.arguments[0];
    const awaited = `await ${OWN_LOW.has(node.type) ? `(${value})` : value}`;
    text += callback.params.length ? `${indent}const ${file.textOf(callback.params[0])} = ${awaited};\n` : `${indent}${awaited};\n`;
    text += bodyLines(file, callback, indent);
    node = valueOf(callback);
    value = node ? file.textOf(node) : '';
    if (!node) node = { type: 'none' };
  }
  if (isReturn) return `${text}${value ? `${indent}${keyword} ${keyword === 'return' || !OWN_LOW.has(node.type) ? value : `(${value})`};` : atEnd ? '' : `${indent}return;`}`.replace(/\n$/, '');
  return `${text}${value ? `${indent}await ${OWN_LOW.has(node.type) ? `(${value})` : value};` : ''}`.replace(/\n$/, '');
}

function isVerbatim(file, node) {
  return ['TemplateLiteral', 'JSXText'].includes(node.type) && !file.isOneLine(node);
}

function edits(file, chain, { statement, isReturn }, home, indent) {
  const text = chain.handler ? guarded(file, chain, indent) : written(file, chain, indent, { isReturn, atEnd: statement.parent === home.body });
  const made = [[file.lineStart(statement.range[0]), statement.range[1], text]];
  return home.async ? made : [[asyncPlace(file, home), asyncPlace(file, home), 'async '], ...made];
}

module.exports = {
  name: 'then-to-await',
  run(file, out) {
    for (const node of file.all('CallExpression')) {
      const where = place(node);
      const chain = where && chainOf(node);
      if (!chain) continue;
      const home = enclosingFunction(where.statement);
      const isText = some(file, node, (each) => isVerbatim(file, each), { intoFunctions: true });
      const why = isText ? 'a text in it goes over several lines' : obstacle(file, chain, where, home);
      const indent = file.indentOf(where.statement.range[0]);
      if (why) out.refuse(node, why);
      else out.change(node, edits(file, chain, where, home, indent));
    }
  },
};
