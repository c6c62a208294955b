'use strict';
// `const x = require('y')` at the top of an ES module becomes an import.

const { builtinModules } = require('module');
const { isNeverReassigned } = require('../syntax');

const BUILTIN = new Set(builtinModules);
const isBuiltin = (name) => name.startsWith('node:') || BUILTIN.has(name);

/** `{name, member}` of `require('name')` or `require('name').member`. */
function requireOf(file, init) {
  const call = init && init.type === 'MemberExpression' && !init.computed ? init.object : init;
  const isRequire = call && call.type === 'CallExpression' && call.callee.type === 'Identifier' && call.callee.name === 'require'
    && call.arguments.length === 1 && call.arguments[0].type === 'Literal' && typeof call.arguments[0].value === 'string';
  if (!isRequire || !isLoader(file, call.callee)) return null;
  return { name: call.arguments[0].value, source: call.arguments[0].raw, member: call === init ? null : init.property.name };
}

/** Whether `require` is that of the module system, or the one that `createRequire` made. */
function isLoader(file, identifier) {
  const variable = file.variableOf(identifier);
  if (!variable || variable.defs.length === 0) return true;
  const [{ node }] = variable.defs;
  const made = node.init && node.init.type === 'CallExpression' && node.init.callee;
  return Boolean(made) && (made.name === 'createRequire' || (made.property && made.property.name === 'createRequire'));
}

function obstacle(file, node, found) {
  if (node.parent.type !== 'Program') return 'it is not at the top level: an import always runs, and first';
  if (file.module !== 'esm') return 'the file is no ES module: those who require it would get something else, or an error';
  if (usesExports(file)) return 'the file also sets module.exports, which an ES module does not have';
  if (file.hasCommentIn(node.range[0], node.range[1])) return 'a comment stands in it';
  if (file.variablesDeclaredBy(node).some((each) => !isNeverReassigned(each) || each.defs.length > 1)) return 'its name is written again, which an import does not allow';
  return ofTarget(file, node, found) || ofNames(node, found);
}

function usesExports(file) {
  return file.scopes.globalScope.through.some((each) => each.identifier.name === 'module' || each.identifier.name === 'exports');
}

/** Whether the module gives an import what it gives require. */
function ofTarget(file, node, { name, member }) {
  if (/\.json$/.test(name)) return 'JSON is imported with an attribute that not all tools know';
  if (isBuiltin(name)) {
    const isWhole = node.declarations[0].id.type === 'Identifier' && !member;
    return isWhole && file.isTypeScript && !file.facts.hasInterop ? 'the default of a module hangs on esModuleInterop, which is not set' : '';
  }
  if (file.isTypeScript) return 'the compiler decides what the default of a module is';
  if (name.startsWith('.') || name.startsWith('/') || name.startsWith('#')) return 'the file that it names may be of either module system';
  if (!file.facts.isEsModulePackage && !/\.mjs$/.test(file.path)) return 'a bundler decides what the default of a module is';
  if (!(file.facts.commonJsPackages || []).includes(name)) return 'the package may give import and require different modules';
  if (member || node.declarations[0].id.type !== 'Identifier') return 'the names of a CommonJS package are not always seen by import';
  return isFirst(file, node) ? '' : 'something runs before it, and an import runs first';
}

function ofNames(node, { name, member }) {
  const names = member ? [member] : node.declarations[0].id.type === 'ObjectPattern' ? node.declarations[0].id.properties.map((each) => each.key && each.key.name) : [];
  if (names.length === 0) return '';
  const known = require(name);
  const missing = names.find((each) => !each || !Object.prototype.hasOwnProperty.call(known, each));
  return missing === undefined ? '' : `${name} has no ${missing}`;
}

/** Whether only imports, directives and other requires stand before it. */
function isFirst(file, node) {
  const { body } = file.ast;
  return body.slice(0, body.indexOf(node)).every((each) => each.type === 'ImportDeclaration' || each.directive || /^TS(Interface|TypeAlias)/.test(each.type)
    || (each.type === 'VariableDeclaration' && each.declarations.every((one) => one.init && (requireOf(file, one.init) || isMaker(one.init)))));
}

const isMaker = (init) => init.type === 'CallExpression' && init.callee.name === 'createRequire';

/** The names of a pattern as an import writes them; null for a pattern that an import cannot express. */
function bindings(file, pattern) {
  const named = pattern.properties.map((each) => {
    const isPlain = each.type === 'Property' && !each.computed && each.key.type === 'Identifier' && each.value.type === 'Identifier';
    return isPlain ? (each.shorthand ? each.key.name : `${each.key.name} as ${each.value.name}`) : null;
  });
  return named.includes(null) ? null : `{ ${named.join(', ')} }`;
}

function written(file, node, { source, member }) {
  const { id } = node.declarations[0];
  const end = file.text[node.range[1] - 1] === ';' ? ';' : '';
  if (id.typeAnnotation) return null;
  if (id.type === 'ObjectPattern') {
    const names = member || !file.isOneLine(id) ? null : bindings(file, id);
    return names && `import ${names} from ${source}${end}`;
  }
  if (id.type !== 'Identifier') return null;
  if (!member) return `import ${id.name} from ${source}${end}`;
  return `import { ${member === id.name ? member : `${member} as ${id.name}`} } from ${source}${end}`;
}

module.exports = {
  name: 'require-to-import',
  run(file, out) {
    for (const node of file.all('VariableDeclaration')) {
      const [declarator] = node.declarations;
      const found = node.declarations.length === 1 && !node.declare && requireOf(file, declarator.init);
      if (!found) continue;
      const why = obstacle(file, node, found);
      const text = why ? null : written(file, node, found);
      if (!text) out.refuse(node, why || 'an import cannot write its pattern');
      else out.change(node, [[node.range[0], node.range[1], text]]);
    }
  },
};
