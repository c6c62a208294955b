'use strict';
// `x == null ? undefined : x.y` and conditions such as `x != null && x.y` become `x?.y`.

const { isSame, isStable, isUndefined } = require('../syntax');
const { nullishTest } = require('./nullish');

const CHAIN = { MemberExpression: 'object', CallExpression: 'callee', TSNonNullExpression: 'expression' };

/**
 * The link of a chain of members and calls that reads or calls `value`; null if the chain does not begin with it. Parentheses
 * end a chain: what stands after them would be read of undefined.
 */
function firstLink(file, node, value) {
  for (let each = node; CHAIN[each.type]; each = each[CHAIN[each.type]]) {
    if (each !== node && file.isParenthesized(each)) return null;
    const inner = each[CHAIN[each.type]];
    if (isSame(file, inner, value)) return each.optional || each.type === 'TSNonNullExpression' ? null : each;
  }
  return null;
}

/** Whether an expression is asked only for being true or not. */
function isCondition(node) {
  const { parent } = node;
  if (parent.test === node && parent.type !== 'SwitchCase') return true;
  if (parent.type === 'UnaryExpression' && parent.operator === '!') return true;
  return parent.type === 'LogicalExpression' && parent.operator !== '??' && isCondition(parent);
}

function linkEdit(file, link) {
  const inner = link[CHAIN[link.type]];
  if (link.type === 'CallExpression' || link.computed) return [inner.range[1], inner.range[1], '?.'];
  const dot = file.code.getTokenAfter(inner, (each) => each.value === '.');
  return [dot.range[0], dot.range[1], '?.'];
}

function commentObstacle(file, node) {
  return file.hasCommentIn(node.range[0], node.range[1]) ? 'a comment stands in it' : '';
}

/** `x == null ? undefined : x.y`. */
function ofConditional(file, node, out) {
  const test = nullishTest(file, node.test);
  if (!test) return;
  const [rest, empty] = test.isNullish ? [node.alternate, node.consequent] : [node.consequent, node.alternate];
  const link = firstLink(file, rest, test.value);
  if (!link) return;
  const why = !isUndefined(file, empty) ? 'it gives another value than undefined for what is missing'
    : setsThis(node) ? 'it is called or deleted, which a chain would do to the key of its object' : commentObstacle(file, node);
  if (why) return void out.refuse(node, why);
  out.change(node, edits(file, node, rest, link));
}

/** Leaves of a node one part of it, with its link made optional. */
function edits(file, node, rest, link) {
  const made = [[node.range[0], rest.range[0], ''], linkEdit(file, link)];
  return rest.range[1] < node.range[1] ? [...made, [rest.range[1], node.range[1], '']] : made;
}

function setsThis(node) {
  const { parent } = node;
  return parent.callee === node || parent.type === 'TaggedTemplateExpression' || (parent.type === 'UnaryExpression' && parent.operator === 'delete');
}

// Names that '', 0, false and their like have: only these tell ?. from && in a condition.
const NAMES_OF_PRIMITIVES = new Set([String, Number, Boolean, BigInt, Symbol, Object].flatMap((each) => Object.getOwnPropertyNames(each.prototype)));

/** `x != null && x.y` as a condition, and `x && x.y` where y is no key of what is falsy. */
function ofLogical(file, node, out) {
  if (node.operator !== '&&') return;
  const right = node.right.type === 'ChainExpression' ? node.right.expression : node.right;
  const link = firstLink(file, right, guarded(file, node.left));
  const test = nullishTest(file, node.left);
  if (!link) return;
  const why = !test && !isKeyOfObjects(link, right) ? "what it guards may be '', 0, false or NaN, which ?. does not stop at"
    : test && test.isNullish ? 'it goes on where the value is missing'
      : !isCondition(node) ? 'its value is used, and would be undefined instead of false' : commentObstacle(file, node);
  if (why) return void out.refuse(node, why);
  const start = test ? node.range[0] : lastOf(node.left).range[0];
  const made = [[start, node.right.range[0], ''], linkEdit(file, link)];
  out.change(node, node.right.range[1] < node.range[1] ? [...made, [node.right.range[1], node.range[1], '']] : made);
}

/** Whether a falsy value that is neither null nor undefined gives undefined for a link, with nothing read from that. */
function isKeyOfObjects(link, right) {
  if (link.type !== 'MemberExpression' || link.computed || NAMES_OF_PRIMITIVES.has(link.property.name)) return false;
  const { parent } = link;
  return link === right || (parent.optional === true && (parent.object === link || parent.callee === link));
}

const lastOf = (left) => (left.type === 'LogicalExpression' && left.operator === '&&' ? left.right : left);

/** The value that the left side of && speaks of. */
function guarded(file, left) {
  const test = nullishTest(file, left);
  if (test) return test.value;
  const last = lastOf(left);
  return isStable(last) ? last : { type: 'none', range: [0, 0] };
}

module.exports = {
  name: 'optional-chaining',
  run(file, out) {
    file.all('ConditionalExpression').forEach((node) => ofConditional(file, node, out));
    file.all('LogicalExpression').forEach((node) => ofLogical(file, node, out));
  },
};
