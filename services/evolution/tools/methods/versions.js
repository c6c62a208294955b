'use strict';

// The versions of Node and of the installed packages.
module.exports = async (_params, context) => {
  const packages = {};
  for (const name of context.packages) {
    packages[name] = context.packageVersion(name);
  }
  return { node: process.versions.node, packages };
};
