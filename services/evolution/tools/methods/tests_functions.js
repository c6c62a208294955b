'use strict';

// The functions that modules export, with what they take and inputs to try them on. Nothing of the project is executed.

const path = require('node:path');
const { specOfType, specOfUse } = require('../tests/types.js');
const { casesOf } = require('../tests/inputs.js');

module.exports = async ({ root, files, seed }, context) => {
  const ts = context.require('typescript');
  const fc = context.require('fast-check');
  const absolute = files.map((file) => path.join(root, file));
  const program = ts.createProgram(absolute, {
    allowJs: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    jsx: ts.JsxEmit.Preserve,
    types: [],
    maxNodeModuleJsDepth: 0,
  });
  const checker = program.getTypeChecker();
  const modules = [];
  for (const [at, file] of files.entries()) {
    context.signal.throwIfAborted();
    const sourceFile = program.getSourceFile(absolute[at]);
    const module = { path: file, functions: [], fault: '' };
    modules.push(module);
    if (!sourceFile) {
      module.fault = 'the compiler does not read it';
      continue;
    }
    const [broken] = program.getSyntacticDiagnostics(sourceFile);
    if (broken && /\.[cm]?tsx?$/.test(file)) {
      module.fault = ts.flattenDiagnosticMessageText(broken.messageText, ' ');
      continue;
    }
    module.is_esm = isEsm(ts, sourceFile);
    module.functions = functionsOf(ts, checker, sourceFile, fc, seed);
    if (at % 20 === 0) context.progress('files', file, at, files.length);
  }
  return { modules };
};

function isEsm(ts, sourceFile) {
  return sourceFile.statements.some(
    (node) => ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isExportAssignment(node) || node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword),
  );
}

function functionsOf(ts, checker, sourceFile, fc, seed) {
  const module = checker.getSymbolAtLocation(sourceFile) ?? sourceFile.symbol;
  const found = new Map();
  const base = path.basename(sourceFile.fileName).replace(/\.\w+$/, '');
  const whole = module?.exports?.get('export=');
  if (whole) add(whole, 'whole', base);
  for (const symbol of module ? checker.getExportsOfModule(module) : []) {
    add(symbol, symbol.escapedName === 'default' ? 'default' : 'named', String(symbol.escapedName));
  }
  for (const value of found.size === 0 ? assigned(ts, sourceFile) : []) {
    const type = checker.getTypeAtLocation(value);
    if (type.symbol && type.getCallSignatures().length > 0) add(type.symbol, 'whole', base);
    for (const symbol of type.getProperties()) add(symbol, 'named', symbol.name);
  }
  return [...found.values()].sort((one, other) => one.start - other.start);

  function add(symbol, access, name) {
    if (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias) && !(symbol.flags & ts.SymbolFlags.Value)) return;
    const real = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const type = checker.getTypeOfSymbolAtLocation(real, sourceFile);
    const signatures = type.getCallSignatures();
    if (signatures.length === 0 || type.getConstructSignatures().some((it) => it.declaration && ts.isConstructorDeclaration(it.declaration))) return;
    if (real.declarations?.every((declaration) => isBundled(ts, declaration))) return;
    const node = implementation(ts, signatures, real, sourceFile);
    if (!node || [...found.values()].some((other) => other.start === node.getStart(sourceFile))) return;
    if (access === 'named' && !/^[A-Za-z_$][\w$]*$/.test(name)) return;
    const own = access === 'named' ? name : (node.name?.text ?? variableName(ts, node) ?? plainName(name, sourceFile));
    found.set(`${access}/${name}`, described(ts, checker, sourceFile, { node, signature: signatures[0], access, exported: name, name: own }, fc, seed));
  }
}

// Whether code stands in the wrapper that a bundler gives each module: its `module` and `exports` are not those of the file. The
// function of an AMD module has them too, and they are.
function isBundled(ts, declaration) {
  for (let node = declaration.parent; node; node = node.parent) {
    if (!ts.isFunctionExpression(node) && !ts.isArrowFunction(node)) continue;
    const names = node.parameters.map((parameter) => parameter.name.getText());
    const isWrapper = names.includes('module') && names.some((name) => name === 'exports' || name === 'require' || name.includes('webpack'));
    const isAmd = ts.isCallExpression(node.parent) && /^(?:\w+\.)?define$/.test(node.parent.expression.getText());
    if (isWrapper && !isAmd) return true;
  }
  return false;
}

// What is assigned to `module.exports` anywhere: wrappers for several module systems do it within a function.
function assigned(ts, sourceFile) {
  const values = [];
  const visit = (node) => {
    const isAssignment = ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken;
    if (isAssignment && ts.isPropertyAccessExpression(node.left) && node.left.getText(sourceFile) === 'module.exports' && !isBundled(ts, node)) values.push(node.right);
    ts.forEachChild(node, visit);
  };
  visit(sourceFile);
  return values;
}

function variableName(ts, node) {
  return node.parent && ts.isVariableDeclaration(node.parent) && ts.isIdentifier(node.parent.name) ? node.parent.name.text : undefined;
}

function plainName(name, sourceFile) {
  const base = name === 'default' ? path.basename(sourceFile.fileName).replace(/\..*$/, '') : name;
  const camel = base.replace(/[^A-Za-z0-9]+(.)?/g, (_, next) => (next ?? '').toUpperCase()).replace(/^[^A-Za-z]+/, '');
  return camel || 'subject';
}

function implementation(ts, signatures, symbol, sourceFile) {
  const own = signatures.map((signature) => signature.declaration);
  const candidates = [...own, ...(symbol.declarations ?? [])];
  return candidates.find((node) => node && ts.isFunctionLike(node) && node.body && node.getSourceFile() === sourceFile && !ts.isConstructorDeclaration(node));
}

function described(ts, checker, sourceFile, { node, signature, access, exported, name }, fc, seed) {
  const start = node.getStart(sourceFile);
  const parameters = node.parameters.map((parameter, at) => parameterOf(ts, checker, node, signature, parameter, at));
  const hints = hintsOf(ts, node, sourceFile);
  const line = (position) => sourceFile.getLineAndCharacterOfPosition(position).line + 1;
  const inputs = parameters.some((parameter) => parameter.name === 'this') ? { needs: 'a receiver' } : casesOf(fc, parameters, hints, seed);
  return {
    name,
    exported,
    access,
    start,
    end: node.end,
    line: line(start),
    end_line: line(node.end),
    parameters: parameters.map((parameter) => ({ name: parameter.name, kind: parameter.spec.kind })),
    cases: inputs.cases ?? [],
    table: inputs.table ?? [],
    needs: inputs.needs ?? '',
  };
}

function parameterOf(ts, checker, node, signature, parameter, at) {
  const name = ts.isIdentifier(parameter.name) ? parameter.name.text : '';
  const symbol = signature.parameters[at];
  const isRest = Boolean(parameter.dotDotDotToken);
  const type = symbol ? checker.getTypeOfSymbolAtLocation(symbol, node) : checker.getTypeAtLocation(parameter);
  let spec = specOfType(ts, checker, type);
  if (isRest) spec = spec.kind === 'array' ? spec.item : { kind: 'any' };
  if (spec.kind === 'any' && name) spec = isRest ? spec : specOfUse(ts, name, node.body);
  const isOptional = Boolean(parameter.questionToken || parameter.initializer) || ts.getJSDocParameterTags(parameter).some((tag) => tag.isBracketed);
  return { name, spec: withoutUndefined(spec), isOptional, isRest };
}

function withoutUndefined(spec) {
  if (spec.kind !== 'union') return spec;
  const parts = spec.parts.filter((part) => part.kind !== 'literal' || part.value !== undefined);
  return parts.length === 1 ? parts[0] : { kind: 'union', parts };
}

// Texts and numbers that the function compares with, and their neighbours.
function hintsOf(ts, node, sourceFile) {
  const strings = new Set();
  const numbers = new Set();
  const visit = (child) => {
    if (ts.isStringLiteralLike(child) && child.text.length <= 20) strings.add(child.text);
    if (ts.isNumericLiteral(child)) {
      const value = Number(child.text);
      if (Math.abs(value) < 1e9) for (const near of [value, value + 1, value - 1]) numbers.add(near);
    }
    if (ts.isRegularExpressionLiteral(child)) {
      const plain = child.text.slice(1, child.text.lastIndexOf('/')).replace(/\\([\\/.*+?^$|(){}[\]-])/g, '$1').match(/[A-Za-z0-9%;:,._/#@!&<>=-]+/g);
      for (const part of (plain ?? []).slice(0, 3)) if (part.length <= 12) strings.add(part);
    }
    ts.forEachChild(child, visit);
  };
  visit(node);
  return { strings: [...strings].filter((text) => text !== ''), numbers: [...numbers], file: sourceFile.fileName };
}
