'use strict';
// What a condition says about a value being null or undefined.

const { isNull, isNullish, isSame, isStable, isUndefined } = require('../syntax');

/** `{value, isNullish}` for a condition that holds exactly if a value is (not) null or undefined; null for any other. */
function nullishTest(file, node) {
  if (node.type === 'BinaryExpression') return looseTest(file, node);
  if (node.type !== 'LogicalExpression') return null;
  const [a, b] = [strictTest(file, node.left), strictTest(file, node.right)];
  if (!a || !b || a.of === b.of || a.isEqual !== b.isEqual || !isSame(file, a.value, b.value)) return null;
  const fits = a.isEqual ? node.operator === '||' : node.operator === '&&';
  return fits ? { value: a.value, isNullish: a.isEqual } : null;
}

function looseTest(file, node) {
  if (node.operator !== '==' && node.operator !== '!=') return null;
  const value = isNullish(file, node.right) ? node.left : isNullish(file, node.left) ? node.right : null;
  return value && isStable(value) ? { value, isNullish: node.operator === '==' } : null;
}

/** `x === null`, `x !== undefined`, `typeof x === 'undefined'`, either way round. */
function strictTest(file, node) {
  if (node.type !== 'BinaryExpression' || (node.operator !== '===' && node.operator !== '!==')) return null;
  for (const [value, other] of [[node.left, node.right], [node.right, node.left]]) {
    const isEqual = node.operator === '===';
    if (isNull(other) && isStable(value)) return { value, of: 'null', isEqual };
    if (isUndefined(file, other) && isStable(value)) return { value, of: 'undefined', isEqual };
    const isTypeof = value.type === 'UnaryExpression' && value.operator === 'typeof' && other.type === 'Literal' && other.value === 'undefined';
    if (isTypeof && isStable(value.argument) && isDeclared(file, value.argument)) return { value: value.argument, of: 'undefined', isEqual };
  }
  return null;
}

/** `typeof x` does not fail for a name that nobody declared; all other uses do. */
function isDeclared(file, node) {
  let root = node;
  while (root.type === 'MemberExpression') root = root.object;
  return root.type === 'ThisExpression' || Boolean(file.variableOf(root));
}

module.exports = { nullishTest, strictTest };
