'use strict';
// `if (a === undefined) a = 1;` at the beginning of a function becomes a default of the parameter.

const { isNeverReassigned, isSame, isUndefined } = require('../syntax');
const { nullishTest, strictTest } = require('./nullish');

const PLAIN = new Set(['Literal', 'ArrayExpression', 'ObjectExpression', 'Identifier', 'UnaryExpression', 'TemplateLiteral']);

/** `{name, value}` of a statement that gives a parameter a value when it is undefined; `why` for one that only looks like it. */
function defaulting(file, statement) {
  const assignment = assignmentOf(statement);
  if (!assignment || assignment.left.type !== 'Identifier') return null;
  const { left, right } = assignment;
  if (statement.type === 'IfStatement') return ofTest(file, left, right, statement.test);
  if (right.type === 'ConditionalExpression') {
    const [yes, no] = [right.consequent, right.alternate];
    const value = isSame(file, yes, left) ? no : isSame(file, no, left) ? yes : null;
    return value && ofTest(file, left, value, right.test, value === yes);
  }
  if (right.type === 'LogicalExpression' && isSame(file, right.left, left)) {
    return { left, why: right.operator === '||' ? 'it also replaces what is falsy' : 'it also replaces null' };
  }
  return null;
}

function assignmentOf(statement) {
  let inner = statement;
  if (statement.type === 'IfStatement' && !statement.alternate) {
    inner = statement.consequent;
    if (inner.type === 'BlockStatement' && inner.body.length === 1) [inner] = inner.body;
  }
  const expression = inner.type === 'ExpressionStatement' && inner.expression;
  return expression && expression.type === 'AssignmentExpression' && expression.operator === '=' ? expression : null;
}

function ofTest(file, left, value, test, whenEqual = true) {
  const strict = strictTest(file, test);
  if (strict && isSame(file, strict.value, left)) {
    if (strict.isEqual !== whenEqual) return null;
    return strict.of === 'undefined' ? { left, value } : { left, why: 'it asks for null, which a default leaves' };
  }
  const loose = nullishTest(file, test);
  return loose && isSame(file, loose.value, left) ? { left, why: 'it also replaces null' } : null;
}

/** Whether a value may be made before the body begins, with nobody noticing. */
function isPlain(file, node, home) {
  if (!PLAIN.has(node.type)) return false;
  if (node.type === 'ArrayExpression') return node.elements.every((each) => each && isPlain(file, each, home));
  if (node.type === 'ObjectExpression') return node.properties.every((each) => each.type === 'Property' && !each.computed && !each.method && each.kind === 'init' && isPlain(file, each.value, home));
  if (node.type === 'TemplateLiteral') return node.expressions.length === 0;
  if (node.type === 'UnaryExpression') return node.operator === '-' && node.argument.type === 'Literal';
  return node.type === 'Literal' || isUndefined(file, node) || isOuterConstant(file, node, home);
}

/** A constant that is declared before the function, outside of it. */
function isOuterConstant(file, node, home) {
  const variable = file.variableOf(node);
  if (!variable || variable.defs.length !== 1 || !isNeverReassigned(variable)) return false;
  const [{ node: declarator, type }] = variable.defs;
  return type === 'Variable' && declarator.init && declarator.init.type === 'Literal' && declarator.range[1] < home.range[0] && declarator.id.type === 'Identifier';
}

function obstacle(file, home, parameter, variable, found, statement) {
  if (found.why) return found.why;
  if (variable.defs.length > 1) return 'the parameter is declared more than once';
  if (variable.references.some((each) => each.identifier.range[0] < home.body.range[0])) return 'another parameter reads it';
  if (!isPlain(file, found.value, home)) return 'its value may see what the body declares or does';
  if (file.hasCommentIn(statement.range[0], statement.range[1])) return 'a comment stands in it';
  if (hasCommentBeside(file, statement)) return 'a comment belongs to it';
  if (home.body.body.some((each) => each.directive)) return 'a function with a directive may have plain parameters only';
  if (usesArguments(file, home)) return 'the function uses arguments, which defaults cut off from the parameters';
  return isOnlyCalled(file, home) ? '' : 'others see the length of the function, which counts parameters without defaults';
}

function hasCommentBeside(file, statement) {
  const [start, end] = [file.lineStart(statement.range[0]), file.lineEndAfter(statement.range[1])];
  const before = file.code.getTokenBefore(statement, { includeComments: true });
  const isBefore = before && (before.type === 'Line' || before.type === 'Block') && before.loc.end.line >= statement.loc.start.line - 1;
  return isBefore || file.hasCommentIn(start, end);
}

function usesArguments(file, home) {
  const scope = file.scopes.acquire(home);
  const variable = scope && scope.set.get('arguments');
  return file.hasEval || Boolean(variable && variable.references.length);
}

/** Whether a function has a name that is only called: nobody reads its length, exports it or gives it away. */
function isOnlyCalled(file, home) {
  const owner = home.type === 'FunctionDeclaration' ? home : home.parent;
  if (home.type !== 'FunctionDeclaration' && (owner.type !== 'VariableDeclarator' || owner.init !== home)) return false;
  const around = owner.type === 'VariableDeclarator' ? owner.parent.parent : owner.parent;
  if (/^Export/.test(around.type) || (around.type === 'Program' && file.module === 'script')) return false;
  const [variable] = file.variablesDeclaredBy(owner);
  if (!variable || variable.defs.length !== 1) return false;
  const uses = variable.references.filter((each) => !each.init);
  return uses.length > 0 && uses.every(({ identifier: { parent }, identifier }) => parent.type === 'CallExpression' && parent.callee === identifier);
}

/** Looks at the statements at the beginning of a body, as long as they only give defaults. */
function look(file, home, out) {
  const parameters = new Map(home.params.filter((each) => each.type === 'Identifier').map((each) => [each.name, each]));
  for (const statement of home.body.body) {
    if (statement.directive) continue;
    const found = defaulting(file, statement);
    const parameter = found && parameters.get(found.left.name);
    const variable = parameter && file.variableOf(found.left);
    if (!variable || !variable.identifiers.includes(parameter)) return;
    const why = obstacle(file, home, parameter, variable, found, statement);
    if (why) return void out.refuse(statement, why);
    parameters.delete(found.left.name);
    out.change(statement, edits(file, home, parameter, found, statement));
  }
}

function edits(file, home, parameter, found, statement) {
  const [start, end] = file.wholeLines(statement.range[0], statement.range[1]);
  const isBare = home.params.length === 1 && home.type === 'ArrowFunctionExpression' && file.code.getTokenAfter(parameter).value === '=>';
  const value = ` = ${file.textOf(found.value)}${isBare ? ')' : ''}`;
  const made = [[parameter.range[1], parameter.range[1], value], [start, end, '']];
  if (isBare) made.push([parameter.range[0], parameter.range[0], '(']);
  if (parameter.optional) {
    const mark = file.code.getFirstToken(parameter, (each) => each.value === '?');
    made.push([mark.range[0], mark.range[1], '']);
  }
  return made;
}

module.exports = {
  name: 'default-parameters',
  run(file, out) {
    for (const home of file.all('FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression')) {
      if (home.body && home.body.type === 'BlockStatement') look(file, home, out);
    }
  },
};
