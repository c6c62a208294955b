'use strict';
// Puts back what a printer of syntax trees changed without meaning it: line ends, the byte order mark, blanks, layout, comments.
//
// Both texts are taken apart into tokens. What stands between two tokens that both texts have one after the other is taken from
// the old text. The result is used only if it has the tree of the new text.

const MAX_STEPS = 4000;

/** `before` and `after` with line feeds alone -> the text that has the tree of `after` and all else of `before`. */
function restore(before, after, parse) {
  const [old, now] = [parse(before), parse(after)];
  const wanted = shapeOf(now.ast, now.keys);
  const pairs = matches(old.tokens, now.tokens);
  if (!pairs) return after;
  for (const keepsSemicolons of [false, true]) {
    const text = woven(before, after, old, now, pairs, keepsSemicolons);
    try {
      const made = parse(text);
      if (shapeOf(made.ast, made.keys) === wanted && commentsOf(made) === commentsOf(now)) return text;
    } catch {
      // A text that does not parse is no candidate.
    }
  }
  return after;
}

/** Pairs of indices of equal tokens, by Myers' algorithm; null if the texts differ too much. */
function matches(a, b) {
  const same = (x, y) => a[x].value === b[y].value && a[x].type === b[y].type;
  const most = Math.min(a.length + b.length, MAX_STEPS);
  // How far each diagonal came, with the diagonal 0 in the middle; one copy for each step, for the way back.
  const ends = new Int32Array(2 * most + 3).fill(-1);
  const middle = most + 1;
  ends[middle + 1] = 0;
  const trace = [];
  for (let steps = 0; steps <= most; steps += 1) {
    trace.push(ends.slice(middle - steps - 1, middle + steps + 2));
    for (let k = -steps; k <= steps; k += 2) {
      let x = goesDown(ends, middle, k, steps) ? ends[middle + k + 1] : ends[middle + k - 1] + 1;
      let y = x - k;
      while (x < a.length && y < b.length && same(x, y)) [x, y] = [x + 1, y + 1];
      ends[middle + k] = x;
      if (x >= a.length && y >= b.length) return backwards(trace, a.length, b.length);
    }
  }
  return null;
}

const goesDown = (ends, middle, k, steps) => k === -steps || (k !== steps && ends[middle + k - 1] < ends[middle + k + 1]);

function backwards(trace, width, height) {
  const pairs = [];
  let [x, y] = [width, height];
  for (let steps = trace.length - 1; steps >= 0; steps -= 1) {
    const [ends, middle, k] = [trace[steps], steps + 1, x - y];
    const fromK = goesDown(ends, middle, k, steps) ? k + 1 : k - 1;
    const fromX = ends[middle + fromK];
    const fromY = fromX - fromK;
    while (x > Math.max(fromX, 0) && y > Math.max(fromY, 0)) pairs.push([(x -= 1), (y -= 1)]);
    [x, y] = [fromX, fromY];
  }
  return pairs.reverse();
}

function woven(before, after, old, now, pairs, keepsSemicolons) {
  const partner = new Map(pairs.map(([a, b]) => [b, a]));
  const kept = now.tokens.map((_token, index) => index).filter((index) => keepsSemicolons || partner.has(index) || now.tokens[index].value !== ';');
  let text = '';
  for (let at = 0; at <= kept.length; at += 1) {
    const [left, right] = [at > 0 ? kept[at - 1] : -1, at < kept.length ? kept[at] : now.tokens.length];
    text += between({ before, after, old, now, partner }, left, right);
    if (at < kept.length) text += after.slice(...now.tokens[right].range);
  }
  return text;
}

/** What stands between two tokens of the new text: as in the old one where the same tokens are neighbours there. */
function between({ before, after, old, now, partner }, left, right) {
  const ends = old.tokens.length;
  const [a, b] = [left < 0 ? -1 : partner.get(left), right >= now.tokens.length ? ends : partner.get(right)];
  const fresh = blanks(after, now.tokens, left, right);
  // A token that takes the place of another one has the blanks that were there.
  const from = a !== undefined && (b === undefined || b === a + 1) ? a : a === undefined && b !== undefined ? b - 1 : null;
  if (from === null || from < -1 || from >= ends) return fresh;
  const kept = blanks(before, old.tokens, from, from + 1);
  return commentsIn(kept) === commentsIn(fresh) ? kept : fresh;
}

/** What stands between two tokens, without the tokens between them. */
function blanks(text, tokens, left, right) {
  let found = '';
  for (let at = left; at < right; at += 1) {
    found += text.slice(at < 0 ? 0 : tokens[at].range[1], at + 1 >= tokens.length ? text.length : tokens[at + 1].range[0]);
  }
  return found;
}

const commentsIn = (text) => text.replace(/\s+/g, '');

const commentsOf = (parsed) => parsed.comments.map((each) => each.value.replace(/\s+/g, '')).join('\n');

/** A tree as text, without places. */
function shapeOf(node, keys) {
  if (!node || typeof node.type !== 'string') return JSON.stringify(node === undefined ? null : node, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
  const own = Object.keys(node).filter((key) => !SKIPPED.has(key)).sort();
  return `${node.type}(${own.map((key) => `${key}:${[node[key]].flat().map((each) => shapeOf(each, keys)).join(',')}`).join(';')})`;
}

const SKIPPED = new Set(['range', 'loc', 'parent', 'start', 'end', 'tokens', 'comments', 'raw', 'type', 'regex']);

/** Gives a text the line ends that an old one has: each line that is still there its own, and new ones the most frequent. */
function withLineEnds(before, restored) {
  if (!before.includes('\r')) return restored;
  const old = before.split('\n');
  const pairs = old.filter((line) => line.endsWith('\r')).length;
  const usual = pairs * 2 >= old.length - 1 ? '\r' : '';
  const a = old.map((line) => ({ type: '', value: line.replace(/\r$/, '') }));
  const b = restored.split('\n').map((line) => ({ type: '', value: line }));
  const found = new Map((matches(a, b) || []).map(([from, to]) => [to, from]));
  return b.map(({ value }, index) => {
    if (index === b.length - 1) return value;
    const from = found.get(index);
    const end = from !== undefined && from < old.length - 1 ? (old[from].endsWith('\r') ? '\r' : '') : usual;
    return `${value}${end}\n`;
  }).join('');
}

module.exports = { matches, restore, withLineEnds };
