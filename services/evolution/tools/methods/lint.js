'use strict';

// Lints files with ESLint: by the project's own flat configurations, or by ours. What it answers is what the `eslint` command
// would: file by file, with suppressed messages, unused directives, ignored files and parse errors.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const CHUNK = 50;
const TYPED = /\.[mc]?tsx?$/;
const SUPPRESSIONS = 'eslint-suppressions.json';
// Rules of these plugins look at the file alone. Any other plugin may look at other files as well.
const ALONE = new Set([
  '@typescript-eslint', 'react', 'react-hooks', 'react-refresh', 'jsx-a11y', 'unicorn', 'promise', 'regexp', 'jsdoc', 'tsdoc',
  '@stylistic', 'simple-import-sort', 'unused-imports', 'security', 'no-only-tests', 'jest', 'vitest', 'mocha', 'perfectionist',
  'sonarjs', 'eslint-comments', '@eslint-community/eslint-comments', 'prettier', 'testing-library', 'array-func', 'es-x',
]);

// One project and one state of its configurations live in a process: neither `import` nor `require` can forget a module.
let loaded;

module.exports = async (params, context) => {
  const { root, files, useProject, fingerprint, refresh } = params;
  if (loaded && (loaded.root !== root || loaded.fingerprint !== fingerprint)) {
    // What the configurations once loaded would stay loaded. The owner starts another host and calls again.
    if (loaded.isProject && useProject) process.kill(process.pid, 'SIGKILL');
    loaded = undefined;
  }
  process.chdir(root);
  loaded ??= { root, fingerprint, isProject: useProject, ours: new Map(), parsers: new Set() };
  if (refresh) forgetPrograms();
  const answer = { version: context.packageVersion('eslint'), configuration: '', ours: 0, unusedSuppressions: 0 };
  const groups = useProject ? await byConfiguration(files, answer, context) : { project: [], ours: files };
  const progress = { done: 0, total: files.length };
  if (groups.project.length > 0) {
    answer.unusedSuppressions = await lint(loaded.project, groups.project, progress, context);
  }
  answer.ours = groups.ours.length;
  await lintByOurs(groups.ours, progress, context);
  return answer;
};

// Types are kept for each program, and a program does not notice that an imported file changed.
function forgetPrograms() {
  for (const parser of loaded.parsers) parser.clearCaches();
  loaded.project = undefined;
}

async function byConfiguration(files, answer, context) {
  const groups = { project: [], ours: [] };
  try {
    loaded.project ??= await projectLinter(context);
    answer.version = loaded.project.version;
    const folders = new Map();
    for (const file of files) {
      const folder = path.dirname(file);
      if (!folders.has(folder)) folders.set(folder, await configurationOf(file));
      (folders.get(folder) ? groups.project : groups.ours).push(file);
    }
    const used = new Set(folders.values());
    used.delete(undefined);
    if (used.size === 0) answer.configuration = 'it has no eslint.config file';
    // A configuration that cannot be loaded is told before anything is linted.
    for (const [folder, configuration] of folders) {
      if (configuration) await loaded.project.eslint.calculateConfigForFile(path.join(folder, 'x.js'));
    }
    return groups;
  } catch (error) {
    loaded.project = undefined;
    answer.version = context.packageVersion('eslint');
    answer.configuration = `its configuration cannot be used: ${firstLines(error)}`;
    return { project: [], ours: files };
  }
}

// The configuration that ESLint would take for a file, if it lies in the project: trust ends at its root.
async function configurationOf(file) {
  const found = await loaded.project.eslint.findConfigFile(path.resolve(file));
  const relative = found && path.relative(loaded.root, found);
  return relative && !relative.startsWith('..') && !path.isAbsolute(relative) ? found : undefined;
}

function firstLines(error) {
  return String(error?.message ?? error).split('\n').slice(0, 3).join(' ').slice(0, 500);
}

// The project's own ESLint if it reads flat configurations as ours does, so that it says what its `eslint` command says.
async function projectLinter(context) {
  const options = { cwd: loaded.root, globInputPaths: false, errorOnUnmatchedPattern: false };
  const fromProject = createRequire(path.join(loaded.root, 'package.json'));
  let manifest;
  try {
    manifest = fromProject.resolve('eslint/package.json');
  } catch {
    return linter(context.require('eslint'), context.packageFolder('eslint'), options);
  }
  const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
  if (Number.parseInt(version, 10) < 9) {
    return linter(context.require('eslint'), context.packageFolder('eslint'), options);
  }
  return linter(fromProject('eslint'), path.dirname(manifest), options);
}

function linter({ ESLint }, folder, options) {
  return { eslint: new ESLint(options), ESLint, folder, version: ESLint.version };
}

async function lintByOurs(files, progress, context) {
  const groups = { module: [], commonjs: [] };
  for (const file of files) groups[sourceType(file)].push(file);
  for (const [kind, members] of Object.entries(groups)) {
    if (members.length === 0) continue;
    if (!loaded.ours.has(kind)) loaded.ours.set(kind, ourLinter(kind, context));
    await lint(loaded.ours.get(kind), members, progress, context);
  }
}

function ourLinter(kind, context) {
  const js = context.require('@eslint/js');
  const ts = context.require('typescript-eslint');
  const everything = ['**/*.{js,mjs,cjs,jsx,ts,mts,cts,tsx}'];
  const typescript = ['**/*.{ts,mts,cts,tsx}'];
  const config = [
    {
      files: everything,
      languageOptions: { sourceType: kind, parserOptions: { ecmaFeatures: { jsx: true } } },
      // Which globals there are is not known without the project's word.
      rules: { ...js.configs.recommended.rules, 'no-undef': 'off' },
    },
    ...ts.configs.recommended.map((part) => ({ ...part, files: typescript })),
  ];
  const options = { cwd: loaded.root, globInputPaths: false, errorOnUnmatchedPattern: false, overrideConfigFile: true, overrideConfig: config };
  return linter(context.require('eslint'), context.packageFolder('eslint'), options);
}

// By the extension, else by what the file says itself: without a bundler's configuration, `type` in package.json lies often.
function sourceType(file) {
  if (/\.[mc]js$/.test(file)) return file.endsWith('.cjs') ? 'commonjs' : 'module';
  if (TYPED.test(file) || file.endsWith('.jsx')) return 'module';
  let text = '';
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    // ESLint leaves it out as well.
  }
  return /^[ \t\uFEFF]*(?:import\b(?!\s*\()|export\b)/m.test(text) ? 'module' : 'commonjs';
}

async function lint(linter, files, progress, context) {
  const suppressions = linter === loaded.project ? suppressionsOf(linter) : undefined;
  let unused = 0;
  for (let at = 0; at < files.length; at += CHUNK) {
    context.signal.throwIfAborted();
    const chunk = files.slice(at, at + CHUNK);
    const linted = await lintChunk(linter, chunk);
    const answers = linted.failures;
    let { results } = linted;
    if (suppressions) {
      const applied = suppressions(results);
      results = applied.results;
      unused += Object.keys(applied.unused).length;
    }
    for (const result of results) answers.push(await compact(linter, result));
    await context.part(answers);
    progress.done += chunk.length;
    await context.progress('lint', `ESLint: ${progress.done} of ${progress.total} files`, progress.done, progress.total);
  }
  return unused;
}

// A rule that throws ends the whole command; here it ends its file alone.
async function lintChunk(linter, files) {
  try {
    return { results: await linter.eslint.lintFiles(files), failures: [] };
  } catch (error) {
    if (files.length === 1) return { results: [], failures: [{ path: files[0], failed: firstLines(error) }] };
  }
  const all = { results: [], failures: [] };
  for (const file of files) {
    const { results, failures } = await lintChunk(linter, [file]);
    all.results.push(...results);
    all.failures.push(...failures);
  }
  return all;
}

// What the command takes from the file of accepted findings; it is no part of ESLint's interface.
function suppressionsOf(linter) {
  const file = path.join(loaded.root, SUPPRESSIONS);
  if (!fs.existsSync(file)) return undefined;
  const module = path.join(linter.folder, 'lib/services/suppressions-service.js');
  // The first versions of ESLint 9 do not know the file.
  if (!fs.existsSync(module)) return undefined;
  const { SuppressionsService } = require(module);
  const service = new SuppressionsService({ filePath: file, cwd: loaded.root });
  const known = JSON.parse(fs.readFileSync(file, 'utf8'));
  return (results) => service.applySuppressions(results, known);
}

async function compact(linter, result) {
  const isProject = linter === loaded.project;
  const messages = [];
  let ignored = '';
  for (const message of result.messages) {
    const isOfFile = message.ruleId === null && message.line === undefined && message.fatal !== true;
    if (isOfFile) ignored = message.message;
    else messages.push(short(message));
  }
  return {
    path: path.relative(loaded.root, result.filePath).split(path.sep).join('/'),
    messages,
    suppressed: result.suppressedMessages.map(short),
    ignored,
    looksFurther: isProject && !ignored && (await looksFurther(linter, result.filePath)),
  };
}

function short(message) {
  const { ruleId, severity, line, column, endLine, endColumn, fatal, fix, suppressions } = message;
  const why = suppressions?.map(({ kind, justification }) => (justification ? `${kind}: ${justification}` : kind)).join('; ');
  return {
    rule: ruleId ?? '', severity, text: message.message, line: line ?? 0, column: column ?? 0, endLine: endLine ?? 0,
    endColumn: endColumn ?? 0, fatal: fatal === true, fixable: Boolean(fix), suppression: why ?? '',
  };
}

const judged = new WeakMap();

// Whether what is found in a file may hang on other files: on their types, or on what a plugin reads.
async function looksFurther(linter, file) {
  const config = await linter.eslint.calculateConfigForFile(file);
  if (!config) return false;
  if (!judged.has(config)) judged.set(config, judge(config));
  return judged.get(config);
}

function judge(config) {
  const { parser, parserOptions = {} } = config.languageOptions ?? {};
  const { project, projectService, programs, EXPERIMENTAL_useProjectService } = parserOptions;
  if (project || projectService || programs || EXPERIMENTAL_useProjectService) {
    if (typeof parser?.clearCaches === 'function') loaded.parsers.add(parser);
    return true;
  }
  const isOn = (setting) => ![0, 'off'].includes(Array.isArray(setting) ? setting[0] : setting);
  const rules = Object.entries(config.rules ?? {}).filter(([name, setting]) => name.includes('/') && isOn(setting));
  return Boolean(config.processor) || rules.some(([name]) => !ALONE.has(name.slice(0, name.lastIndexOf('/'))));
}
