'use strict';
// Applies a rule to a text: finds, edits as little as possible, parses again, until nothing is left to find.
//
// A rule is `{name, needs, run(file, out)}`. It calls `out.change(node, edits)` for a place that it proved
// and `out.refuse(node, reason)` for one that it recognised and could not prove. The edits of one change are applied together.

const { SourceFile } = require('./source_file');
const { Pieces } = require('./pieces');
const { surface } = require('./surface');
const { functionName } = require('./syntax');

const MAX_PASSES = 12;

class Found {
  constructor(file) {
    this.file = file;
    this.changes = [];
    this.refusals = [];
  }

  /** `edits` are `[start, end, text]`; line ends in `text` are `\n` and become those of the file. */
  change(node, edits) {
    const made = edits.map(([start, end, text]) => ({ start, end, text: text.replace(/\n/g, this.file.eol) }));
    made.sort((a, b) => a.start - b.start || a.end - b.end);
    this.changes.push({ node, edits: made });
  }

  refuse(node, reason) {
    const { start } = node.loc;
    this.refusals.push({ line: start.line, column: start.column + 1, reason });
  }

  /** Changes whose edits do not touch each other; what is left comes in the next pass. */
  independent() {
    const taken = [];
    const chosen = [];
    for (const change of this.changes) {
      const isFree = change.edits.every((edit) => taken.every((other) => edit.start > other.end || edit.end < other.start));
      if (!isFree) continue;
      taken.push(...change.edits);
      chosen.push(change);
    }
    return chosen;
  }
}

/** Applies a rule to a text; see `applyTo`. */
function apply(rule, path, text, tools, facts = {}) {
  return applyTo(rule, new SourceFile(path, text, tools, facts), tools);
}

/** Applies a rule to a file and answers `{text, changes, functions, refusals, meant}`; `text` is the old one if nothing is changed. */
function applyTo(rule, first, tools) {
  const { path, facts } = first;
  let file = first;
  const pieces = new Pieces(file.text);
  const functions = new Set();
  const result = { text: (first.hasMark ? '\uFEFF' : '') + first.text, changes: 0, functions: [], refusals: [], meant: [] };
  if (file.isDeclaration) return result;
  const tooOld = olderThan(rule, file, facts);
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const found = new Found(file);
    rule.run(file, found);
    const chosen = found.independent();
    if (tooOld && found.changes.length) found.refusals.unshift({ line: 1, column: 1, reason: tooOld });
    result.refusals = found.refusals;
    if (tooOld || chosen.length === 0) break;
    for (const change of chosen) functions.add(functionName(change.node));
    result.changes += chosen.length;
    pieces.apply(chosen.flatMap((change) => change.edits).sort((a, b) => a.start - b.start || a.end - b.end));
    file = parsedAgain(rule, path, pieces.text(), tools, facts);
  }
  if (result.changes === 0) return result;
  mustKeepSurface(rule, first, file);
  functions.delete('');
  return { ...result, text: (first.hasMark ? '\uFEFF' : '') + file.text, functions: [...functions].sort(), meant: pieces.meantLines() };
}

function parsedAgain(rule, path, text, tools, facts) {
  try {
    return new SourceFile(path, text, tools, facts);
  } catch (error) {
    throw new Error(`${rule.name} made a text that does not parse: ${error.message}`);
  }
}

/** A change that adds or renames an exported name or a key is never given out. */
function mustKeepSurface(rule, before, after) {
  const [old, now] = [surface(before), surface(after)];
  const differs = (a, b) => [...a].find((each) => !b.has(each));
  const exported = differs(old.exports, now.exports) || differs(now.exports, old.exports);
  if (exported !== undefined) throw new Error(`${rule.name} would change the exported name ${exported}`);
  const key = differs(now.keys, old.keys) || (rule.mayDropKeys ? undefined : differs(old.keys, now.keys));
  if (key !== undefined) throw new Error(`${rule.name} would change the key ${key}`);
}

/** Why the syntax that a rule writes is too new for what package.json promises; empty if it is not. */
function olderThan(rule, file, facts) {
  const oldest = facts.oldestNode;
  if (file.isTypeScript || !oldest || !rule.needs || compare(oldest, rule.needs) >= 0) return '';
  return `package.json promises Node ${oldest.join('.')}, and this needs ${rule.needs.join('.')}`;
}

function compare(a, b) {
  return a[0] - b[0] || (a[1] || 0) - (b[1] || 0);
}

module.exports = { apply, applyTo };
