'use strict';

// The functions, methods and classes that modules export, with what they take and inputs to try them on. Nothing of the project is executed.

const path = require('node:path');
const { specOfType, specOfUse } = require('../tests/types.js');
const { casesOf } = require('../tests/inputs.js');
const { arbitrariesOf } = require('../tests/arbitraries.js');
const { classOf, factoryOf, isInstance, methodsOf, prototypeOf, usesThis } = require('../tests/members.js');
const { sequencesOf } = require('../tests/sequences.js');

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

// What a module exports and can be called: functions, methods of objects and instances, classes, functions that make objects.
function functionsOf(ts, checker, sourceFile, fc, seed) {
  const module = checker.getSymbolAtLocation(sourceFile) ?? sourceFile.symbol;
  const found = new Map();
  const base = path.basename(sourceFile.fileName).replace(/\.\w+$/, '');
  const tools = { ts, checker, sourceFile, fc, seed };
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
    if (access === 'named' && !/^[A-Za-z_$][\w$]*$/.test(name)) return;
    const real = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const type = checker.getTypeOfSymbolAtLocation(real, sourceFile);
    const at = { access, exported: name };
    const classNode = classNodeOf(ts, real, sourceFile) ?? (type.getConstructSignatures().length > 0 && type.symbol ? classNodeOf(ts, type.symbol, sourceFile) : undefined);
    if (classNode) {
      const holder = access === 'named' ? name : (classNode.name?.text ?? variableName(ts, classNode) ?? plainName(name, sourceFile));
      addClass(classOf(ts, checker, classNode, sourceFile), { ...at, holder });
      for (const method of methodsOf(ts, type, sourceFile)) addFunction({ ...at, ...method, holder, member: method.name });
      return;
    }
    const signatures = type.getCallSignatures();
    // The members of a module that is an object are its names.
    if (signatures.length === 0 && access === 'whole') return;
    if (signatures.length === 0 && (type.symbol?.flags & ts.SymbolFlags.ObjectLiteral || isInstance(ts, type))) {
      const holder = access === 'named' ? name : plainName(name, sourceFile);
      for (const method of methodsOf(ts, type, sourceFile)) addFunction({ ...at, ...method, holder, member: method.name });
      return;
    }
    addCallable(type, signatures, real, at);
  }

  function addCallable(type, signatures, real, at) {
    if (signatures.length === 0 || type.getConstructSignatures().some((it) => it.declaration && ts.isConstructorDeclaration(it.declaration))) return;
    if (real.declarations?.every((declaration) => isBundled(ts, declaration))) return;
    const node = implementation(ts, signatures, real, sourceFile);
    if (!node) return;
    const { access, exported } = at;
    const holder = access === 'named' ? exported : (node.name?.text ?? variableName(ts, node) ?? plainName(exported, sourceFile));
    const prototype = /\.[cm]?jsx?$/.test(sourceFile.fileName) && prototypeOf(ts, node, node.name?.text ?? variableName(ts, node) ?? holder, sourceFile);
    if (prototype) return addClass(prototype, { ...at, holder });
    // A member of the module object that means it by `this`.
    if (access === 'named' && !isEsm(ts, sourceFile) && usesThis(ts, node)) {
      return addFunction({ node, signature: signatures[0], access: 'whole', exported: base, holder: plainName(base, sourceFile), member: exported });
    }
    const factory = factoryOf(ts, checker, node, signatures[0], sourceFile);
    if (factory) return addClass(factory, { ...at, holder });
    addFunction({ ...at, node, signature: signatures[0], holder, member: '' });
  }

  function addFunction(it) {
    if (isTaken(it.node)) return;
    const signature = it.signature ?? checker.getSignatureFromDeclaration(it.node);
    if (signature) found.set(`${it.access}/${it.exported}/${it.member}`, described(tools, { ...it, signature }));
  }

  function addClass(it, at) {
    if (it && !isTaken(it.ranges[0])) found.set(`${at.access}/${at.exported}/`, describedClass(tools, it, at));
  }

  function isTaken(node) {
    return [...found.values()].some((other) => other.start === node.getStart(sourceFile));
  }
}

function classNodeOf(ts, symbol, sourceFile) {
  for (const declaration of symbol.declarations ?? []) {
    if (declaration.getSourceFile() !== sourceFile) continue;
    const value = ts.isVariableDeclaration(declaration) ? declaration.initializer : ts.isExportAssignment(declaration) ? declaration.expression : declaration;
    if (value && ts.isClassLike(value)) return value;
    const right = declaration.parent && ts.isBinaryExpression(declaration.parent) ? declaration.parent.right : ts.isBinaryExpression(declaration) ? declaration.right : undefined;
    if (right && ts.isClassLike(right)) return right;
  }
  return undefined;
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

function placeOf(ts, sourceFile, node) {
  const start = node.getStart(sourceFile);
  const line = (position) => sourceFile.getLineAndCharacterOfPosition(position).line + 1;
  return { start, end: node.end, line: line(start), end_line: line(node.end) };
}

function described({ ts, checker, sourceFile, fc, seed }, { node, signature, access, exported, holder, member }) {
  const parameters = node.parameters.map((parameter, at) => parameterOf(ts, checker, node, signature, parameter, at));
  const hints = hintsOf(ts, node, sourceFile);
  const inputs = parameters.some((parameter) => parameter.name === 'this') ? { needs: 'a receiver' } : casesOf(fc, parameters, hints, seed);
  return {
    name: member ? `${holder}.${member}` : holder,
    holder,
    member,
    exported,
    access,
    kind: 'function',
    ...placeOf(ts, sourceFile, node),
    ranges: [],
    parameters: parameters.map((parameter) => ({ name: parameter.name, kind: parameter.spec.kind })),
    cases: inputs.cases ?? [],
    table: inputs.table ?? [],
    needs: inputs.needs ?? '',
    arbitraries: parameters.some((parameter) => parameter.isRest) ? [] : arbitrariesOf(parameters),
    state: [],
  };
}

// A class, or a function that makes objects: its inputs are sequences of calls on what it makes.
function describedClass({ ts, checker, sourceFile, fc, seed }, { kind = 'class', constructor, isError, methods, state, ranges }, { access, exported, holder }) {
  const argumentsOf = (node) => {
    const signature = checker.getSignatureFromDeclaration(node);
    const parameters = node.parameters.map((parameter, at) => parameterOf(ts, checker, node, signature, parameter, at));
    const inputs = casesOf(fc, parameters, hintsOf(ts, node, sourceFile), seed);
    return { needs: inputs.needs, list: (inputs.cases ?? []).map((args) => args.join(', ')) };
  };
  const made = constructor ? argumentsOf(constructor) : { list: isError ? ["'some text'", ''] : [''] };
  const called = methods.map(({ name, node }) => ({ name, inputs: argumentsOf(node).list })).filter(({ inputs }) => inputs.length > 0);
  const [first, ...rest] = ranges.map((node) => placeOf(ts, sourceFile, node));
  return {
    name: holder,
    holder,
    member: '',
    exported,
    access,
    kind,
    ...first,
    ranges: rest.map(({ start, end }) => ({ start, end })),
    parameters: [],
    cases: made.needs ? [] : sequencesOf(made.list, called, seed),
    table: [],
    needs: made.needs ?? '',
    arbitraries: [],
    state,
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
