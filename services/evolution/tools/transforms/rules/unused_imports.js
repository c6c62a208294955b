'use strict';
// Imports of names that nothing uses go; what importing a module does stays.

/** Why a name that nothing seems to use must stay; empty if it may go. */
function obstacle(file, variable) {
  const { name } = variable;
  if (file.hasEval || file.hasWith) return 'the file uses eval or with, which see names at run time';
  if (file.hasJsx && (name === 'React' || name === 'h' || name === 'Fragment' || name === 'preact' || file.comments.some((each) => each.value.includes('@jsx')))) {
    return 'JSX may use it';
  }
  const word = new RegExp(`(^|[^\\w$])${name.replace(/\$/g, '\\$')}($|[^\\w$])`);
  return file.comments.some((each) => word.test(each.value)) ? `a comment names ${name}, as types in comments do` : '';
}

function look(file, node, out) {
  if (node.specifiers.length === 0) return;
  const unused = [];
  for (const specifier of node.specifiers) {
    const [variable] = file.variablesDeclaredBy(specifier);
    if (!variable || variable.references.length > 0 || variable.defs.length > 1) continue;
    const why = obstacle(file, variable);
    if (why) out.refuse(specifier, why);
    else unused.push(specifier);
  }
  if (unused.length === 0) return;
  const isAll = unused.length === node.specifiers.length;
  const why = file.hasCommentIn(node.range[0], node.range[1]) ? 'a comment stands in it' : isAll && besideComment(file, node) ? 'a comment belongs to it' : '';
  const edits = why ? null : isAll ? ofAll(file, node) : ofSome(file, node, unused);
  if (!edits) out.refuse(node, why || 'whether its module runs hangs on a configuration of the compiler that was not read');
  else out.change(node, edits);
}

function besideComment(file, node) {
  return file.hasCommentIn(node.range[1], file.lineEndAfter(node.range[1]));
}

/** Nothing of the import is used: JavaScript still runs its module; the compiler leaves it out, unless it is told not to. */
function ofAll(file, node) {
  const [start, end] = file.wholeLines(node.range[0], node.range[1]);
  if (node.importKind === 'type') return [[start, end, '']];
  if (file.isTypeScript) {
    if (file.facts.keepsImports === undefined) return null;
    if (!file.facts.keepsImports) return [[start, end, '']];
  }
  const first = file.code.getFirstToken(node);
  return [[first.range[1], node.source.range[0], ' ']];
}

function ofSome(file, node, unused) {
  const kept = node.specifiers.filter((each) => !unused.includes(each));
  const named = kept.filter((each) => each.type === 'ImportSpecifier');
  const open = file.code.getFirstToken(node, (each) => each.value === '{');
  const isFirst = node.specifiers[0].type === 'ImportDefaultSpecifier' ? node.specifiers[0] : null;
  const edits = [];
  if (isFirst && unused.includes(isFirst)) {
    const next = file.code.getTokenAfter(file.code.getTokenAfter(isFirst));
    edits.push([isFirst.range[0], next.range[0], '']);
  }
  const rest = unused.filter((each) => each !== isFirst);
  if (rest.length && named.length === 0) edits.push([isFirst.range[1], file.code.getTokenBefore(node.source).range[0], ' ']);
  else if (open) rest.forEach((each) => edits.push(ofOne(file, each)));
  return merged(edits);
}

/** A name with its comma, and its line if it has one of its own. */
function ofOne(file, specifier) {
  const [start, end] = specifier.range;
  const after = file.code.getTokenAfter(specifier);
  if (after.value !== ',') {
    const before = file.code.getTokenBefore(specifier);
    if (before.value !== ',') return [start, end, ''];
    return file.isAloneOnItsLines(start, end) ? [before.range[1], end, ''] : [before.range[0], end, ''];
  }
  if (file.isAloneOnItsLines(start, after.range[1])) return [...file.wholeLines(start, after.range[1]), ''];
  return [start, file.code.getTokenAfter(after).range[0], ''];
}

function merged(edits) {
  edits.sort((a, b) => a[0] - b[0]);
  return edits.reduce((list, each) => {
    const last = list[list.length - 1];
    if (last && last[1] >= each[0]) last[1] = Math.max(last[1], each[1]);
    else list.push(each);
    return list;
  }, []);
}

/** `const x = require('y')` of which nothing uses x becomes `require('y')`. */
function ofRequire(file, node, out) {
  const [declarator] = node.declarations;
  const { id, init } = declarator;
  const isRequire = node.declarations.length === 1 && id.type === 'Identifier' && init && init.type === 'CallExpression'
    && file.isGlobal(init.callee, 'require') && init.arguments.length === 1 && init.arguments[0].type === 'Literal';
  if (!isRequire || node.parent.type !== 'Program' || file.module !== 'commonjs') return;
  const [variable] = file.variablesDeclaredBy(node);
  if (!variable || variable.defs.length > 1 || variable.references.some((each) => !each.init)) return;
  const why = obstacle(file, variable) || (file.hasCommentIn(node.range[0], node.range[1]) ? 'a comment stands in it' : '');
  if (why) out.refuse(node, why);
  else out.change(node, [[node.range[0], init.range[0], '']]);
}

module.exports = {
  name: 'unused-imports',
  run(file, out) {
    file.all('ImportDeclaration').forEach((node) => look(file, node, out));
    file.all('VariableDeclaration').forEach((node) => ofRequire(file, node, out));
  },
};
