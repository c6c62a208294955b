'use strict';

// Texts of modules in which each mutant can be chosen at run time and statements are counted. Nothing of the project is executed.

const fs = require('node:fs');
const path = require('node:path');
const { instrument } = require('../tests/mutants.js');

module.exports = async ({ root, modules }, context) => {
  const ts = context.require('typescript');
  let next = 1;
  const result = [];
  for (const [at, { path: file, functions }] of modules.entries()) {
    context.signal.throwIfAborted();
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    const made = instrument(ts, file, text, functions, next, at);
    next += made.mutants.length;
    const broken = syntaxError(ts, file, made.text);
    result.push(broken ? { path: file, fault: broken, text: '', mutants: [], statements: [], branches: [] } : { path: file, fault: '', ...made });
  }
  return { modules: result };
};

// What is put into a text must leave it a program.
function syntaxError(ts, file, text) {
  const { diagnostics = [] } = ts.transpileModule(text, { fileName: file, reportDiagnostics: true, compilerOptions: { allowJs: true, target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext } });
  const [first] = diagnostics.filter((it) => it.category === ts.DiagnosticCategory.Error);
  return first ? ts.flattenDiagnosticMessageText(first.messageText, ' ') : '';
}
