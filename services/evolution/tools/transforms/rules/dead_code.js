'use strict';
// Statements after return, throw, break or continue go.

const { isInside, some } = require('../syntax');

const ENDS = new Set(['ReturnStatement', 'ThrowStatement', 'BreakStatement', 'ContinueStatement']);

/** Whether a statement never lets the next one run. */
function ends(node) {
  if (ENDS.has(node.type)) return true;
  if (node.type === 'BlockStatement') return node.body.some(ends);
  if (node.type === 'IfStatement') return Boolean(node.alternate) && ends(node.consequent) && ends(node.alternate);
  return false;
}

/** Why a statement that is never reached must stay; empty if it may go. */
function obstacle(file, node) {
  if (file.hasEval || file.hasWith) return 'the file uses eval or with, which see names at run time';
  if (some(file, node, (each) => each.type === 'YieldExpression')) return 'a generator needs its yield';
  if (some(file, node, (each) => each.type === 'FunctionDeclaration' || each.type === 'ClassDeclaration' || /^TS(Enum|Module|Interface|TypeAlias)/.test(each.type))) {
    return 'it declares a function, a class or a type';
  }
  const outer = declared(file, node).find((variable) => isUsedElsewhere(variable, node));
  if (outer) return `${outer.name}, which it declares, is used elsewhere`;
  return hasComment(file, node) ? 'a comment stands with it' : '';
}

function declared(file, node) {
  const found = [];
  some(file, node, (each) => {
    if (each.type === 'VariableDeclaration') found.push(...file.variablesDeclaredBy(each));
    return false;
  });
  return found;
}

function isUsedElsewhere(variable, node) {
  return variable.defs.some((each) => !isInside(each.node, node)) || variable.references.some((each) => !isInside(each.identifier, node));
}

function hasComment(file, node) {
  const before = file.code.getTokenBefore(node);
  return file.hasCommentIn(before ? file.lineEndAfter(before.range[1]) : 0, file.lineEndAfter(node.range[1]))
    || file.hasCommentIn(node.range[0], node.range[1]) || (before && before.loc.end.line === node.loc.start.line && file.hasCommentIn(before.range[1], node.range[0]));
}

function look(file, list, out) {
  const end = list.findIndex(ends);
  if (end < 0) return;
  for (const node of list.slice(end + 1)) {
    if (node.type === 'FunctionDeclaration' || node.type === 'EmptyStatement' || /^(TS|Export)/.test(node.type)) continue;
    const why = obstacle(file, node);
    if (why) out.refuse(node, why);
    else out.change(node, [removal(file, node)]);
  }
}

function removal(file, node) {
  if (file.isAloneOnItsLines(node.range[0], node.range[1])) return [...file.wholeLines(node.range[0], node.range[1]), ''];
  const before = file.code.getTokenBefore(node);
  return [before ? before.range[1] : node.range[0], node.range[1], ''];
}

module.exports = {
  name: 'dead-code',
  mayDropKeys: true,
  run(file, out) {
    for (const node of file.all('BlockStatement', 'StaticBlock', 'Program')) look(file, node.body, out);
    for (const node of file.all('SwitchCase')) look(file, node.consequent, out);
  },
};
