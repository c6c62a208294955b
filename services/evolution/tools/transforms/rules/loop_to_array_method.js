'use strict';
// A loop that only fills a new array, or only looks for a yes or no, becomes map, filter, some or every.

const { enclosingFunction, isFunction, isInside, siblings, some } = require('../syntax');

const LEAVES = new Set(['BreakStatement', 'ContinueStatement', 'ReturnStatement', 'AwaitExpression', 'YieldExpression']);
const FRESH = { Object: ['keys', 'values', 'entries'], Array: ['from', 'of'] };

/** The only statement of a body; null if there are others. */
function only(body) {
  if (body.type !== 'BlockStatement') return body;
  return body.body.length === 1 ? body.body[0] : null;
}

/** `list.push(value)` as a statement. */
function pushOf(statement) {
  const call = statement && statement.type === 'ExpressionStatement' && statement.expression;
  const isPush = call && call.type === 'CallExpression' && call.callee.type === 'MemberExpression' && !call.callee.computed && !call.optional
    && call.callee.property.name === 'push' && call.callee.object.type === 'Identifier' && call.arguments.length === 1 && call.arguments[0].type !== 'SpreadElement';
  return isPush ? { list: call.callee.object, value: call.arguments[0] } : null;
}

const isBoolean = (node, value) => node && node.type === 'Literal' && node.value === value;

/** What a loop does, and the statement beside it that belongs to it; null for any other loop. */
function shapeOf(node) {
  const statement = only(node.body);
  const list = statement && siblings(node);
  if (!list) return null;
  const [before, after] = [list[list.indexOf(node) - 1], list[list.indexOf(node) + 1]];
  const direct = pushOf(statement);
  if (direct) return { method: 'map', value: direct.value, list: direct.list, before };
  if (statement.type !== 'IfStatement' || statement.alternate) return null;
  const inner = only(statement.consequent);
  const push = pushOf(inner);
  if (push) return { method: 'filter', value: statement.test, list: push.list, pushed: push.value, before };
  if (!inner || inner.type !== 'ReturnStatement' || !after || after.type !== 'ReturnStatement') return null;
  if (isBoolean(inner.argument, true) && isBoolean(after.argument, false)) return { method: 'some', value: statement.test, after };
  return isBoolean(inner.argument, false) && isBoolean(after.argument, true) ? { method: 'every', value: statement.test, after } : null;
}

function obstacle(file, node, shape) {
  if (node.await) return 'it awaits what it goes over';
  const { left } = node;
  if (left.type !== 'VariableDeclaration' || left.kind === 'var') return 'its variable lives on after it';
  if (file.variablesDeclaredBy(left).some((each) => each.references.some((use) => use.isWrite() && !use.init))) return 'its variable is written again';
  if (some(file, shape.value, (each) => LEAVES.has(each.type))) return 'its body awaits or yields';
  if (file.hasEval) return 'the file uses eval';
  if (!isFresh(file, node.right)) return 'what it goes over may be no array, have holes, or grow while it runs';
  const span = [shape.before ? shape.before.range[0] : node.range[0], (shape.after || node).range[1]];
  if (file.hasCommentIn(shape.list ? span[0] : node.range[0], file.lineEndAfter(span[1]))) return 'a comment stands in it';
  return shape.list ? ofList(file, node, shape) : '';
}

/** An array that was made for the loop: nobody else has it, and it has no holes. */
function isFresh(file, node) {
  if (node.type === 'ArrayExpression') return node.elements.every(Boolean);
  if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression' && !node.callee.computed) {
    const { object, property } = node.callee;
    return Object.entries(FRESH).some(([name, methods]) => file.isGlobal(object, name) && methods.includes(property.name));
  }
  if (node.type !== 'Identifier') return false;
  const variable = file.variableOf(node);
  if (!variable || variable.defs.length !== 1 || variable.references.filter((each) => !each.init).length !== 1) return false;
  const [definition] = variable.defs;
  const isConstant = definition.type === 'Variable' && definition.parent.kind === 'const' && definition.node.id === definition.name;
  if (isConstant) return enclosingFunction(definition.node) === enclosingFunction(node) && Boolean(definition.node.init) && isFresh(file, definition.node.init);
  return definition.type === 'Parameter' && definition.name.parent.type === 'RestElement' && definition.node === enclosingFunction(node)
    && definition.node.params.includes(definition.name.parent) && !usesArguments(file, definition.node);
}

function usesArguments(file, home) {
  const scope = file.scopes.acquire(home);
  const variable = scope && scope.set.get('arguments');
  return Boolean(variable && variable.references.length);
}

/** The list must be made empty right before the loop, and seen by nobody until its end. */
function ofList(file, node, { list, before, pushed }) {
  const declarator = before && before.type === 'VariableDeclaration' && before.declarations.length === 1 && before.declarations[0];
  const isEmpty = declarator && declarator.id.type === 'Identifier' && declarator.id.name === list.name && declarator.init
    && declarator.init.type === 'ArrayExpression' && declarator.init.elements.length === 0;
  if (!isEmpty) return 'its list is not made empty right before it';
  if (before.kind === 'var') return 'its list is a var';
  const [variable] = file.variablesDeclaredBy(declarator);
  const home = enclosingFunction(node);
  const isSeen = variable.references.some(({ identifier }) => identifier !== list && identifier.parent !== declarator && identifier !== declarator.id
    && (isInside(identifier, node) || identifier.range[0] < node.range[0] || isHoisted(identifier, home)));
  if (isSeen) return 'its list may be seen before it ends';
  const isSame = !pushed || (pushed.type === 'Identifier' && nameOfItem(node) === pushed.name);
  return isSame ? '' : 'it adds something else than what it goes over';
}

/** Whether a name stands in a function that is declared, and so may be called by the loop. */
function isHoisted(identifier, home) {
  for (let each = enclosingFunction(identifier); each && each !== home; each = enclosingFunction(each)) {
    if (isFunction(each) && each.type === 'FunctionDeclaration') return true;
  }
  return false;
}

function nameOfItem(node) {
  const { id } = node.left.declarations[0];
  return id.type === 'Identifier' ? id.name : '';
}

function edits(file, node, shape) {
  const { id } = node.left.declarations[0];
  const item = id.type === 'Identifier' && !id.typeAnnotation ? `(${id.name})` : `(${file.textOf(id)})`;
  const object = shape.value.type === 'ObjectExpression' ? `(${file.textOf(shape.value)})` : file.textOf(shape.value);
  const body = shape.value.type === 'SequenceExpression' ? `(${object})` : shape.method === 'every' ? negation(file, shape.value) : object;
  const call = `${file.textOf(node.right)}.${shape.method}(${item} => ${body})`;
  if (shape.after) return [[node.range[0], shape.after.range[1], `return ${call};`]];
  const { init } = shape.before.declarations[0];
  return [[init.range[0], init.range[1], call], [file.code.getLastToken(shape.before).range[1], node.range[1], '']];
}


function negation(file, node) {
  if (node.type === 'UnaryExpression' && node.operator === '!') return file.text.slice(node.range[0] + 1, node.range[1]).trim();
  return ['Identifier', 'MemberExpression', 'CallExpression'].includes(node.type) ? `!${file.textOf(node)}` : `!(${file.textOf(node)})`;
}

module.exports = {
  name: 'loop-to-array-method',
  run(file, out) {
    for (const node of file.all('ForOfStatement')) {
      const shape = shapeOf(node);
      if (!shape) continue;
      const why = obstacle(file, node, shape);
      if (why) out.refuse(node, why);
      else out.change(node, edits(file, node, shape));
    }
  },
};
