'use strict';
const three = (expression, head = 'const a = 2;\nconst b = 3;\n') => `${head}f(${expression});\ng(${expression});\nh(${expression});\n`;
const named = (name, expression, head = 'const a = 2;\nconst b = 3;\n') => `${head}const ${name} = ${expression};\nf(${name});\ng(${name});\nh(${name});\n`;
const pair = (name, expression, head) => [three(expression, head), named(name, expression, head)];
module.exports = {
  rule: 'duplicate-expression',
  path: 'a.mjs',
  changed: [
    pair('aTimesBOver2', 'a * b / 2'), pair('aPlusBPlus1', 'a + b + 1'), pair('aMinusBTimes3', 'a - b * 3'), pair('aModBMinus1', 'a % b - 1'),
    pair('aTimesATimesA', 'a * a * a'), pair('n1000Times60Times60', '1000 * 60 * 60'), pair('aPlusBTimes2', '(a + b) * 2'),
    pair('aPowerBPlus1', 'a ** b + 1'), pair('aMinusBMinus1', 'a - b - 1'),
    [{ path: 'a.ts', text: 'function f(a: number) {\n  g(a * 2 + 1);\n  g(a * 2 + 1);\n  return a * 2 + 1;\n}\nexport {};\n' }, 'function f(a: number) {\n  const aTimes2Plus1 = a * 2 + 1;\n  g(aTimes2Plus1);\n  g(aTimes2Plus1);\n  return aTimes2Plus1;\n}\nexport {};\n'],
    ['const a = 2;\nif (x) {\n  f(a * 2 + 1);\n}\ng(a * 2 + 1, a * 2 + 1);\n', 'const a = 2;\nconst aTimes2Plus1 = a * 2 + 1;\nif (x) {\n  f(aTimes2Plus1);\n}\ng(aTimes2Plus1, aTimes2Plus1);\n'],
  ],
  refused: [
    three("s + '/' + a", "const s = 'x';\nconst a = 1;\n"),
    three('a * b * 2', ''), three('a * b * 2', 'let a = 1;\nconst b = 2;\na = 2;\n'), three('a * b * 2', 'const a = {};\nconst b = 2;\n'),
    three('a + b + 1', 'const a = g();\nconst b = 2;\n'), three('a * 2n * 3', 'const a = 1;\n'),
    'function f(a) { g(a * 2 + 1); g(a * 2 + 1); g(a * 2 + 1); }', three('a * b * 2', 'eval("x");\nconst a = 1;\nconst b = 2;\n'),
    'f(() => a * b * 2);\nf(() => a * b * 2);\nf(() => { const a = 1; });\nlet a = 1, b = 2; a = 3;\nf(a * b * 2, a * b * 2, a * b * 2);',
    three('a - b - c', 'const a = 1;\nconst b = 2;\n'), three('x * 2 * 3', 'import { x } from "y";\n'),
    'f(a * 2 + 1, a * 2 + 1, a * 2 + 1);\nvar a = 3;',
  ],
  untouched: ['const a = 1; f(a + 1, a + 1, a + 1);', 'const a = 1; f(a * 2 + 1, a * 2 + 1);', 'f(a.b * 2 + 1, a.b * 2 + 1, a.b * 2 + 1);', 'f(g() * 2 + 1, g() * 2 + 1, g() * 2 + 1);'],
};
