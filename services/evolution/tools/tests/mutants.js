'use strict';

// Mutants of functions, all in one text: each is chosen at run time by its number, so a module is loaded once for all of them.
// The same text counts which statements run and which ways branches take.

const BINARY = {
  '+': ['-'], '-': ['+'], '*': ['/'], '/': ['*'], '%': ['*'],
  '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<'],
  '==': ['!='], '!=': ['=='], '===': ['!=='], '!==': ['==='],
  '&&': ['||'], '||': ['&&'], '??': ['&&'],
};
const ASSIGN = { '+=': '-=', '-=': '+=', '*=': '/=', '/=': '*=', '%=': '*=', '&&=': '||=', '||=': '&&=', '??=': '&&=' };
const METHODS = {
  toUpperCase: 'toLowerCase', toLowerCase: 'toUpperCase', toLocaleUpperCase: 'toLocaleLowerCase', toLocaleLowerCase: 'toLocaleUpperCase',
  startsWith: 'endsWith', endsWith: 'startsWith', some: 'every', every: 'some', trimStart: 'trimEnd', trimEnd: 'trimStart',
  indexOf: 'lastIndexOf', lastIndexOf: 'indexOf', min: 'max', max: 'min', floor: 'ceil', ceil: 'floor', padStart: 'padEnd', padEnd: 'padStart',
};
const REMOVED = new Set(['trim', 'filter', 'sort', 'reverse', 'slice', 'substring', 'substr', 'charAt', 'concat', 'flat']);

const HEAD =
  "var __shim=globalThis.__shim||(globalThis.__shim={active:Number(process.env.SHIM_MUTANT||0),ticks:0,limit:5e6,seen:{},hit:function(k){if(this.seen[k])return true;this.seen[k]=true;var f=process.env.SHIM_HITS;if(f){var fs=process.getBuiltinModule?process.getBuiltinModule('fs'):require('fs');fs.appendFileSync(f,k+'\\n');}return true;}});" +
  "function __shimIs(n){return __shim.active===n;}function __shimTick(){if(__shim.active&&++__shim.ticks>__shim.limit)throw new Error('a loop of a mutant does not end');}function __shimHit(k){__shim.hit&&__shim.hit(k);}function __shimWay(k,n,v){__shimHit(k+'b'+(v?n:n+1));return v;}function __shimGiven(k,n,v){__shimHit(k+'b'+(v==null?n+1:n));return v;}";

// `functions`: [{ id, start, end }]; mutants are numbered from `first`.
function instrument(ts, fileName, text, functions, first, fileId) {
  const sourceFile = ts.createSourceFile(fileName, text, ts.ScriptTarget.Latest, true);
  const state = { ts, sourceFile, text, functions, next: first, mutants: [], statements: [], branches: [], fileId };
  const body = printed(state, sourceFile, null);
  return { text: withHead(ts, sourceFile, body), mutants: state.mutants, statements: state.statements, branches: state.branches };
}

// The head goes to the first statement, on its line; directives and a shebang stay before it.
function withHead(ts, sourceFile, body) {
  const isTs = /\.[cm]?tsx?$/.test(sourceFile.fileName);
  const shebang = /^\uFEFF?#!.*\n/.exec(body)?.[0] ?? '';
  let rest = body.slice(shebang.length);
  const directive = /^(?:\/\/[^\n]*\n|\/\*[\s\S]*?\*\/|\s)*(['"])use strict\1;?/.exec(rest)?.[0] ?? '';
  rest = rest.slice(directive.length);
  return `${shebang}${isTs ? '// @ts-nocheck\n' : ''}${directive}${directive && !directive.endsWith(';') ? ';' : ''}${HEAD}${rest}`;
}

// A node's text with all that is put into it. `owner` is the function whose mutants are made.
function printed(state, node, owner) {
  const { ts, sourceFile, text } = state;
  const inner = ownerOf(state, node) ?? owner;
  const start = node.kind === ts.SyntaxKind.SourceFile ? 0 : node.getStart(sourceFile);
  if (isOpaque(ts, node)) return text.slice(start, node.end);
  const base = withChildren(state, node, inner, start);
  const variants = inner ? mutationsOf(state, node) : [];
  if (variants.length === 0) return base;
  if (variants[0].isBlock) {
    const id = add(state, inner, node, variants[0]);
    return isFunctionBody(ts, node) ? inserted(base, `if(__shimIs(${id}))return;`) : `{if(!__shimIs(${id}))${base}}`;
  }
  const choices = variants.map((variant) => `__shimIs(${add(state, inner, node, variant)})?(${variant.text}):`);
  return `(${choices.join('')}(${base}))`;
}

function ownerOf(state, node) {
  if (!state.ts.isFunctionLike(node) && !state.ts.isClassLike(node)) return undefined;
  const start = node.getStart(state.sourceFile);
  return state.functions.find((it) => it.start === start && it.end === node.end);
}

// A clause of a switch counts when it is entered, also without a statement of its own.
function clauseMark(state, node) {
  const { ts } = state;
  if (!ts.isCaseOrDefaultClause(node) || !insideFunction(ts, node)) return undefined;
  return `__shimHit('${state.fileId}:b${ways(state, node, 1)}');`;
}

function withChildren(state, node, owner, start) {
  const { ts, text } = state;
  let result = '';
  let at = start;
  let mark = clauseMark(state, node);
  ts.forEachChild(node, (child) => {
    const from = child.getStart(state.sourceFile);
    if (from < at || child.end === from) return;
    if (mark && child === node.statements[0]) {
      const colon = text.indexOf(':', at) + 1;
      result += text.slice(at, colon) + mark;
      at = colon;
      mark = undefined;
    }
    result += text.slice(at, from);
    result += chosen(state, node, child, wrapped(state, node, child, owner));
    at = child.end;
  });
  return result + text.slice(at, node.end) + (mark ?? '');
}

// A child with what belongs before it: a counter before a statement, a tick in a loop.
function wrapped(state, parent, child, owner) {
  const { ts } = state;
  const isLoop = ts.isIterationStatement(parent, false) && parent.statement === child;
  if (ts.isArrowFunction(parent) && parent.body === child && !ts.isBlock(child)) {
    return `(${hit(state, child)},(${printed(state, child, owner)}))`;
  }
  if (isLoop) {
    const body = printed(state, child, owner);
    return ts.isBlock(child) ? `{__shimTick();${body}}` : `{__shimTick();${hit(state, child)};${body}}`;
  }
  const body = printed(state, child, owner);
  const isListed = (ts.isBlock(parent) || ts.isCaseOrDefaultClause(parent)) && ts.isStatement(child) && insideFunction(ts, parent);
  if (isListed && !ts.isFunctionDeclaration(child) && !isDirective(ts, child) && !ts.isClassDeclaration(child)) {
    return `${hit(state, child)};${body}`;
  }
  const isBranch = ts.isIfStatement(parent) && (parent.thenStatement === child || parent.elseStatement === child);
  if (isBranch && !ts.isBlock(child) && !ts.isIfStatement(child)) return `{${hit(state, child)};${body}}`;
  return body;
}

// The text of a child that decides which way its parent goes, with a counter of each way: conditions, the left sides of `&&`, `||` and
// `??`, values of what was left out.
function chosen(state, parent, child, text) {
  const { ts } = state;
  if (!insideFunction(ts, parent)) return text;
  const isCondition = (ts.isIfStatement(parent) && parent.expression === child) || (ts.isConditionalExpression(parent) && parent.condition === child);
  if (isCondition) return `__shimWay('${state.fileId}:',${ways(state, child, 2)},${text})`;
  if (ts.isBinaryExpression(parent) && parent.left === child) {
    const kind = parent.operatorToken.kind;
    if (kind === ts.SyntaxKind.QuestionQuestionToken) return `__shimGiven('${state.fileId}:',${ways(state, child, 2)},${text})`;
    if (kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken) return `__shimWay('${state.fileId}:',${ways(state, child, 2)},${text})`;
  }
  const isDefault = (ts.isParameter(parent) || ts.isBindingElement(parent)) && parent.initializer === child;
  // A function takes its name from the place that it stands in.
  const isNamed = ts.isArrowFunction(child) || ts.isFunctionExpression(child) || ts.isClassExpression(child);
  if (isDefault && !isNamed) return `(__shimHit('${state.fileId}:b${ways(state, child, 1)}'),(${text}))`;
  return text;
}

// Numbers of the ways that a branch may take: the first of them.
function ways(state, node, count) {
  const first = state.branches.length;
  const start = node.getStart(state.sourceFile);
  const line = state.sourceFile.getLineAndCharacterOfPosition(start).line + 1;
  for (let way = 0; way < count; way++) state.branches.push({ line, start });
  return first;
}

function insideFunction(ts, node) {
  for (let up = node; up; up = up.parent) if (ts.isFunctionLike(up) && !ts.isClassStaticBlockDeclaration(up)) return true;
  return false;
}

function hit(state, node) {
  const at = state.statements.length;
  const start = node.getStart(state.sourceFile);
  state.statements.push({ line: state.sourceFile.getLineAndCharacterOfPosition(start).line + 1, start });
  return `__shimHit('${state.fileId}:${at}')`;
}

function isDirective(ts, node) {
  return ts.isExpressionStatement(node) && ts.isStringLiteral(node.expression);
}

function isOpaque(ts, node) {
  return (
    ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) || ts.isEnumDeclaration(node) || ts.isDecorator(node) || ts.isTypeParameterDeclaration(node) ||
    ts.isImportEqualsDeclaration(node) || ts.isJSDoc(node)
  );
}

function isFunctionBody(ts, node) {
  return ts.isBlock(node) && node.parent && ts.isFunctionLike(node.parent);
}

// After the brace and the directives of a body.
function inserted(text, code) {
  const directives = /^\{(\s*(['"])use \w+\2;?)*/.exec(text)[0];
  const end = directives.length > 1 && !directives.endsWith(';') ? ';' : '';
  return `${directives}${end}${code}${text.slice(directives.length)}`;
}

function add(state, owner, node, variant) {
  const id = state.next++;
  const start = node.getStart(state.sourceFile);
  const line = state.sourceFile.getLineAndCharacterOfPosition(start).line + 1;
  state.mutants.push({ id, f: owner.id, kind: variant.kind, line, start, end: node.end, replacement: replacement(state.ts, node, variant) });
  return id;
}

// What stands in the place of a node. Parentheses keep what is around it apart; a statement that began with one could become a call
// of the line before.
function replacement(ts, node, variant) {
  if (variant.isBlock) return '{}';
  return ts.isExpressionStatement(node.parent) ? variant.text : `(${variant.text})`;
}

// What a node may become: nothing where it is written to, named, or a part of a longer chain.
function mutationsOf(state, node) {
  const { ts } = state;
  if (ts.isBlock(node)) return blockOf(ts, node);
  if (!ts.isExpression(node) || !isReplaceable(ts, node)) return [];
  const condition = conditionOf(ts, node);
  return [...(condition ?? []), ...expressionOf(state, node)];
}

function blockOf(ts, node) {
  const { parent } = node;
  const isEmpty = node.statements.length === 0;
  const fits = ts.isFunctionLike(parent) ? !ts.isConstructorDeclaration(parent) : ts.isIfStatement(parent) || ts.isIterationStatement(parent, false);
  const declares = node.statements.some((it) => ts.isFunctionDeclaration(it));
  const isLoopBody = ts.isIterationStatement(parent, false) && !ts.isForOfStatement(parent) && !ts.isForInStatement(parent);
  if (isEmpty || !fits || (declares && !ts.isFunctionLike(parent)) || (isLoopBody && !ts.isForStatement(parent))) return [];
  return [{ kind: 'block', isBlock: true }];
}

function isReplaceable(ts, node) {
  const { parent } = node;
  if (!parent) return false;
  if (ts.isBinaryExpression(parent) && parent.left === node && isAssignment(ts, parent.operatorToken.kind)) return false;
  if ((ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent)) && [ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken].includes(parent.operator)) return false;
  if (ts.isDeleteExpression(parent) || ts.isTaggedTemplateExpression(parent) || ts.isExpressionStatement(parent) && ts.isStringLiteral(node)) return false;
  if ((ts.isForInStatement(parent) || ts.isForOfStatement(parent)) && parent.initializer === node) return false;
  // The name of a member, a parameter, a declaration.
  if (parent.name === node || parent.propertyName === node) return false;
  if (ts.isComputedPropertyName(parent) || ts.isJsxAttribute(parent) || ts.isLiteralTypeNode(parent)) return false;
  if (ts.isExpressionWithTypeArguments(parent)) return false;
  if (ts.isCallExpression(parent) && parent.expression === node) return ts.isParenthesizedExpression(node);
  if (isChained(ts, node)) return false;
  if (isPattern(ts, node)) return false;
  const isRequire = ts.isCallExpression(parent) && ['require', 'import'].includes(parent.expression.getText());
  return !isRequire;
}

function isAssignment(ts, kind) {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

// A part of a chain with `?.` ends the whole chain, so it is not taken out of it.
function isChained(ts, node) {
  const { parent } = node;
  const goesOn = (ts.isPropertyAccessExpression(parent) || ts.isElementAccessExpression(parent) || ts.isCallExpression(parent) || ts.isNonNullExpression(parent)) && parent.expression === node;
  return goesOn && Boolean(node.flags & ts.NodeFlags.OptionalChain || parent.flags & ts.NodeFlags.OptionalChain);
}

// A list or an object that is assigned to, as in `[a, b] = c`.
function isPattern(ts, node) {
  for (let up = node; up.parent; up = up.parent) {
    const { parent } = up;
    if (ts.isBinaryExpression(parent) && parent.left === up && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken) return ts.isArrayLiteralExpression(up) || ts.isObjectLiteralExpression(up);
    if (ts.isStatement(parent)) return false;
  }
  return false;
}

function conditionOf(ts, node) {
  const { parent } = node;
  const isLoop = (ts.isWhileStatement(parent) || ts.isDoStatement(parent)) && parent.expression === node;
  const isFor = ts.isForStatement(parent) && parent.condition === node;
  const isBranch = (ts.isIfStatement(parent) && parent.expression === node) || (ts.isConditionalExpression(parent) && parent.condition === node);
  if (isLoop || isFor) return [{ kind: 'condition', text: 'false' }];
  return isBranch ? [{ kind: 'condition', text: 'true' }, { kind: 'condition', text: 'false' }] : undefined;
}

function expressionOf(state, node) {
  const { ts, sourceFile, text } = state;
  const own = (it) => text.slice(it.getStart(sourceFile), it.end);
  if (ts.isBinaryExpression(node)) {
    const operator = own(node.operatorToken);
    const swap = (other, kind) => {
      const from = node.operatorToken.getStart(sourceFile);
      return { kind, text: text.slice(node.getStart(sourceFile), from) + other + text.slice(node.operatorToken.end, node.end) };
    };
    const isText = operator === '+' && [node.left, node.right].some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));
    if (isText) return [];
    if (ASSIGN[operator]) return [swap(ASSIGN[operator], 'assignment')];
    if (['&&', '||', '??'].includes(operator)) {
      return BINARY[operator].map((other) => ({ kind: 'logic', text: `(${own(node.left)}) ${other} (${own(node.right)})` }));
    }
    return (BINARY[operator] ?? []).map((other) => swap(other, 'operator'));
  }
  if (ts.isPrefixUnaryExpression(node)) {
    const swaps = { '!': '', '-': '', '+': '-', '~': '', '++': '--', '--': '++' };
    const operator = ts.tokenToString(node.operator);
    return operator in swaps ? [{ kind: 'unary', text: `${swaps[operator]}${operator === '!' ? `(${own(node.operand)})` : own(node.operand)}` }] : [];
  }
  if (ts.isPostfixUnaryExpression(node)) {
    return [{ kind: 'update', text: own(node.operand) + (node.operator === ts.SyntaxKind.PlusPlusToken ? '--' : '++') }];
  }
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [{ kind: 'literal', text: 'false' }];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [{ kind: 'literal', text: 'true' }];
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [{ kind: 'literal', text: node.text === '' ? '"Mutant"' : '""' }];
  if (ts.isTemplateExpression(node)) return [{ kind: 'literal', text: '""' }];
  if (ts.isArrayLiteralExpression(node)) return node.elements.length > 0 ? [{ kind: 'literal', text: '[]' }] : [{ kind: 'literal', text: '["Mutant"]' }];
  if (ts.isObjectLiteralExpression(node)) return node.properties.length > 0 ? [{ kind: 'literal', text: '{}' }] : [];
  if (ts.isCallExpression(node)) return callOf(state, node);
  return [];
}

function callOf(state, node) {
  const { ts, sourceFile, text } = state;
  const callee = node.expression;
  if (!ts.isPropertyAccessExpression(callee)) return [];
  const name = callee.name.text;
  const start = node.getStart(sourceFile);
  if (Object.hasOwn(METHODS, name)) {
    const from = callee.name.getStart(sourceFile);
    return [{ kind: 'method', text: text.slice(start, from) + METHODS[name] + text.slice(callee.name.end, node.end) }];
  }
  if (REMOVED.has(name) && !(node.flags & ts.NodeFlags.OptionalChain)) {
    return [{ kind: 'method', text: text.slice(start, callee.expression.end) }];
  }
  return [];
}

module.exports = { instrument };
