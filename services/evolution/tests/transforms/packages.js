'use strict';
// The pinned packages, and a context as the tool host gives one to its methods.

const { createRequire } = require('node:module');
const path = require('node:path');

const folder = process.env.SHIM_TOOLS_DIR || path.join(__dirname, '../../tools');
const packages = createRequire(path.join(folder, 'package.json'));

module.exports = {
  folder,
  tools: { parser: packages('typescript-eslint').parser, SourceCode: packages('eslint').SourceCode },
  context: {
    require: packages,
    packageFolder: (name) => path.join(folder, 'node_modules', name),
    signal: new AbortController().signal,
    progress: async () => {},
  },
};
