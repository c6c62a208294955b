'use strict';
// `x != null ? x : y` becomes `x ?? y`.

const { isSame, isStable } = require('../syntax');
const { nullishTest, strictTest } = require('./nullish');

const LOW = new Set(['LogicalExpression', 'ConditionalExpression', 'AssignmentExpression', 'ArrowFunctionExpression', 'YieldExpression', 'SequenceExpression', 'FunctionExpression']);

/** The value and its replacement, in a conditional that chooses between them by nullishness; null for any other. */
function choice(file, node) {
  const test = nullishTest(file, node.test);
  if (!test) return null;
  const [kept, other] = test.isNullish ? [node.alternate, node.consequent] : [node.consequent, node.alternate];
  return isSame(file, kept, test.value) ? { value: kept, other } : null;
}

/** A conditional that looks like it and is not: it asks for one of null and undefined, or for what is falsy. */
function lookalike(file, node) {
  const strict = strictTest(file, node.test);
  const sides = [node.consequent, node.alternate];
  if (strict && sides.some((each) => isSame(file, each, strict.value))) return `it asks for ${strict.of} alone, and ?? for null and undefined`;
  if (isStable(node.test) && isSame(file, node.test, node.consequent)) return "it asks for what is falsy: '', 0, false and NaN as well as null and undefined";
  return '';
}

function written(file, { value, other }) {
  const text = file.textOf(other);
  return `${file.textOf(value)} ?? ${LOW.has(other.type) ? `(${text})` : text}`;
}

module.exports = {
  name: 'nullish-coalescing',
  run(file, out) {
    for (const node of file.all('ConditionalExpression')) {
      const chosen = choice(file, node);
      const why = chosen ? (file.hasCommentIn(node.range[0], node.range[1]) ? 'a comment stands in it' : '') : lookalike(file, node);
      if (why) out.refuse(node, why);
      else if (chosen) out.change(node, [[node.range[0], node.range[1], written(file, chosen)]]);
    }
    for (const node of file.all('LogicalExpression')) {
      const isDefault = node.operator === '||' && isStable(node.left) && node.right.type === 'Literal' && !isCondition(node);
      if (isDefault) out.refuse(node, "|| also replaces '', 0, false and NaN, which ?? keeps");
    }
  },
};

function isCondition(node) {
  const { parent } = node;
  return parent.test === node || (parent.type === 'UnaryExpression' && parent.operator === '!') || parent.type === 'LogicalExpression';
}
