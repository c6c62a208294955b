'use strict';
// `f.apply(undefined, args)` becomes `f(...args)`.

const { isFunction, isNeverReassigned, isNullish, isSame, isStable, isUndefined, usesOwnContext } = require('../syntax');
const { kindOf } = require('../values');

/** Why the call must stay; empty if it may be written with a spread. */
function obstacle(file, node) {
  const [receiver, list] = node.arguments;
  const target = node.callee.object;
  if (node.optional || node.callee.optional || target.type === 'ChainExpression') return 'it is part of an optional chain';
  if (file.hasCommentIn(node.range[0], node.range[1])) return 'a comment stands in it';
  const why = ofReceiver(file, target, receiver);
  if (why) return why;
  return isIterable(file, list) ? '' : 'apply takes what is like an array, null and undefined; a spread takes what can be iterated';
}

function ofReceiver(file, target, receiver) {
  const { type } = target;
  if (type === 'Identifier') {
    if (!isNullish(file, receiver)) return 'it sets this';
    const called = functionOf(file, target);
    if (!called) return `${target.name} may be an object with an apply of its own`;
    return isUndefined(file, receiver) || !usesOwnContext(file, called) ? '' : 'it sets this to null';
  }
  if (type !== 'MemberExpression') return 'what is called is neither a name nor a method';
  const { object } = target;
  if (object.type === 'Super') return receiver.type === 'ThisExpression' ? '' : 'it sets this';
  if (isMath(file, target)) return isNullish(file, receiver) || isSame(file, receiver, object) ? '' : 'it sets this';
  if (!isStable(object)) return 'its object is computed twice';
  return isSame(file, receiver, object) ? '' : 'it sets this to another object';
}

/** Functions of the language that do not look at their this. */
function isMath(file, { object, property, computed }) {
  return !computed && (file.isGlobal(object, 'Math') || (file.isGlobal(object, 'String') && property.name === 'fromCharCode'));
}

/** The function that a name stands for; null if it may stand for something else. */
function functionOf(file, identifier) {
  const variable = file.variableOf(identifier);
  if (!variable || variable.defs.length !== 1 || !isNeverReassigned(variable)) return null;
  const [{ type, node }] = variable.defs;
  if (type === 'FunctionName') return node;
  const isConstant = type === 'Variable' && node.id.type === 'Identifier' && node.init;
  return isConstant && isFunction(node.init) ? node.init : null;
}

function isIterable(file, list) {
  if (list.type === 'ArrayExpression') return true;
  if (file.isGlobal(list, 'arguments') || isArguments(file, list)) return true;
  if (list.type === 'Identifier') {
    const variable = file.variableOf(list);
    const definition = variable && variable.defs.length === 1 && variable.defs[0];
    const isLate = definition && definition.type === 'Variable' && definition.parent.kind === 'var';
    if (isLate || (definition && definition.name.typeAnnotation)) return false;
  }
  return kindOf(file, list) === 'array';
}

function isArguments(file, node) {
  if (node.type !== 'Identifier' || node.name !== 'arguments') return false;
  const variable = file.variableOf(node);
  return Boolean(variable) && variable.defs.length === 0;
}

function edits(file, node) {
  const [receiver, list] = node.arguments;
  const target = node.callee.object;
  const made = [[target.range[1], list.range[0], list.type === 'ArrayExpression' && list.elements.length === 0 ? '(' : '(...']];
  if (receiver && made[0][2] === '(') made.push([list.range[0], list.range[1], '']);
  const close = file.code.getLastToken(node);
  const comma = file.code.getTokenBefore(close);
  if (comma.value === ',' && comma.range[0] >= list.range[1]) made.push([comma.range[0], comma.range[1], '']);
  return made;
}

module.exports = {
  name: 'apply-to-spread',
  run(file, out) {
    for (const node of file.all('CallExpression')) {
      const { callee } = node;
      if (callee.type !== 'MemberExpression' || callee.computed || callee.property.name !== 'apply') continue;
      if (node.arguments.length !== 2 || node.arguments.some((each) => each.type === 'SpreadElement')) continue;
      const isPlain = callee.range[0] === callee.object.range[0] && file.code.getTokenBefore(node.arguments[1]).value === ',';
      const why = isPlain ? obstacle(file, node) : 'it stands in parentheses';
      if (why) out.refuse(node, why);
      else out.change(node, edits(file, node));
    }
  },
};
