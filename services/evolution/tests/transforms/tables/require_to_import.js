'use strict';
const esm = { isEsModulePackage: true, commonJsPackages: ['lodash', '@a/b'] };
const js = (text) => ({ path: 'a.js', facts: esm, text });
const maker = "import { createRequire } from 'module';\nconst require = createRequire(import.meta.url);\n";
module.exports = {
  rule: 'require-to-import',
  path: 'a.mjs',
  changed: [
    ["const fs = require('fs');\nfs.x();\n", "import fs from 'fs';\nfs.x();\n"],
    ["const { readFileSync } = require('node:fs');\nreadFileSync();\n", "import { readFileSync } from 'node:fs';\nreadFileSync();\n"],
    ["const { join: j } = require('path');\nj();", "import { join as j } from 'path';\nj();"],
    ["const join = require('path').join;\njoin();", "import { join } from 'path';\njoin();"],
    ["var j = require('path').join;\nj();", "import { join as j } from 'path';\nj();"],
    ['const os = require("os")\nos.x()', 'import os from "os"\nos.x()'],
    [js("const _ = require('lodash');\nimport a from './a.js';\n_.x(a);\n"), "import _ from 'lodash';\nimport a from './a.js';\n_.x(a);\n"],
    [js(`${maker}const _ = require('lodash');\n_.x();\n`), `${maker}import _ from 'lodash';\n_.x();\n`],
    [js("const b = require('@a/b');\nconst fs = require('fs');\nb(fs);\n"), "import b from '@a/b';\nimport fs from 'fs';\nb(fs);\n"],
    [{ path: 'a.ts', facts: { hasInterop: true }, text: "const fs = require('fs');\nexport const x = fs;\n" }, "import fs from 'fs';\nexport const x = fs;\n"],
    [{ path: 'a.ts', text: "const { join } = require('path');\nexport const x = join('a');\n" }, "import { join } from 'path';\nexport const x = join('a');\n"],
  ],
  refused: [
    { path: 'a.cjs', text: "const fs = require('fs');" },
    { path: 'a.js', text: "const fs = require('fs');\nmodule.exports = {};" },
    js("const fs = require('fs');\nmodule.exports = fs;"),
    "if (x) { const fs = require('fs'); }",
    "const d = require('./data.json');",
    "const a = require('./a');",
    js("const a = require('chalk');"),
    js("f();\nconst _ = require('lodash');"),
    js("const { map } = require('lodash');"),
    "let fs = require('fs');\nfs = 1;",
    "const fs = require(/* why */ 'fs');",
    "const { ...rest } = require('fs');",
    { path: 'a.ts', text: "const fs = require('fs');\nexport {};" },
    "const { nothing } = require('fs');",
    "function f() { const fs = require('fs'); return fs; }",
  ],
  untouched: ["const a = require(name);", "const require = f();\nconst fs = require('fs');", "require('fs');"],
};
