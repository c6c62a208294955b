'use strict';
// `{a: a}` becomes `{a}`.

function obstacle(file, node) {
  const name = node.key.name;
  if (name === '__proto__') return 'the key __proto__ sets the prototype only when it is written out';
  if (file.hasCommentIn(node.range[0], node.range[1])) return 'a comment stands in it';
  return '';
}

/** The identifier that a property's value begins with, if that is all that it is but for a default in a pattern. */
function identifierOf(node) {
  const { value } = node;
  if (value.type === 'Identifier') return value;
  return node.parent.type === 'ObjectPattern' && value.type === 'AssignmentPattern' && value.left.type === 'Identifier' ? value.left : null;
}

module.exports = {
  name: 'object-shorthand',
  run(file, out) {
    for (const node of file.all('Property')) {
      if (node.shorthand || node.computed || node.method || node.kind !== 'init' || node.key.type !== 'Identifier') continue;
      const identifier = identifierOf(node);
      if (!identifier || identifier.name !== node.key.name || identifier.typeAnnotation) continue;
      // A value in parentheses is written with more than its name.
      const between = file.text.slice(node.key.range[1], identifier.range[0]);
      if (between.includes('(')) continue;
      const why = obstacle(file, node);
      if (why) out.refuse(node, why);
      else out.change(node, [[node.key.range[0], identifier.range[0], '']]);
    }
  },
};
