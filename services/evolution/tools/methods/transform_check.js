'use strict';
// Compares texts before and after a change by the compiler's view: whether they parse, and what they export.
//
// `{files: [{path, before, after}]}` -> `{files: [{path, errors, exportsBefore, exportsAfter}]}`. A `before` of null is a new file.

module.exports = async function check({ files }, context) {
  const ts = context.require('typescript');
  const answer = [];
  for (const { path, before, after } of files) {
    context.signal.throwIfAborted();
    const now = seen(ts, path, after);
    // A new file takes nothing from anybody.
    const old = before === null ? { errors: [], exports: now.exports } : seen(ts, path, before);
    if (now.failed || old.failed) {
      answer.push({ path, errors: [{ text: now.failed ?? old.failed, line: 1 }], exportsBefore: [], exportsAfter: [] });
      continue;
    }
    const known = new Set(old.errors.map((each) => each.text));
    answer.push({ path, errors: now.errors.filter((each) => !known.has(each.text)), exportsBefore: old.exports, exportsAfter: now.exports });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { files: answer };
};

/** The view of a text; of one that nests deeper than the compiler's stack, that it cannot be compared. */
function seen(ts, path, text) {
  try {
    return viewOf(ts, path, text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { failed: `the compiler cannot read it: ${error.message}` };
  }
}

/** Syntax errors and the exported names of one text, seen alone. */
function viewOf(ts, path, text) {
  const name = `/${path}`;
  const options = { allowJs: true, noResolve: true, noLib: true, types: [], target: ts.ScriptTarget.ESNext, jsx: ts.JsxEmit.Preserve, module: ts.ModuleKind.ESNext };
  const source = ts.createSourceFile(name, text, { languageVersion: ts.ScriptTarget.ESNext, jsDocParsingMode: ts.JSDocParsingMode.ParseNone }, true);
  const host = {
    getSourceFile: (file) => (file === name ? source : undefined), getDefaultLibFileName: () => '', writeFile() {}, getCurrentDirectory: () => '/',
    getCanonicalFileName: (file) => file, useCaseSensitiveFileNames: () => true, getNewLine: () => '\n', fileExists: (file) => file === name, readFile: () => undefined,
  };
  const program = ts.createProgram({ rootNames: [name], options, host });
  const checker = program.getTypeChecker();
  // The checker gives no symbol for a CommonJS module, which has one all the same.
  const module = checker.getSymbolAtLocation(source) || source.symbol;
  const exported = module ? namesOf(checker, module).map((each) => each.getName()) : [];
  const errors = program.getSyntacticDiagnostics(source).map((each) => ({
    text: ts.flattenDiagnosticMessageText(each.messageText, ' '), line: source.getLineAndCharacterOfPosition(each.start || 0).line + 1,
  }));
  return { errors, exports: [...new Set(exported)].sort() };
}

/** Exports, with the properties of what `module.exports` is set to. */
function namesOf(checker, module) {
  return checker.getExportsAndPropertiesOfModule ? checker.getExportsAndPropertiesOfModule(module) : checker.getExportsOfModule(module);
}
