'use strict';
// What a value is known to be without running anything: `string`, `number`, `boolean`, `nullish`, `array`; null for unknown.

const { isNeverReassigned, isNullish } = require('./syntax');

const KEYWORDS = { TSStringKeyword: 'string', TSNumberKeyword: 'number', TSBooleanKeyword: 'boolean' };
const NUMERIC = new Set(['-', '*', '/', '%', '**', '|', '&', '^', '<<', '>>', '>>>']);
const BOOLEAN = new Set(['==', '===', '!=', '!==', '<', '<=', '>', '>=', 'in', 'instanceof']);
const MAX_DEPTH = 20;

/** The kind of a value. `proof.byType` is set if an annotation is what says it. */
function kindOf(file, node, proof = {}, depth = 0) {
  const kind = depth < MAX_DEPTH && KINDS[node.type];
  return kind ? kind(file, node, proof, (each) => kindOf(file, each, proof, depth + 1)) : null;
}

const isPrimitive = (kind) => kind === 'string' || kind === 'number' || kind === 'boolean' || kind === 'nullish';

const KINDS = {
  Literal(_file, node) {
    if (node.value === null && node.raw === 'null') return 'nullish';
    if (node.regex || node.bigint) return null;
    return typeof node.value;
  },
  TemplateLiteral: () => 'string',
  ArrayExpression: () => 'array',
  Identifier(file, node, proof, of) {
    if (isNullish(file, node)) return 'nullish';
    const variable = file.variableOf(node);
    return variable && variable.defs.length === 1 ? kindOfVariable(variable, proof, of) : null;
  },
  UnaryExpression(file, node, proof, of) {
    if (node.operator === 'typeof') return 'string';
    if (node.operator === '!' || node.operator === 'delete') return 'boolean';
    if (node.operator === 'void') return 'nullish';
    if (node.operator === '+') return 'number';
    return of(node.argument) === 'number' ? 'number' : null;
  },
  BinaryExpression(file, node, proof, of) {
    if (BOOLEAN.has(node.operator)) return 'boolean';
    const [left, right] = [of(node.left), of(node.right)];
    // A number with what is none throws or is a number: BigInt does not mix.
    if (NUMERIC.has(node.operator)) return left === 'number' || right === 'number' ? 'number' : null;
    if (node.operator !== '+') return null;
    if (left === 'string' || right === 'string') return 'string';
    return left === 'number' && right === 'number' ? 'number' : null;
  },
  ConditionalExpression(file, node, proof, of) {
    const [yes, no] = [of(node.consequent), of(node.alternate)];
    return yes === no ? yes : isPrimitive(yes) && isPrimitive(no) ? 'boolean' : null;
  },
  LogicalExpression(file, node, proof, of) {
    const [left, right] = [of(node.left), of(node.right)];
    return left === right ? left : isPrimitive(left) && isPrimitive(right) ? 'boolean' : null;
  },
  CallExpression(file, node) {
    const { callee } = node;
    if (file.isGlobal(callee, 'String')) return 'string';
    if (file.isGlobal(callee, 'Number') || file.isGlobal(callee, 'parseInt') || file.isGlobal(callee, 'parseFloat')) return 'number';
    if (file.isGlobal(callee, 'Boolean')) return 'boolean';
    if (callee.type !== 'MemberExpression' || callee.computed || callee.object.type !== 'Identifier') return null;
    return ofGlobalMethod(file, callee);
  },
  AssignmentExpression: (file, node, proof, of) => (node.operator === '=' ? of(node.right) : null),
  TSAsExpression: (file, node, proof, of) => of(node.expression),
  TSNonNullExpression: (file, node, proof, of) => of(node.expression),
  TSSatisfiesExpression: (file, node, proof, of) => of(node.expression),
};

const ARRAYS_OF = { Object: ['keys', 'values', 'entries', 'getOwnPropertyNames'], Array: ['from', 'of'] };

function ofGlobalMethod(file, callee) {
  const { object, property } = callee;
  for (const [name, methods] of Object.entries(ARRAYS_OF)) {
    if (file.isGlobal(object, name) && methods.includes(property.name)) return 'array';
  }
  if (file.isGlobal(object, 'Math') && property.name !== 'random') return 'number';
  if (file.isGlobal(object, 'Math')) return 'number';
  if (file.isGlobal(object, 'Date') && property.name === 'now') return 'number';
  return null;
}

function kindOfVariable(variable, proof, of) {
  const [definition] = variable.defs;
  const { name } = definition;
  const annotation = name.typeAnnotation && name.typeAnnotation.typeAnnotation;
  if (annotation && !name.optional) {
    const kind = KEYWORDS[annotation.type] || (annotation.type === 'TSArrayType' ? 'array' : null);
    if (kind) proof.byType = true;
    return kind;
  }
  if (definition.type === 'Parameter') return isRest(definition, name) && isNeverReassigned(variable) ? 'array' : null;
  if (definition.type !== 'Variable' || !isNeverReassigned(variable)) return null;
  const declarator = definition.node;
  // A `var` may be read before it has its value, and is undefined then: a primitive as well.
  return declarator.id === name && declarator.init ? of(declarator.init) : null;
}

function isRest(definition, name) {
  return name.parent && name.parent.type === 'RestElement' && definition.node.params && definition.node.params.includes(name.parent);
}

module.exports = { isPrimitive, kindOf };
