'use strict';
// A source file as the transforms see it: text without its byte order mark, tree, tokens, comments, scopes.

const ES_MODULE = /\.(mjs|mts)$/;
const COMMON_JS = /\.(cjs|cts)$/;

/** Walks a tree in the order of the text and sets `parent`. `visit` may return false to leave the children out. */
function walk(node, keys, visit, parent = null) {
  node.parent = parent;
  if (visit(node) === false) return;
  for (const key of keys[node.type] || []) {
    const child = node[key];
    for (const each of Array.isArray(child) ? child : [child]) {
      if (each && typeof each.type === 'string') walk(each, keys, visit, node);
    }
  }
}

class SourceFile {
  /**
   * Parses a text. Throws a SyntaxError with `lineNumber` and `column` for one that does not parse.
   * `tools` are the packages of the tool host: `parser` (typescript-eslint's) and `SourceCode` (ESLint's).
   */
  constructor(path, text, tools, facts = {}) {
    this.path = path;
    this.facts = facts;
    this.hasMark = text.startsWith('\uFEFF');
    this.text = this.hasMark ? text.slice(1) : text;
    this.isTypeScript = /\.(ts|tsx|mts|cts)$/.test(path);
    this.isDeclaration = /\.d\.([a-z]+\.)?[mc]?ts$/.test(path);
    this.parse(tools);
    this.index();
  }

  parse({ parser, SourceCode }) {
    // The syntax of JSX and that of type assertions exclude each other: `.ts` has assertions, all that is JavaScript may have JSX.
    const options = {
      range: true, loc: true, tokens: true, comment: true, ecmaVersion: 'latest', sourceType: 'module', filePath: this.path,
      errorOnUnknownASTType: false, ecmaFeatures: { jsx: !/\.(ts|mts|cts)$/.test(this.path), globalReturn: false },
      suppressDeprecatedPropertyWarnings: true, warnOnUnsupportedTypeScriptVersion: false,
    };
    const mayBeModule = ES_MODULE.test(this.path) || /(^|[;}\s])(import|export)\b/.test(this.text);
    let parsed = mayBeModule ? parser.parseForESLint(this.text, options) : null;
    this.hasModuleSyntax = Boolean(parsed) && parsed.ast.body.some((each) => /^(Import|Export)|^TSExportAssignment$|^TSImportEquals/.test(each.type));
    if (!this.hasModuleSyntax && !ES_MODULE.test(this.path)) {
      options.sourceType = 'commonjs';
      options.ecmaFeatures.globalReturn = true;
      parsed = parser.parseForESLint(this.text, options);
    }
    this.ast = parsed.ast;
    this.keys = parsed.visitorKeys;
    this.scopes = parsed.scopeManager;
    this.code = new SourceCode({
      text: this.text, ast: parsed.ast, parserServices: {}, scopeManager: parsed.scopeManager, visitorKeys: parsed.visitorKeys,
    });
    this.comments = parsed.ast.comments;
  }

  index() {
    this.byType = new Map();
    this.referenceOf = new Map();
    this.names = new Set();
    this.hasEval = false;
    this.hasWith = false;
    this.hasJsx = false;
    walk(this.ast, this.keys, (node) => this.note(node));
    for (const scope of this.scopes.scopes) {
      for (const reference of scope.references) this.referenceOf.set(reference.identifier, reference);
    }
    this.module = this.moduleKind();
    this.eol = this.lineEnd();
  }

  note(node) {
    const nodes = this.byType.get(node.type);
    if (nodes) nodes.push(node);
    else this.byType.set(node.type, [node]);
    if (node.type === 'Identifier' || node.type === 'JSXIdentifier') this.names.add(node.name);
    if (node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === 'eval') this.hasEval = true;
    if (node.type === 'WithStatement') this.hasWith = true;
    if (node.type.startsWith('JSX')) this.hasJsx = true;
  }

  /** `esm`, `commonjs`, or `script`: a file without a sign of either, whose top level may be that of a page. */
  moduleKind() {
    if (this.hasModuleSyntax || ES_MODULE.test(this.path)) return 'esm';
    if (COMMON_JS.test(this.path)) return 'commonjs';
    if (this.facts.isEsModulePackage && /\.jsx?$/.test(this.path)) return 'esm';
    const free = this.scopes.globalScope ? this.scopes.globalScope.through : [];
    const isCommonJs = free.some((each) => ['require', 'module', 'exports', '__dirname', '__filename'].includes(each.identifier.name));
    if (isCommonJs) return 'commonjs';
    return 'script';
  }

  /** The line end that most lines have. */
  lineEnd() {
    const pairs = (this.text.match(/\r\n/g) || []).length;
    const feeds = (this.text.match(/\n/g) || []).length - pairs;
    return pairs > feeds ? '\r\n' : '\n';
  }

  all(...types) {
    const found = types.flatMap((type) => this.byType.get(type) || []);
    return types.length > 1 ? found.sort((a, b) => a.range[0] - b.range[0]) : found;
  }

  textOf(node) {
    return this.text.slice(node.range[0], node.range[1]);
  }

  hasCommentIn(start, end) {
    return this.comments.some((each) => each.range[0] < end && each.range[1] > start);
  }

  /** The variable that an identifier names; null for one that the file does not declare. */
  variableOf(identifier) {
    const reference = this.referenceOf.get(identifier);
    return (reference && reference.resolved) || null;
  }

  isGlobal(identifier, name) {
    if (identifier.type !== 'Identifier' || identifier.name !== name) return false;
    const variable = this.variableOf(identifier);
    return !variable || variable.defs.length === 0;
  }

  /** Every reference that is written with a name, whatever it resolves to. */
  referencesTo(name) {
    return [...this.referenceOf.values()].filter((each) => each.identifier.name === name);
  }

  /** Whether a node stands in parentheses of its own. */
  isParenthesized(node) {
    const [before, after] = [this.code.getTokenBefore(node), this.code.getTokenAfter(node)];
    return Boolean(before && after) && before.value === '(' && after.value === ')';
  }

  variablesDeclaredBy(node) {
    return this.scopes.getDeclaredVariables(node);
  }

  lineStart(offset) {
    return this.text.lastIndexOf('\n', offset - 1) + 1;
  }

  /** Offset after the line end of the line that holds `offset`. */
  lineEndAfter(offset) {
    const feed = this.text.indexOf('\n', offset);
    return feed < 0 ? this.text.length : feed + 1;
  }

  indentOf(offset) {
    return /^[ \t]*/.exec(this.text.slice(this.lineStart(offset)))[0];
  }

  /** Whether nothing but blanks stands on the lines of a range beside it. */
  isAloneOnItsLines(start, end) {
    return /^[ \t]*$/.test(this.text.slice(this.lineStart(start), start)) && /^[ \t\r]*\n?$/.test(this.text.slice(end, this.lineEndAfter(end)));
  }

  /** The range with its whole lines, where it stands alone on them. */
  wholeLines(start, end) {
    return this.isAloneOnItsLines(start, end) ? [this.lineStart(start), this.lineEndAfter(end)] : [start, end];
  }

  isOneLine(node) {
    return node.loc.start.line === node.loc.end.line;
  }

  /** What one step of indentation is in this file. */
  indentUnit() {
    const lines = this.text.match(/^[ \t]+(?=\S)/gm) || [];
    if (lines.some((each) => each.startsWith('\t'))) return '\t';
    const widths = lines.map((each) => each.length).filter((width) => width > 1);
    return ' '.repeat(widths.some((width) => width % 4 === 2) ? 2 : widths.length ? 4 : 2);
  }
}

module.exports = { SourceFile, walk };
