'use strict';
// Runs a user's own jscodeshift transform over texts, as the `jscodeshift` command does, and puts back what its printer changed
// beside it. The transform is code of the user: the project must be trusted. The process can write no file and start no program.
//
// `{root, transform, options, files: [{path, text}]}` -> `{files: [{path, text}], failed: [{path, reason}]}`.

const { createRequire } = require('node:module');
const path = require('node:path');

const { restore, withLineEnds } = require('../transforms/restore');

const SEPARATORS = /[\u2028\u2029]/;

module.exports = async function custom({ root, transform, options = {}, files }, context) {
  const folder = context.packageFolder('jscodeshift');
  const pinned = createRequire(path.join(folder, 'package.json'));
  // What is said before a step that does not end names it to the owner, who ends the process then.
  await context.progress('transform', `loading ${transform}`, 0, files.length);
  const loaded = load(transform, pinned, folder);
  const parser = context.require('typescript-eslint').parser;
  const answer = { files: [], failed: [] };
  for (const [at, file] of files.entries()) {
    context.signal.throwIfAborted();
    await context.progress('transform', file.path, at, files.length);
    try {
      const text = await run(loaded, file, { root, options, pinned, folder, parser });
      if (text !== null && text !== file.text) answer.files.push({ path: file.path, text });
    } catch (error) {
      answer.failed.push({ path: file.path, reason: reasonOf(error) });
    }
  }
  return answer;
};

/** Loads the transform anew each time: it may have been edited since. */
function load(transform, pinned, folder) {
  process.env.BABEL_DISABLE_CACHE = '1';
  const register = pinned('@babel/register');
  const preset = /\.tsx?$/.test(transform) ? '@babel/preset-typescript' : '@babel/preset-flow';
  const plugins = ['class-properties', 'nullish-coalescing-operator', 'optional-chaining', 'modules-commonjs', 'private-methods'];
  register({
    configFile: false, babelrc: false, cache: false, presets: [pinned(preset).default],
    plugins: plugins.map((name) => pinned(`@babel/plugin-transform-${name}`).default),
    extensions: [...pinned('@babel/core').DEFAULT_EXTENSIONS, '.ts', '.tsx'],
    only: [(file) => !file.includes(`${path.sep}node_modules${path.sep}`)],
    ignore: [(file) => file.startsWith(path.dirname(__dirname) + path.sep)],
  });
  const own = path.dirname(path.dirname(folder));
  for (const file of Object.keys(require.cache)) if (!file.startsWith(own)) delete require.cache[file];
  let module;
  try {
    module = require(transform);
  } catch (error) {
    throw new Error(`the transform cannot be loaded: ${reasonOf(error)}`);
  } finally {
    register.revert();
  }
  const run = typeof module.default === 'function' ? module.default : module;
  if (typeof run !== 'function') throw new Error('the transform cannot be used: it exports no function');
  return { run, parser: module.parser };
}

async function run(loaded, { path: name, text }, { root, options, pinned, folder, parser }) {
  if (SEPARATORS.test(text)) throw new Error('it has a line or paragraph separator (U+2028, U+2029), which jscodeshift would make a line end');
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  const plain = text.slice(mark.length).replace(/\r\n/g, '\n');
  const core = pinned(path.join(folder, 'src/core.js')).withParser(parserFor(loaded, name, options, pinned, folder));
  const api = { j: core, jscodeshift: core, stats() {}, report() {} };
  const made = await loaded.run({ path: path.join(root, name), source: plain }, api, { ...options });
  if (made === undefined || made === null || made === '' || made === plain) return null;
  if (typeof made !== 'string') throw new Error(`the transform returned ${typeof made} instead of a text`);
  const after = made.replace(/^\uFEFF/, '').replace(/\r\n/g, '\n');
  return mark + withLineEnds(text.slice(mark.length), restored(parser, name, plain, after));
}

/** The result with what its printer changed beside the change put back, if both texts can be taken apart. */
function restored(parser, name, before, after) {
  const parse = (source) => parsed(parser, name, source);
  try {
    parse(before);
  } catch {
    return after;
  }
  try {
    parse(after);
  } catch (error) {
    throw new Error(`the transform leaves a text that does not parse: ${error.message}`);
  }
  return restore(before, after, parse);
}

/** The parser that the transform names, else the one that the options name, else the one that reads files of this kind. */
function parserFor(loaded, name, options, pinned, folder) {
  const getParser = pinned(path.join(folder, 'src/getParser.js'));
  if (loaded.parser) return typeof loaded.parser === 'string' ? getParser(loaded.parser) : loaded.parser;
  if (options.parser) return getParser(options.parser, options.parserConfig);
  if (/\.tsx$/.test(name)) return getParser('tsx');
  return getParser(/\.[mc]?ts$/.test(name) ? 'ts' : 'babel');
}

function parsed(parser, name, source) {
  const jsx = !/\.[mc]?ts$/.test(name);
  const { ast, visitorKeys } = parser.parseForESLint(source, { range: true, loc: true, tokens: true, comment: true, sourceType: 'module', ecmaFeatures: { jsx, globalReturn: true }, filePath: name });
  return { ast, keys: visitorKeys, tokens: ast.tokens, comments: ast.comments };
}

function reasonOf(error) {
  if (error?.code === 'ERR_ACCESS_DENIED') return `a transform may not write files, start programs or load native code (${[error.permission, error.resource].filter(Boolean).join(' ')}): it returns the new text`;
  const text = error instanceof Error ? error.message : `it threw ${String(error)}`;
  return text.split('\n')[0].slice(0, 500);
}
