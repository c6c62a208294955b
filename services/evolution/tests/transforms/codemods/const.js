// The transform of the README of jscodeshift's users: var becomes const.
module.exports = function transform(file, { jscodeshift }) {
  return jscodeshift(file.source).find(jscodeshift.VariableDeclaration, { kind: 'var' })
    .forEach((path) => { path.node.kind = 'const'; }).toSource();
};
