'use strict';
// A function expression becomes an arrow function where nobody can construct it and it does not use its own context.

const { isNeverReassigned, some, usesOwnContext } = require('../syntax');

// Who gets a function here calls it and never constructs it.
const CALLED_BY_GLOBAL = new Set(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame',
  'describe', 'it', 'test', 'before', 'after', 'beforeEach', 'afterEach', 'beforeAll', 'afterAll', 'suite', 'setup', 'teardown']);
const CALLED_BY_METHOD = new Set(['map', 'filter', 'forEach', 'reduce', 'reduceRight', 'some', 'every', 'find', 'findIndex', 'findLast',
  'findLastIndex', 'flatMap', 'sort', 'then', 'catch', 'finally', 'on', 'once', 'addListener', 'addEventListener', 'nextTick', 'replace', 'replaceAll', 'only', 'skip']);
const CALLED_BY_STATIC = { Array: ['from'], JSON: ['parse', 'stringify'] };

/** Whether a function is given to somebody who is known to call it, and no more. */
function isCallback(file, node) {
  const { parent } = node;
  if (!parent.arguments || !parent.arguments.includes(node)) return false;
  const { callee } = parent;
  if (parent.type === 'NewExpression') return file.isGlobal(callee, 'Promise');
  if (callee.type === 'Identifier') return CALLED_BY_GLOBAL.has(callee.name) && file.isGlobal(callee, callee.name);
  if (callee.type !== 'MemberExpression' || callee.computed) return false;
  const { object, property } = callee;
  const isStatic = Object.entries(CALLED_BY_STATIC).some(([name, methods]) => file.isGlobal(object, name) && methods.includes(property.name));
  return isStatic || CALLED_BY_METHOD.has(property.name);
}

/** Whether a function is the value of a constant that is only called. */
function isOnlyCalled(file, node) {
  const { parent } = node;
  if (parent.type !== 'VariableDeclarator' || parent.init !== node || parent.id.type !== 'Identifier') return false;
  const [variable] = file.variablesDeclaredBy(parent);
  if (!variable || variable.defs.length !== 1 || !isNeverReassigned(variable)) return false;
  if (parent.parent.parent.type === 'ExportNamedDeclaration') return false;
  if (parent.parent.parent.type === 'Program' && file.module === 'script') return false;
  const uses = variable.references.filter((each) => !each.init);
  return uses.length > 0 && uses.every(({ identifier }) => identifier.parent.type === 'CallExpression' && identifier.parent.callee === identifier);
}

function obstacle(file, node) {
  if (node.id) return 'it has a name, which stack traces show';
  if (usesOwnContext(file, node)) return 'it uses this, arguments, super or new.target of its own';
  if (file.hasEval) return 'the file uses eval';
  if (node.typeParameters && /\.tsx$/.test(file.path)) return 'its type parameters would read as JSX';
  if (node.params.some((each) => each.type === 'Identifier' && each.name === 'this')) return 'it declares the type of its this';
  const names = node.params.map((each) => each.name);
  if (new Set(names.filter(Boolean)).size !== names.filter(Boolean).length) return 'two of its parameters have one name';
  if (some(file, node, (each) => each.type === 'Identifier' && (each.name === 'await' || each.name === 'yield'))) return 'it uses await or yield as a name';
  if (!isCallback(file, node) && !isOnlyCalled(file, node)) return 'who gets it may construct it, or set its this';
  const [start, end] = head(file, node);
  return file.hasCommentIn(start, end) || file.hasCommentIn(beforeBody(file, node), node.body.range[0]) ? 'a comment stands in its head' : '';
}

/** From the keyword to the parenthesis or the type parameters. */
function head(file, node) {
  const keyword = file.code.getFirstToken(node, (each) => each.value === 'function');
  return [keyword.range[0], file.code.getTokenAfter(keyword).range[0]];
}

/** Where the head ends: after the parameters or the type that it returns. */
function beforeBody(file, node) {
  return file.code.getTokenBefore(node.body).range[1];
}

module.exports = {
  name: 'function-to-arrow',
  run(file, out) {
    for (const node of file.all('FunctionExpression')) {
      const { parent } = node;
      const isMethod = parent.type === 'MethodDefinition' || (parent.type === 'Property' && (parent.method || parent.kind !== 'init'));
      const isPlace = parent.type === 'VariableDeclarator' || (parent.arguments && parent.arguments.includes(node));
      if (isMethod || node.generator || !isPlace || !node.body) continue;
      const why = obstacle(file, node);
      const [start, end] = head(file, node);
      if (why) out.refuse(node, why);
      else out.change(node, [[start, end, ''], [beforeBody(file, node), beforeBody(file, node), ' =>']]);
    }
  },
};
