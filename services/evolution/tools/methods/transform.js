'use strict';
// Applies rules to texts. Nothing is written.
//
// `{root, files: [{path, text}], rules}` -> `{files: [{path, results, failed}], unread: [{path, reason}]}`; a result has the new
// text, how many places were changed, the functions around them, the lines of the old text that are meant, and what was refused.

const { applyTo } = require('../transforms/engine');
const { Facts } = require('../transforms/facts');
const rules = require('../transforms/rules');
const { SourceFile } = require('../transforms/source_file');

const MAX_REFUSALS = 20;

module.exports = async function transform({ root, files, rules: names }, context) {
  const tools = { parser: context.require('typescript-eslint').parser, SourceCode: context.require('eslint').SourceCode };
  const facts = new Facts(root, context.require('typescript'));
  const chosen = names.map((name) => rules.get(name));
  const answer = { files: [], unread: [] };
  for (const { path, text } of files) {
    context.signal.throwIfAborted();
    const file = parsed(path, text, tools, facts, answer.unread);
    if (file) answer.files.push(applied(chosen, file, tools));
    // Lets a cancellation in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answer;
};

function parsed(path, text, tools, facts, unread) {
  try {
    return new SourceFile(path, text, tools, facts.of(path));
  } catch (error) {
    const place = error.lineNumber ? ` in line ${error.lineNumber}` : '';
    unread.push({ path, reason: `it does not parse${place}: ${error.message}` });
    return null;
  }
}

function applied(chosen, file, tools) {
  const one = { path: file.path, results: [], failed: [] };
  for (const rule of chosen) {
    try {
      const { text, changes, functions, refusals, meant } = applyTo(rule, file, tools);
      if (changes === 0 && refusals.length === 0) continue;
      one.results.push({ rule: rule.name, text: changes ? text : '', changes, functions, meant, refusals: refusals.slice(0, MAX_REFUSALS), refused: refusals.length });
    } catch (error) {
      one.failed.push({ rule: rule.name, reason: error.message });
    }
  }
  return one;
}
