'use strict';
// `var` becomes `const`, or `let` where it is written again. Only the keyword changes.

const { enclosing, isFunction, isInside, isLoop, writes } = require('../syntax');

const BLOCKS = new Set(['BlockStatement', 'Program', 'StaticBlock', 'TSModuleBlock']);

/** Why a `var` must stay; empty if it may go. */
function obstacle(file, node) {
  if (file.hasEval || file.hasWith) return 'the file uses eval or with, which see names at run time';
  const block = blockOf(node);
  if (!block) return 'its block is not its own: it is a branch or a case without braces';
  if (node.declare || node.parent.type === 'ExportNamedDeclaration') return 'it is exported: those who import it in a circle would fail before it has its value';
  if (block.type === 'Program' && file.module === 'script') return 'it may be a script of a page, whose var is a property of the global object';
  for (const variable of file.variablesDeclaredBy(node)) {
    const why = ofVariable(file, variable, node, block);
    if (why) return why;
  }
  return '';
}

/** The node that a `let` in this place is scoped to; null where it may not stand. */
function blockOf(node) {
  const { parent } = node;
  if (parent.type === 'ExportNamedDeclaration') return parent.parent;
  if (BLOCKS.has(parent.type)) return parent;
  if (isLoop(parent) && (parent.init === node || parent.left === node)) return parent;
  return null;
}

function ofVariable(file, variable, node, block) {
  const { name } = variable;
  if (variable.defs.length > 1 || variable.scope.set.get(name) !== variable) return `${name} is declared more than once`;
  if (name === 'arguments' || name === 'let' || name === 'undefined') return `${name} may not be declared by let`;
  if (!variable.identifiers.length) return `${name} is not found`;
  if (clashes(variable, node, block)) return `${name} is the name of what surrounds it`;
  const outside = variable.references.find((each) => !isInside(each.identifier, block));
  if (outside) return `${name} is used outside of its block, in line ${outside.identifier.loc.start.line}`;
  return ofLoops(variable, node, block) || ofOrder(file, variable, node, block);
}

/** A `let` beside a parameter of a catch clause, or of the function whose name it has, is an error. */
function clashes(variable, node, block) {
  const { parent } = block;
  if (!parent || block.type !== 'BlockStatement') return false;
  if (parent.type === 'CatchClause' && parent.param) return parent.param.name === variable.name || parent.param.type !== 'Identifier';
  return isFunction(parent) && parent.params.length > 0 && variable.defs.some((each) => each.type === 'Parameter');
}

function ofLoops(variable, node, block) {
  const home = enclosing(node, isFunction);
  const loop = isLoop(block) ? block : enclosing(node, (each) => isLoop(each) || isFunction(each));
  if (!loop || !isLoop(loop) || (home && !isInside(loop, home))) return '';
  const { name } = variable;
  const isHead = isLoop(block);
  if (variable.references.some((each) => enclosing(each.identifier, isFunction) !== home)) {
    return `a function made in the loop keeps ${name}: each round would have its own`;
  }
  const hasValue = node.declarations.every((each) => each.init);
  if (!isHead && !hasValue) return `${name} keeps its value from one round of the loop to the next`;
  return '';
}

/** Whether anything may read the variable before its declaration has run: it would be undefined now, and an error then. */
function ofOrder(file, variable, node, block) {
  const declarator = node.declarations.find((each) => variable.identifiers.some((id) => isInside(id, each.id)));
  const inInit = variable.references.find((each) => !each.init && declarator && isInside(each.identifier, declarator) && !inFunctionOf(each.identifier, declarator));
  const isIteration = node.parent.type === 'ForOfStatement' || node.parent.type === 'ForInStatement';
  const inHead = isIteration && variable.references.some((each) => isInside(each.identifier, node.parent.right));
  if (inInit || inHead) return `${variable.name} is read in its own declaration`;
  const early = readEarly(file, variable, node, block);
  return early ? `${variable.name} may be used before its declaration, in line ${early.loc.start.line}` : '';
}

function inFunctionOf(identifier, declarator) {
  const home = enclosing(identifier, isFunction);
  if (!home || !isInside(home, declarator)) return false;
  // A function that is called where it stands, or given to a call, may run at once.
  return home.parent === declarator || home.parent.type === 'Property' || home.type === 'ArrowFunctionExpression' && home.parent === declarator;
}

/**
 * The first reference that may run before the declaration: what stands before it in its block, and the bodies of functions
 * declared there that are named by what may run before it.
 */
function readEarly(file, variable, node, block) {
  const start = node.range[0];
  const hoisted = new Map(file.all('FunctionDeclaration').filter((each) => each.id && isInside(each, block)).map((each) => [each, false]));
  const isEarly = (identifier) => {
    const holder = outermost(identifier, hoisted);
    return holder ? hoisted.get(holder) : identifier.range[0] < start;
  };
  for (let grew = true; grew;) {
    grew = false;
    for (const [each, isReached] of hoisted) {
      if (isReached || outermost(each.parent, hoisted) || !isNamedEarly(file, each, isEarly)) continue;
      hoisted.set(each, true);
      grew = true;
    }
  }
  const circle = block.type === 'Program' && mayBeInCircle(file) && [...hoisted.keys()].filter((each) => isExported(file, each));
  for (const each of circle || []) hoisted.set(each, true);
  const found = variable.references.find((each) => !each.init && isEarly(each.identifier));
  return found && found.identifier;
}

/** Whether modules that this one imports may import it: their code then runs before its own, and may call what it exports. */
function mayBeInCircle(file) {
  return file.all('ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration').some(({ source }) => source && /^[./#]/.test(source.value));
}

function isExported(file, declaration) {
  const [variable] = file.variablesDeclaredBy(declaration);
  return /^Export/.test(declaration.parent.type)
    || Boolean(variable) && variable.references.some(({ identifier: { parent } }) => /^Export/.test(parent.type));
}

/** The outermost of some nodes that holds a node. */
function outermost(node, nodes) {
  let found = null;
  for (let each = node; each; each = each.parent) if (nodes.has(each)) found = each;
  return found;
}

function isNamedEarly(file, declaration, isEarly) {
  const [variable] = file.variablesDeclaredBy(declaration);
  return Boolean(variable) && variable.references.some((each) => isEarly(each.identifier));
}

function keywordFor(file, node) {
  const variables = file.variablesDeclaredBy(node);
  const isIteration = node.parent.type === 'ForOfStatement' || node.parent.type === 'ForInStatement';
  const hasValues = isIteration || node.declarations.every((each) => each.init);
  return hasValues && variables.every((each) => writes(each).length === 0) ? 'const' : 'let';
}

module.exports = {
  name: 'var-to-let-const',
  run(file, out) {
    for (const node of file.all('VariableDeclaration')) {
      if (node.kind !== 'var' || node.declare) continue;
      const why = obstacle(file, node);
      if (why) out.refuse(node, why);
      else out.change(node, [[node.range[0], node.range[0] + 3, keywordFor(file, node)]]);
    }
  },
};
