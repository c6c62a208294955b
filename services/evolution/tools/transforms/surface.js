'use strict';
// What others see of a file: the names that it exports, and the keys of its objects and classes.

function surface(file) {
  const exports = new Set();
  const keys = new Set();
  for (const [type, nodes] of file.byType) {
    const take = TAKERS[type];
    if (take) for (const node of nodes) take(node, exports, keys);
  }
  return { exports, keys };
}

const nameOf = (node) => (node.type === 'Identifier' || node.type === 'PrivateIdentifier' ? node.name : node.type === 'Literal' ? String(node.value) : null);

function addKey(node, keys) {
  if (node.computed) return;
  const name = nameOf(node.key);
  if (name !== null) keys.add(name);
}

function addPattern(pattern, names) {
  if (!pattern) return;
  if (pattern.type === 'Identifier') names.add(pattern.name);
  if (pattern.type === 'ObjectPattern') pattern.properties.forEach((each) => addPattern(each.value || each.argument, names));
  if (pattern.type === 'ArrayPattern') pattern.elements.forEach((each) => addPattern(each, names));
  if (pattern.type === 'AssignmentPattern') addPattern(pattern.left, names);
  if (pattern.type === 'RestElement') addPattern(pattern.argument, names);
}

/** `exports.x`, `module.exports.x`: the name x; `module.exports`: an empty text. */
function commonJsTarget(node) {
  if (node.type !== 'MemberExpression' || node.computed) return null;
  const { object, property } = node;
  if (object.type === 'Identifier' && object.name === 'exports') return property.name;
  if (object.type === 'Identifier' && object.name === 'module' && property.name === 'exports') return '';
  return object.type === 'MemberExpression' && commonJsTarget(object) === '' ? property.name : null;
}

const TAKERS = {
  ExportNamedDeclaration(node, exports) {
    node.specifiers.forEach((each) => exports.add(nameOf(each.exported)));
    const declared = node.declaration;
    if (!declared) return;
    if (declared.declarations) declared.declarations.forEach((each) => addPattern(each.id, exports));
    else if (declared.id) exports.add(declared.id.name || declared.id.value);
  },
  ExportDefaultDeclaration: (_node, exports) => exports.add('default'),
  ExportAllDeclaration: (node, exports) => exports.add(node.exported ? nameOf(node.exported) : `* from ${node.source.value}`),
  TSExportAssignment: (_node, exports) => exports.add('='),
  AssignmentExpression(node, exports) {
    const name = commonJsTarget(node.left);
    if (name === null) return;
    exports.add(name || '=');
    if (name !== '' || node.right.type !== 'ObjectExpression') return;
    node.right.properties.forEach((each) => each.key && !each.computed && exports.add(nameOf(each.key)));
  },
  Property: (node, _exports, keys) => node.parent.type === 'ObjectExpression' && addKey(node, keys),
  PropertyDefinition: (node, _exports, keys) => addKey(node, keys),
  MethodDefinition: (node, _exports, keys) => addKey(node, keys),
};

module.exports = { surface, nameOf };
