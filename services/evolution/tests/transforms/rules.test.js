'use strict';
// Each rule over its table: what it changes, what it refuses with a reason, what it does not look at; and all of it again with
// other line ends and a byte order mark.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const test = require('node:test');

const { apply } = require('../../tools/transforms/engine');
const rules = require('../../tools/transforms/rules');
const { tools } = require('./packages');

const withLineEnds = (text) => text.replace(/\n/g, '\r\n');

/** A case of a table as `{path, text, facts}`. */
function caseOf(table, entry) {
  return typeof entry === 'string' ? { path: table.path, text: entry } : { path: table.path, ...entry };
}

for (const file of readdirSync(path.join(__dirname, 'tables'))) {
  const table = require(`./tables/${file}`);
  const rule = rules.get(table.rule);
  const run = (each, text = each.text) => apply(rule, each.path, text, tools, each.facts);

  test(`${table.rule} has ten cases of each kind`, () => {
    assert.ok(table.changed.length >= 10 && table.refused.length >= 10, `${table.changed.length} ${table.refused.length}`);
  });
  table.changed.forEach(([entry, expected], index) => test(`${table.rule} changes ${index}`, () => {
    const each = caseOf(table, entry);
    const result = run(each);
    assert.equal(result.text, expected);
    assert.ok(result.changes > 0 && result.meant.length > 0);
    assert.equal(run(each, result.text).text, expected, 'a second run changes nothing');
    assert.equal(run(each, withLineEnds(each.text)).text, withLineEnds(expected), 'line ends stay');
    assert.equal(run(each, `\uFEFF${each.text}`).text, `\uFEFF${expected}`, 'the byte order mark stays');
    assert.deepEqual(beyondMeaning(each.text, expected, result.meant), [], 'only meant lines change');
  }));
  table.refused.forEach((entry, index) => test(`${table.rule} refuses ${index}`, () => {
    const each = caseOf(table, entry);
    const result = run(each);
    assert.equal(result.text, each.text);
    assert.ok(result.refusals.length > 0 && result.refusals.every((one) => one.reason && one.line > 0 && one.column > 0), 'it says why');
  }));
  (table.untouched || []).forEach((entry, index) => test(`${table.rule} leaves ${index}`, () => {
    const each = caseOf(table, entry);
    assert.equal(run(each).text, each.text);
  }));
}

/** Lines that are not meant and are missing afterwards. */
function beyondMeaning(before, after, meant) {
  const left = after.split('\n');
  return before.split('\n').filter((line, index) => {
    if (meant.some(([first, last]) => index + 1 >= first && index + 1 <= last)) return false;
    const at = left.indexOf(line);
    if (at < 0) return true;
    left.splice(0, at + 1);
    return false;
  });
}

test('a package that promises an old Node gets no newer syntax', () => {
  const facts = { oldestNode: [0, 10] };
  const result = apply(rules.get('var-to-let-const'), 'a.cjs', 'var a = 1;', tools, facts);
  assert.equal(result.text, 'var a = 1;');
  assert.match(result.refusals[0].reason, /promises Node 0\.10/);
  assert.equal(apply(rules.get('var-to-let-const'), 'a.cjs', 'var a = 1;', tools, { oldestNode: [18] }).text, 'const a = 1;');
});
