'use strict';
// Whether a function that returns a promise may become async: nothing in it throws before the promise is there.

const { isNeverReassigned } = require('../syntax');
const { isPrimitive, kindOf } = require('../values');

const STATICS = new Set(['resolve', 'reject', 'all', 'allSettled', 'race', 'any']);

/** Why a function that is not async may not become it; empty if it may. */
function asyncObstacle(file, home, statement, base) {
  const { body, parent } = home;
  const isMethod = parent.type === 'MethodDefinition' || (parent.type === 'Property' && parent.value === home);
  if (isMethod && (parent.kind === 'constructor' || parent.kind === 'get' || parent.kind === 'set')) return 'it stands in a constructor, a getter or a setter';
  if (isMethod && (parent.computed || parent.decorators && parent.decorators.length)) return 'its method has a computed name or a decorator';
  const own = body.type === 'BlockStatement' ? body.body.filter((each) => !each.directive) : [];
  if (own.length !== 1 || own[0] !== statement) return 'its function is not async: what it throws at once would become a rejected promise';
  if (home.params.some((each) => each.type !== 'Identifier')) return 'its function is not async, and taking its parameters apart may throw at once';
  if (file.names.has('await')) return 'the file uses await as a name';
  const type = home.returnType && home.returnType.typeAnnotation;
  if (type && !(type.type === 'TSTypeReference' && type.typeName.name === 'Promise')) return 'its function declares to return something else than a Promise';
  return isSafeStart(file, base, home) ? '' : 'its function is not async: what it throws at once would become a rejected promise';
}

/** Whether an expression gives a promise of the language and cannot throw at once. */
function isSafeStart(file, base, home) {
  if (base.type === 'ImportExpression') return base.source.type === 'Literal';
  const isCall = base.type === 'CallExpression' || base.type === 'NewExpression';
  if (!isCall || base.optional || !base.arguments.every((each) => isQuiet(file, each))) return false;
  const { callee } = base;
  if (base.type === 'NewExpression') return file.isGlobal(callee, 'Promise') && base.arguments.length === 1 && /Function/.test(base.arguments[0].type);
  if (callee.type === 'MemberExpression') return !callee.computed && file.isGlobal(callee.object, 'Promise') && STATICS.has(callee.property.name);
  return file.isGlobal(callee, 'fetch') || isAsyncFunction(file, callee, home);
}

/** Whether a name is that of an async function of this file, which is there before `home` runs. */
function isAsyncFunction(file, callee, home) {
  const variable = callee.type === 'Identifier' && file.variableOf(callee);
  if (!variable || variable.defs.length !== 1 || !isNeverReassigned(variable)) return false;
  const [{ type, node }] = variable.defs;
  if (type === 'FunctionName') return node.async && !node.generator;
  const { init } = node;
  return type === 'Variable' && Boolean(init) && /Function/.test(init.type) && init.async && !init.generator && node.range[1] <= home.range[0];
}

/** Whether computing an argument neither runs other code nor throws. */
function isQuiet(file, node) {
  switch (node.type) {
    case 'Literal': case 'ThisExpression': case 'ArrowFunctionExpression': case 'FunctionExpression': return true;
    case 'Identifier': return Boolean(file.variableOf(node)) || file.isGlobal(node, 'undefined');
    case 'TemplateLiteral': return node.expressions.every((each) => isPrimitive(kindOf(file, each)));
    case 'BinaryExpression': return isPrimitive(kindOf(file, node.left)) && isPrimitive(kindOf(file, node.right));
    case 'ArrayExpression': return node.elements.every((each) => each && isQuiet(file, each));
    case 'ObjectExpression': return node.properties.every((each) => each.type === 'Property' && !each.computed && isQuiet(file, each.value));
    default: return false;
  }
}

/** Where `async` is to stand for a function. */
function asyncPlace(file, home) {
  const { parent } = home;
  const isMethod = parent.type === 'MethodDefinition' || (parent.type === 'Property' && parent.method);
  return isMethod ? parent.key.range[0] : home.range[0];
}

module.exports = { asyncObstacle, asyncPlace };
