'use strict';
// Compares what ESLint says of texts before and after a change: errors that are new, by rule.
//
// `{root, files: [{path, before, after}], usesProjectConfig}` -> `{files: [{path, before, after, added}], skipped}`. With the
// project's own configuration its code runs, so the project must be trusted.

const fs = require('node:fs');
const path = require('node:path');

const CONFIGS = ['eslint.config.js', 'eslint.config.mjs', 'eslint.config.cjs'];

module.exports = async function lint({ root, files, usesProjectConfig }, context) {
  const { ESLint } = context.require('eslint');
  const isOwn = !usesProjectConfig || !CONFIGS.some((name) => fs.existsSync(path.join(root, name)));
  const eslint = new ESLint(isOwn ? ownOptions(root, context) : { cwd: root, warnIgnored: false });
  const answer = { files: [], config: isOwn ? 'of SHIM' : 'of the project' };
  for (const { path: name, before, after } of files) {
    context.signal.throwIfAborted();
    const old = await errorsOf(eslint, root, name, before);
    const now = await errorsOf(eslint, root, name, after);
    answer.files.push({ path: name, before: total(old), after: total(now), added: added(old, now) });
  }
  return answer;
};

function ownOptions(root, context) {
  const { parser } = context.require('typescript-eslint');
  const { configs } = context.require('@eslint/js');
  // What is not defined hangs on the surroundings, which are not known here.
  const rules = { ...configs.recommended.rules, 'no-undef': 'off', 'no-unused-vars': 'off', 'no-redeclare': 'off' };
  const parserOptions = { ecmaFeatures: { jsx: true, globalReturn: true } };
  return {
    cwd: root, overrideConfigFile: true, warnIgnored: false, ignore: false,
    overrideConfig: [
      { files: ['**/*.{js,jsx,mjs,cjs}'], languageOptions: { ecmaVersion: 'latest', parserOptions }, rules },
      { files: ['**/*.cjs'], languageOptions: { sourceType: 'commonjs' } },
      { files: ['**/*.{ts,tsx,mts,cts}'], languageOptions: { parser }, rules },
    ],
  };
}

async function errorsOf(eslint, root, name, text) {
  if (text === null) return [];
  let result;
  try {
    [result] = await eslint.lintText(text, { filePath: path.join(root, name) });
  } catch (error) {
    // A text that nests deeper than the stack is an error of its file; anything else is one of the configuration.
    if (!(error instanceof RangeError)) throw error;
    return [{ ruleId: null, severity: 2, message: `ESLint cannot read it: ${error.message}`, line: 1 }];
  }
  return result ? result.messages.filter((each) => each.severity === 2) : [];
}

const total = (errors) => errors.length;

/** Errors beyond as many of the same rule as there were before. */
function added(before, after) {
  const left = new Map();
  for (const { ruleId } of before) left.set(ruleId, (left.get(ruleId) || 0) + 1);
  return after.filter(({ ruleId }) => {
    const count = left.get(ruleId) || 0;
    if (count > 0) left.set(ruleId, count - 1);
    return count === 0;
  }).map(({ ruleId, message, line }) => ({ rule: ruleId || '', message, line }));
}
