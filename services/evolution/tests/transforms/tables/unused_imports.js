'use strict';
const compiled = { keepsImports: false };
module.exports = {
  rule: 'unused-imports',
  path: 'a.mjs',
  changed: [
    ["import { a, b } from 'x';\na();\n", "import { a } from 'x';\na();\n"],
    ["import { a, b } from 'x';\nb();\n", "import { b } from 'x';\nb();\n"],
    ["import { a, b, c } from 'x';\na(c);\n", "import { a, c } from 'x';\na(c);\n"],
    ["import {\n  a,\n  b,\n  c,\n} from 'x';\na(c);\n", "import {\n  a,\n  c,\n} from 'x';\na(c);\n"],
    ["import D, { a } from 'x';\nD();\n", "import D from 'x';\nD();\n"],
    ["import D, { a } from 'x';\na();\n", "import { a } from 'x';\na();\n"],
    ["import a from 'x';\nf();\n", "import 'x';\nf();\n"],
    ["import * as a from 'x';\nf();\n", "import 'x';\nf();\n"],
    ["import D, * as n from 'x';\nn();\n", "import * as n from 'x';\nn();\n"],
    ["import { a as b } from 'x';\nf();\n", "import 'x';\nf();\n"],
    [{ path: 'a.cjs', text: "const a = require('x');\nf();\n" }, "require('x');\nf();\n"],
    [{ path: 'a.ts', facts: compiled, text: "import { a } from 'x';\nimport { b, type C } from 'y';\nb();\n" }, "import { b } from 'y';\nb();\n"],
    [{ path: 'a.ts', text: "import type { A } from 'x';\nf();\nexport {};\n" }, 'f();\nexport {};\n'],
  ],
  refused: [
    "import { a /* why */, b } from 'x';\nb();",
    "import { a } from 'x'; // why\nf();",
    "import { Foo } from 'x';\n/** @type {Foo} */\nf();",
    { path: 'a.jsx', text: "import { h } from 'preact';\nf(<a/>);" },
    { path: 'a.jsx', text: "/** @jsx q */\nimport q from 'q';\nf(<a/>);" },
    "import a from 'x';\neval('a');",
    { path: 'a.ts', text: "import { a } from 'x';\nf();" },
    { path: 'a.cjs', text: "const a = require('x'); // a\nf();" },
    "import { a } from 'x';\n// see a\nf();",
    "import D, { a } from 'x';\n// {@link a}\nD();",
  ],
  untouched: [{ path: 'a.jsx', text: "import React from 'react';\nf(<a/>);" }, "import 'x';", "import a from 'x';\na();", "import { a } from 'x';\nexport { a };", { path: 'a.ts', text: "import { A } from 'x';\nlet a: A;\nexport {};" }, { path: 'a.cjs', text: "const { a } = require('x');" }, { path: 'a.jsx', text: "import A from 'x';\nf(<A/>);" }],
};
