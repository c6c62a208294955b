'use strict';
// What a tree says about a place: functions around it, what it may do, what it is known to be.

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
const LOOPS = new Set(['ForStatement', 'ForInStatement', 'ForOfStatement', 'WhileStatement', 'DoWhileStatement']);

const isFunction = (node) => FUNCTIONS.has(node.type);
const isLoop = (node) => LOOPS.has(node.type);

function enclosing(node, test) {
  for (let each = node.parent; each; each = each.parent) if (test(each)) return each;
  return null;
}

const enclosingFunction = (node) => enclosing(node, isFunction);

function isInside(node, ancestor) {
  for (let each = node; each; each = each.parent) if (each === ancestor) return true;
  return false;
}

/** The name of the function that holds a node: its own, or that of the variable or key that it is put into. */
function functionName(node) {
  for (let each = node; each; each = each.parent) {
    if (!isFunction(each)) continue;
    const name = ownName(each);
    if (name) return name;
  }
  return '';
}

function ownName(node) {
  if (node.id) return node.id.name;
  const { parent } = node;
  const key = parent && (parent.type === 'VariableDeclarator' ? parent.id : parent.key || (parent.type === 'AssignmentExpression' && parent.left));
  if (!key) return '';
  if (key.type === 'MemberExpression') return key.property.name || '';
  return key.name || (key.type === 'Literal' ? String(key.value) : '');
}

/** Whether a part of `root`, nested functions left out unless they are arrows, is as `test` says. */
function some(file, root, test, { intoFunctions = false } = {}) {
  const look = (node) => {
    if (test(node)) return true;
    if (node !== root && isFunction(node) && node.type !== 'ArrowFunctionExpression' && !intoFunctions) return false;
    return (file.keys[node.type] || []).some((key) => [node[key]].flat().some((each) => each && typeof each.type === 'string' && look(each)));
  };
  return look(root);
}

const OWN_MEANING = new Set(['ThisExpression', 'Super', 'MetaProperty']);

/** Whether a function uses what an arrow function does not have of its own. */
function usesOwnContext(file, node) {
  return some(file, node, (each) => OWN_MEANING.has(each.type)
    || (each.type === 'Identifier' && each.name === 'arguments')
    || (each.type === 'JSXIdentifier' && each.name === 'this'));
}

function isNullish(file, node) {
  return isUndefined(file, node) || isNull(node);
}

const isNull = (node) => node.type === 'Literal' && node.value === null && node.raw === 'null';

function isUndefined(file, node) {
  if (node.type === 'UnaryExpression' && node.operator === 'void') return node.argument.type === 'Literal';
  return file.isGlobal(node, 'undefined');
}

/** Whether reading an expression twice gives the same as reading it once: names, `this`, and plain keys of them. */
function isStable(node) {
  if (node.type === 'Identifier' || node.type === 'ThisExpression') return true;
  if (node.type !== 'MemberExpression' || node.optional) return false;
  return (!node.computed || node.property.type === 'Literal') && node.property.type !== 'PrivateIdentifier' && isStable(node.object);
}

const bare = (text) => text.replace(/\s+/g, ' ');

const isSame = (file, a, b) => a.type === b.type && bare(file.textOf(a)) === bare(file.textOf(b));

/** Statements of the list that holds a statement; null for one that stands alone, as after `if (x)`. */
function siblings(statement) {
  const { parent } = statement;
  if (parent.type === 'SwitchCase') return parent.consequent;
  return Array.isArray(parent.body) ? parent.body : null;
}

/** Writes to a variable besides its declaration. */
function writes(variable) {
  return variable.references.filter((each) => each.isWrite() && !each.init);
}

function isNeverReassigned(variable) {
  return variable.references.filter((each) => each.isWrite()).every((each) => each.init);
}

module.exports = {
  bare, enclosing, enclosingFunction, functionName, isFunction, isInside, isLoop, isNeverReassigned, isNull, isNullish, isSame, isStable,
  isUndefined, siblings, some, usesOwnContext, writes,
};
