'use strict';
// The methods of the tool host that evolutions are made and checked with.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');

const check = require('../../tools/methods/transform_check');
const custom = require('../../tools/methods/transform_custom');
const lint = require('../../tools/methods/transform_lint');
const transform = require('../../tools/methods/transform');
const { oldest } = require('../../tools/transforms/facts');
const { context, folder } = require('./packages');

const codemod = (name) => path.join(__dirname, 'codemods', name);
const run = async (name, text, more = {}) => custom({ root: '/p', transform: codemod(name), files: [{ path: 'a.js', text }], ...more }, context);

/** What the jscodeshift command makes of a text. */
function ofCommand(name, text, args = []) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'codemod-'));
  try {
    fs.writeFileSync(path.join(home, 'a.js'), text);
    const command = path.join(folder, 'node_modules/jscodeshift/bin/jscodeshift.js');
    execFileSync(process.execPath, [command, '--run-in-band', '-t', codemod(name), ...args, path.join(home, 'a.js')], { env: { ...process.env, BABEL_DISABLE_CACHE: '1' } });
    return fs.readFileSync(path.join(home, 'a.js'), 'utf8');
  } finally {
    fs.rmSync(home, { recursive: true });
  }
}

test('a transform gives what the command gives where that is right', async () => {
  const text = "// head\nvar a = 1;\n\nfunction f() {\n\tvar b = [1,2,  3]; // tail\n\treturn b\n}\n";
  const { files } = await run('const.js', text);
  assert.equal(files[0].text, ofCommand('const.js', text));
});

test('a transform in TypeScript with options gives what the command gives', async () => {
  const text = 'old(1, old(2));\nconst x = { old: 1 };\n';
  const { files } = await run('rename.ts', text, { options: { from: 'old', to: 'fresh' } });
  assert.equal(files[0].text, 'fresh(1, fresh(2));\nconst x = { old: 1 };\n');
  assert.equal(files[0].text, ofCommand('rename.ts', text, ['--from=old', '--to=fresh']));
});

test('what the command rewrites beside the change stays', async () => {
  for (const [before, after] of [
    ['var a = 1,\n    b = 2;\n', 'const a = 1,\n    b = 2;\n'],
    ['var // one\n  a = 1,\n  // two\n  b = 2;\n', 'const // one\n  a = 1,\n  // two\n  b = 2;\n'],
    ['var a = 1\nvar b = 2', 'const a = 1\nconst b = 2'],
    ['var a = 1,\n\tb = {x:1,\n\t\ty:2},\n\tc = function(){return 1};\nf( a );\n', 'const a = 1,\n\tb = {x:1,\n\t\ty:2},\n\tc = function(){return 1};\nf( a );\n'],
  ]) {
    for (const form of [(text) => text, (text) => text.replace(/\n/g, '\r\n'), (text) => `\uFEFF${text}`, (text) => `\uFEFF${text.replace(/\n/g, '\r\n')}`]) {
      const { files, failed } = await run('const.js', form(before));
      assert.deepEqual(failed, []);
      assert.equal(files[0].text, form(after));
    }
  }
});

test('pairs of a difference are equal, in order, and as many as can be', () => {
  const { matches } = require('../../tools/transforms/restore');
  let seed = 7;
  const random = (limit) => (seed = (seed * 1103515245 + 12345) % 2147483648) % limit;
  const text = () => Array.from({ length: random(25) }, () => ({ type: '', value: 'abc'[random(3)] }));
  const longest = (a, b) => {
    const table = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
    a.forEach((one, i) => b.forEach((other, j) => {
      table[i + 1][j + 1] = one.value === other.value ? table[i][j] + 1 : Math.max(table[i][j + 1], table[i + 1][j]);
    }));
    return table[a.length][b.length];
  };
  for (let round = 0; round < 300; round += 1) {
    const [a, b] = [text(), text()];
    const pairs = matches(a, b);
    assert.equal(pairs.length, longest(a, b), `seed 7, round ${round}`);
    pairs.forEach(([x, y], at) => {
      assert.equal(a[x].value, b[y].value);
      assert.ok(at === 0 || (pairs[at - 1][0] < x && pairs[at - 1][1] < y));
    });
  }
});

test('a long file of many changes is restored within the limit', async () => {
  const line = (at) => `var a${at} = ${at},\n\tb${at};\n`;
  const before = Array.from({ length: 900 }, (_each, at) => line(at)).join('');
  const { files } = await run('const.js', before);
  assert.equal(files[0].text, before.replace(/var /g, 'const '));
});

test('lines keep the ends that each of them has', async () => {
  const { files } = await run('const.js', 'var a = 1;\r\nf();\nvar b = 2;\r\n');
  assert.equal(files[0].text, 'const a = 1;\r\nf();\nconst b = 2;\r\n');
});

test('a transform that throws fails for that file alone', async () => {
  const files = [{ path: 'a.js', text: 'bad();' }, { path: 'b.js', text: 'a();' }];
  const answer = await custom({ root: '/p', transform: codemod('throws.js'), files }, context);
  assert.deepEqual(answer.failed, [{ path: 'a.js', reason: 'cannot do this one' }]);
  assert.deepEqual(answer.files, [{ path: 'b.js', text: 'b();' }]);
});

test('a transform that is none or is not there is an error', async () => {
  await assert.rejects(run('nothing.js', 'a'), /exports no function/);
  await assert.rejects(run('missing.js', 'a'), /cannot be loaded/);
});

test('a file that would be broken by the printer is left', async () => {
  const { failed } = await run('const.js', "var a = '\u2028';");
  assert.match(failed[0].reason, /U\+2028/);
});

test('exports are those that the compiler sees', async () => {
  const view = async (before, after, name = 'a.js') => (await check({ files: [{ path: name, before, after }] }, context)).files[0];
  assert.deepEqual((await view('exports.a = 1;', 'exports.b = 1;')).exportsBefore, ['a']);
  assert.deepEqual((await view('module.exports = { a, b: 1 };', '')).exportsBefore, ['a', 'b']);
  assert.deepEqual((await view('export const a = 1; export default 2; export { b as c };', 'export {}')).exportsBefore, ['a', 'c', 'default']);
  assert.deepEqual((await view('export type T = 1; export class C {}', 'export {}', 'a.ts')).exportsBefore, ['C', 'T']);
  assert.equal((await view('a', 'a b c')).errors.length > 0, true);
  assert.deepEqual((await view('a', 'a')).errors, []);
});

test('errors of the linter are new ones only', async () => {
  const files = [{ path: 'a.js', before: 'debugger;', after: 'debugger; if (a = 1) { debugger; }' }];
  const answer = await lint({ root: os.tmpdir(), files, usesProjectConfig: false }, context);
  assert.deepEqual(answer.files[0].added.map((each) => each.rule).sort(), ['no-cond-assign', 'no-constant-condition', 'no-debugger']);
  assert.equal(answer.config, 'of SHIM');
});

test('a file that does not parse is told, and the others are done', async () => {
  const files = [{ path: 'a.js', text: 'function (' }, { path: 'b.cjs', text: 'var a = 1;' }];
  const answer = await transform({ root: '/nowhere', files, rules: ['var-to-let-const'] }, context);
  assert.match(answer.unread[0].reason, /does not parse in line 1/);
  assert.equal(answer.files[0].results[0].text, 'const a = 1;');
});

test('the oldest version of a range is found', () => {
  for (const [range, expected] of [['>=18', [18, 0]], ['^12.20.0 || >=14.13', [12, 20]], ['>= 0.10', [0, 10]], ['*', undefined], [undefined, undefined], ['<20 >=16.1', [16, 1]], ['16 || 18', [16, 0]]]) {
    assert.deepEqual(oldest(range), expected, String(range));
  }
});
