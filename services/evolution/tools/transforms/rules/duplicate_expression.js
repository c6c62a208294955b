'use strict';
// An expression of constants that a function writes several times gets a name.

const { enclosingFunction, isInside, isNeverReassigned, siblings } = require('../syntax');
const { isPrimitive, kindOf } = require('../values');

const WORDS = { '+': 'Plus', '-': 'Minus', '*': 'Times', '/': 'Over', '%': 'Mod', '**': 'Power' };
const MIN_OPERATORS = 2;
const MIN_TIMES = 3;

/** The names and literals of an expression of arithmetic; null for one with anything else in it. */
function leaves(node) {
  if (node.type === 'BinaryExpression' && WORDS[node.operator]) {
    const [left, right] = [leaves(node.left), leaves(node.right)];
    return left && right ? { leaves: [...left.leaves, ...right.leaves], operators: left.operators + right.operators + 1 } : null;
  }
  return node.type === 'Identifier' || node.type === 'Literal' ? { leaves: [node], operators: 0 } : null;
}

/** Groups of equal expressions within one function, the largest first. */
function groups(file) {
  const found = new Map();
  for (const node of file.all('BinaryExpression')) {
    const parts = leaves(node);
    if (!parts || parts.operators < MIN_OPERATORS || file.hasCommentIn(node.range[0], node.range[1])) continue;
    const home = enclosingFunction(node);
    const names = parts.leaves.map((each) => (each.type === 'Identifier' ? variableKey(file, each) : each.raw)).join(',');
    const key = `${home ? home.range[0] : -1}|${file.textOf(node).replace(/\s+/g, '')}|${names}`;
    if (found.has(key)) found.get(key).push(node);
    else found.set(key, [node]);
  }
  const many = [...found.values()].filter((each) => each.length >= MIN_TIMES);
  return many.sort((a, b) => file.textOf(b[0]).length - file.textOf(a[0]).length);
}

function variableKey(file, identifier) {
  const variable = file.variableOf(identifier);
  return variable && variable.identifiers[0] ? `${identifier.name}@${variable.identifiers[0].range[0]}` : `${identifier.name}@`;
}

function obstacle(file, nodes, home) {
  const [first] = nodes;
  if (file.hasEval || file.hasWith) return 'the file uses eval or with, which see names at run time';
  for (const leaf of leaves(first).leaves) {
    if (leaf.type === 'Literal') {
      if (!isPrimitive(kindOf(file, leaf))) return 'an operand is no plain value';
      continue;
    }
    if (!isPrimitive(kindOf(file, leaf))) return `${leaf.name} may be an object, whose value is asked for each time`;
    const variable = file.variableOf(leaf);
    if (!variable || !isNeverReassigned(variable)) return `${leaf.name} is written again`;
  }
  if (kindOf(file, first) !== 'number') return 'it is a text, which reads better where it stands';
  const at = insertion(file, nodes, home);
  if (!at) return 'its places have no statement list in common';
  const late = leaves(first).leaves.find((each) => each.type === 'Identifier' && !isReady(file, each, at));
  return late ? `${late.name} has no value yet where the constant would stand` : '';
}

/** Whether a variable has its value before a statement: it is a parameter, or declared above in a list around it. */
function isReady(file, leaf, at) {
  const [definition] = file.variableOf(leaf).defs;
  if (definition.type === 'Parameter') return isInside(at, definition.node.body || definition.node);
  const declaration = definition.parent;
  return Boolean(declaration) && declaration.range[1] <= at.range[0] && isInside(at, declaration.parent);
}

/** The first statement, in the innermost list around all places, that holds one of them. */
function insertion(file, nodes, home) {
  for (let each = nodes[0]; each && each !== home; each = each.parent) {
    const isListed = each.parent && ['BlockStatement', 'Program'].includes(each.parent.type) && siblings(each);
    if (isListed && nodes.every((node) => isInside(node, each.parent))) return each;
  }
  return null;
}

function nameFor(file, node) {
  const word = (each) => (each.type === 'BinaryExpression' ? `${word(each.left)}${WORDS[each.operator]}${upper(word(each.right))}` : each.type === 'Identifier' ? each.name : String(each.value));
  const name = word(node).replace(/[^\w$]/g, '').replace(/^\d+/, (digits) => `n${digits}`).slice(0, 40);
  for (let count = 1; ; count += 1) {
    const free = count === 1 ? name : `${name}${count}`;
    if (!file.names.has(free)) return free;
  }
}

const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);


module.exports = {
  name: 'duplicate-expression',
  run(file, out) {
    for (const nodes of groups(file)) {
      const home = enclosingFunction(nodes[0]);
      const why = obstacle(file, nodes, home);
      if (why) {
        out.refuse(nodes[0], why);
        continue;
      }
      const at = insertion(file, nodes, home);
      const name = nameFor(file, nodes[0]);
      const start = at.range[0];
      const line = `const ${name} = ${file.textOf(nodes[0])};\n${file.indentOf(start)}`;
      out.change(nodes[0], [[start, start, line], ...nodes.map((node) => [node.range[0], node.range[1], name])]);
    }
  },
};
