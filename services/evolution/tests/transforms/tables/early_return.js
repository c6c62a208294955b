'use strict';
const nested = (head, turned) => [
  `function f(a, b) {\n  if (${head}) {\n    g();\n    if (b) {\n      h();\n    }\n  }\n}\n`,
  `function f(a, b) {\n  if (${turned}) {\n    return;\n  }\n    g();\n    if (b) {\n      h();\n    }\n}\n`.replace(/^ {4}(g\(\);| {2}h\(\);|if \(b\) \{|\})$/gm, '  $1'),
];
const wrap = (body) => `function f(a, b) {\n${body}\n}\n`;
module.exports = {
  rule: 'early-return',
  path: 'a.mjs',
  changed: [
    ['function f(a, b) {\n  if (!(a)?.(b)) {\n    if (b) {\n      g();\n    }\n  }\n}', 'function f(a, b) {\n  if ((a)?.(b)) {\n    return;\n  }\n  if (b) {\n    g();\n  }\n}'],
    nested('a', '!a'), nested('!a', 'a'), nested('a === 1', 'a !== 1'), nested('a != null', 'a == null'), nested('a && b', '!(a && b)'),
    nested('a < 1', '!(a < 1)'), nested('a.b()', '!a.b()'), nested('!(a && b)', 'a && b'), nested('a instanceof A', '!(a instanceof A)'),
    ['const f = (a) => {\n\tk();\n\tif (a) {\n\t\t// why\n\t\tif (b) h();\n\n\t\tconst c = 1;\n\t\tg(c);\n\t}\n};\n', 'const f = (a) => {\n\tk();\n\tif (!a) {\n\t\treturn;\n\t}\n\t// why\n\tif (b) h();\n\n\tconst c = 1;\n\tg(c);\n};\n'],
    nested('await_ in a', '!(await_ in a)'),
  ],
  refused: [
    wrap('  if (a) { if (b) g(); }'),
    wrap('  if (a)\n  {\n    if (b) g();\n  }'),
    wrap('  const c = 1;\n  if (a) {\n    const c = 2;\n    if (c) g();\n  }'),
    wrap('  if (a) {\n    if (b) g(`x\n  y`);\n  }'),
    wrap('  if (a) {\n    if (b) g();\n    function h() {}\n  }'),
    wrap('  if (a /* why */) {\n    if (b) g();\n  }'),
    wrap('  if (a) { // why\n    if (b) g();\n  }'),
    wrap('  if (a) {\n    if (b) g();\n  } // why'),
    wrap('  if (a) {\n if (b) g();\n  }'),
    wrap('  if (a) {\n    const a = 1;\n    if (a) g();\n  }'),
    wrap('  eval(a);\n  if (a) {\n    if (b) g();\n  }'),
  ],
  untouched: [wrap('  if (a) {\n    g();\n  }'), wrap('  if (a) {\n    if (b) g();\n  }\n  h();'), wrap('  if (a) {\n    if (b) g();\n  } else {\n    h();\n  }')],
};
