'use strict';
// A function whose rest stands in one `if` returns early instead; the rest moves one step to the left.

const { isFunction, some } = require('../syntax');

const OPPOSITE = { '===': '!==', '!==': '===', '==': '!=', '!=': '==' };
const DECLARATIONS = new Set(['VariableDeclaration', 'ClassDeclaration', 'FunctionDeclaration']);

/** The `if` that ends a function and holds something nested; null for any other function. */
function lastIf(home) {
  const { body } = home;
  if (!body || body.type !== 'BlockStatement' || body.body.length === 0) return null;
  const last = body.body[body.body.length - 1];
  const isOne = last.type === 'IfStatement' && !last.alternate && last.consequent.type === 'BlockStatement';
  return isOne && last.consequent.body.some((each) => each.type === 'IfStatement') ? last : null;
}

function obstacle(file, home, node) {
  const layout = ofLayout(file, node);
  if (layout) return layout;
  if (file.hasEval || file.hasWith) return 'the file uses eval or with, which see names at run time';
  const block = node.consequent;
  if (block.body.some((each) => each.type === 'FunctionDeclaration' || /^TS/.test(each.type))) return 'its block declares a function or a type';
  const names = block.body.filter((each) => DECLARATIONS.has(each.type) && each.kind !== 'var').flatMap((each) => file.variablesDeclaredBy(each));
  const clash = names.find((variable) => isNameUsedOutside(file, home, block, variable.name));
  return clash ? `${clash.name}, which its block declares, is the name of something else in the function` : '';
}

/** Why lines cannot be moved to the left as they are. */
function ofLayout(file, node) {
  const block = node.consequent;
  const [open, close] = [file.code.getFirstToken(block), file.code.getLastToken(block)];
  const isUsual = open.loc.start.line === node.loc.start.line && file.isAloneOnItsLines(close.range[0], close.range[1])
    && /^[ \t\r]*\n$/.test(file.text.slice(open.range[1], file.lineEndAfter(open.range[1])))
    && /^[ \t]*$/.test(file.text.slice(file.lineStart(node.range[0]), node.range[0]));
  if (!isUsual) return 'its lines are laid out in an unusual way';
  if (file.hasCommentIn(node.range[0], open.range[1])) return 'a comment stands in its head';
  if (some(file, block, (each) => isVerbatim(file, each), { intoFunctions: true })) return 'a text in it goes over several lines';
  const unit = stepOf(file, node);
  const inner = linesOf(file, open, close);
  return unit && inner.every((line) => line.text.trim() === '' || line.text.startsWith(file.indentOf(node.range[0]) + unit)) ? '' : 'its lines are not indented by one step';
}

function isVerbatim(file, node) {
  const isText = node.type === 'TemplateLiteral' || node.type === 'JSXText' || (node.type === 'Literal' && typeof node.value === 'string');
  return isText && !file.isOneLine(node);
}

/** What the block is indented by, beyond its `if`. */
function stepOf(file, node) {
  const [outer, inner] = [file.indentOf(node.range[0]), file.indentOf(node.consequent.body[0].range[0])];
  return inner.startsWith(outer) ? inner.slice(outer.length) : '';
}

function linesOf(file, open, close) {
  const lines = [];
  const end = file.lineStart(close.range[0]);
  for (let start = file.lineEndAfter(open.range[1]); start < end; start = file.lineEndAfter(start)) {
    lines.push({ start, text: file.text.slice(start, file.lineEndAfter(start)) });
  }
  return lines;
}

/** Whether a name stands in the function outside of the block: what the block declares would be seen there. */
function isNameUsedOutside(file, home, block, name) {
  return some(file, home, (each) => each.type === 'Identifier' && each.name === name && !(each.range[0] >= block.range[0] && each.range[1] <= block.range[1]), { intoFunctions: true });
}

function negated(file, test) {
  if (test.type === 'UnaryExpression' && test.operator === '!') {
    const isWrapped = file.isParenthesized(test.argument) && file.code.getTokenAfter(test.argument).range[1] <= test.range[1];
    return isWrapped ? file.text.slice(...inParentheses(file, test.argument)) : file.textOf(test.argument);
  }
  const isEquality = test.type === 'BinaryExpression' && OPPOSITE[test.operator];
  if (isEquality) {
    const sign = file.code.getTokenAfter(test.left, (each) => each.value === test.operator);
    return file.text.slice(test.range[0], sign.range[0]) + isEquality + file.text.slice(sign.range[1], test.range[1]);
  }
  const isUnit = ['Identifier', 'MemberExpression', 'CallExpression', 'ThisExpression', 'Literal'].includes(test.type);
  return isUnit ? `!${file.textOf(test)}` : `!(${file.textOf(test)})`;
}

/** What stands between the parentheses of a node. */
function inParentheses(file, node) {
  return [file.code.getTokenBefore(node).range[1], file.code.getTokenAfter(node).range[0]];
}

function edits(file, node) {
  const block = node.consequent;
  const [open, close] = [file.code.getFirstToken(block), file.code.getLastToken(block)];
  const unit = stepOf(file, node);
  const outer = file.indentOf(node.range[0]);
  const made = [[node.test.range[0], node.test.range[1], negated(file, node.test)]];
  made.push([open.range[1], open.range[1], `\n${outer}${unit}return;\n${outer}}`]);
  for (const { start, text } of linesOf(file, open, close)) {
    if (text.startsWith(outer + unit)) made.push([start, start + unit.length, '']);
  }
  made.push([...file.wholeLines(close.range[0], close.range[1]), '']);
  return made;
}

module.exports = {
  name: 'early-return',
  run(file, out) {
    for (const home of file.all('FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression')) {
      const node = isFunction(home) && lastIf(home);
      if (!node) continue;
      const why = obstacle(file, home, node);
      if (why) out.refuse(node, why);
      else out.change(node, edits(file, node));
    }
  },
};
