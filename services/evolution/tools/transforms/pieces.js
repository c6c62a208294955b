'use strict';
// What became of a text: the parts of it that were kept, and what was put between them.

class Pieces {
  constructor(text) {
    this.original = text;
    this.list = text.length ? [{ start: 0, end: text.length }] : [];
  }

  /** Replaces ranges of the present text. `edits` are `{start, end, text}`, sorted, without overlap. */
  apply(edits) {
    const next = [];
    let offset = 0;
    let at = 0;
    for (const piece of this.list) {
      const length = lengthOf(piece);
      let done = 0;
      while (at < edits.length && edits[at].start < offset + length) {
        const edit = edits[at];
        const from = Math.max(edit.start - offset, 0);
        if (from > done) next.push(part(piece, done, from));
        if (edit.start >= offset && edit.text) next.push({ text: edit.text });
        done = Math.max(done, Math.min(edit.end - offset, length));
        if (edit.end > offset + length) break;
        at += 1;
      }
      if (done < length) next.push(part(piece, done, length));
      offset += length;
    }
    for (; at < edits.length; at += 1) if (edits[at].start >= offset && edits[at].text) next.push({ text: edits[at].text });
    this.list = next;
  }

  text() {
    return this.list.map((piece) => (piece.text === undefined ? this.original.slice(piece.start, piece.end) : piece.text)).join('');
  }

  /** The lines of the original, from 1, that hold a deleted character or a place where something was put: `[first, last]` each. */
  meantLines() {
    const ranges = [];
    let kept = 0;
    let isChanged = false;
    for (const piece of [...this.list, { start: this.original.length, end: this.original.length }]) {
      if (piece.text !== undefined) {
        isChanged = true;
        continue;
      }
      if (isChanged || piece.start > kept) ranges.push([kept, piece.start]);
      isChanged = false;
      kept = piece.end;
    }
    return lines(this.original, ranges);
  }
}

function lengthOf(piece) {
  return piece.text === undefined ? piece.end - piece.start : piece.text.length;
}

function part(piece, from, to) {
  if (piece.text !== undefined) return { text: piece.text.slice(from, to) };
  return { start: piece.start + from, end: piece.start + to };
}

function lines(text, ranges) {
  const found = [];
  let line = 1;
  let offset = 0;
  const lineOf = (target) => {
    for (; offset < target; offset += 1) if (text[offset] === '\n') line += 1;
    return line;
  };
  for (const [start, end] of ranges) {
    const first = lineOf(start);
    // A range that ends with a line ends in that line, not in the next one.
    const last = end > start ? lineOf(end - 1) : first;
    const before = found[found.length - 1];
    if (before && before[1] >= first) before[1] = Math.max(before[1], last);
    else found.push([first, last]);
  }
  return found;
}

module.exports = { Pieces };
