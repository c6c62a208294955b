'use strict';
// `'a' + b` becomes `${...}` where the operands are primitive: for an object, + asks for its value and a template for its text.

const { isPrimitive, kindOf } = require('../values');

const isString = (node) => (node.type === 'Literal' && typeof node.value === 'string') || node.type === 'TemplateLiteral';

/** Operands of a chain of +, from left to right; null for one that begins with more than one operand before its first string. */
function operands(file, node) {
  const parts = [];
  const take = (each) => {
    const isPlus = each.type === 'BinaryExpression' && each.operator === '+' && (each === node || !isParenthesized(file, each));
    if (!isPlus) return parts.push(each);
    take(each.left);
    return parts.push(each.right);
  };
  take(node);
  return parts;
}

function isParenthesized(file, node) {
  const before = file.code.getTokenBefore(node);
  const after = file.code.getTokenAfter(node);
  return Boolean(before && after) && before.value === '(' && after.value === ')';
}

function obstacle(file, node, parts, proof) {
  if (!file.isOneLine(node)) return 'it stands on several lines';
  if (file.hasCommentIn(node.range[0], node.range[1])) return 'a comment stands in it';
  const first = parts.findIndex((each) => kindOf(file, each, proof) === 'string');
  if (first > 1) return 'what stands before the first string is added up first';
  const unknown = parts.find((each) => !isPrimitive(kindOf(file, each, proof)));
  if (unknown) return `${file.textOf(unknown).slice(0, 60)} may be an object, whose value + takes where a template takes its text`;
  if (parts.some((each) => each.type === 'Literal' && /\\[0-9]/.test(each.raw))) return 'a string has an escape that a template does not allow';
  return '';
}

/** What stands in a template for an operand. */
function piece(file, node) {
  if (node.type === 'TemplateLiteral') return file.textOf(node).slice(1, -1);
  if (!isString(node)) return `\${${inner(file, node)}}`;
  const quote = node.raw[0];
  return node.raw.slice(1, -1)
    .replace(/\\[\s\S]|`|\$\{/g, (each) => (each === '`' || each === '${' ? `\\${each}` : each === `\\${quote}` ? quote : each));
}

/** An operand without the parentheses that + needed. */
function inner(file, node) {
  const text = file.textOf(node);
  return text.startsWith('{') ? ` ${text}` : text;
}

/** A `$` at the end of one piece and a `{` at the beginning of the next would begin a substitution. */
function joined(pieces) {
  return pieces.reduce((text, each) => (each.startsWith('{') && /(^|[^\\])(\\\\)*\$$/.test(text) ? `${text.slice(0, -1)}\\$${each}` : text + each), '');
}

module.exports = {
  name: 'concat-to-template',
  run(file, out) {
    for (const node of file.all('BinaryExpression')) {
      if (node.operator !== '+') continue;
      const { parent } = node;
      const isPart = parent.type === 'BinaryExpression' && parent.operator === '+' && (parent.left === node && !isParenthesized(file, node));
      const parts = isPart ? [] : operands(file, node);
      if (!parts.some(isString) || parts.every(isString) || parent.type === 'TSEnumMember') continue;
      const why = obstacle(file, node, parts, {});
      if (why) out.refuse(node, why);
      else out.change(node, [[node.range[0], node.range[1], `\`${joined(parts.map((each) => piece(file, each)))}\``]]);
    }
  },
};
