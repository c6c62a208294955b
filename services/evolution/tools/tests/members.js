'use strict';

// Members that are called on what a module exports: methods of objects, static and own methods of classes, methods of prototypes.

const isThis = (ts, node) => node.kind === ts.SyntaxKind.ThisKeyword;

// Whether a function means its receiver by `this`; functions within it that have one of their own do not count.
function usesThis(ts, node) {
  if (ts.isArrowFunction(node)) return false;
  const visit = (child) => {
    if (isThis(ts, child)) return true;
    if (ts.isFunctionLike(child) && !ts.isArrowFunction(child)) return false;
    return Boolean(ts.forEachChild(child, (inner) => visit(inner) || undefined));
  };
  return Boolean(ts.forEachChild(node, (child) => visit(child) || undefined));
}

function isPublic(ts, symbol, node) {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  const flags = node && ts.canHaveModifiers?.(node) ? ts.getCombinedModifierFlags(node) : 0;
  return /^[A-Za-z$][\w$]*$/.test(symbol.name) && (flags & hidden) === 0;
}

// The function that a symbol of a member stands for, if it stands in the file.
function functionOf(ts, symbol, sourceFile) {
  for (const declaration of symbol.declarations ?? []) {
    if (declaration.getSourceFile() !== sourceFile) continue;
    const value = ts.isPropertyAssignment(declaration) || ts.isPropertyDeclaration(declaration) ? declaration.initializer : assignedTo(ts, declaration);
    const node = value ?? declaration;
    if (ts.isFunctionLike(node) && node.body && !ts.isAccessor(node) && !ts.isConstructorDeclaration(node)) return node;
  }
  return undefined;
}

function assignedTo(ts, node) {
  const { parent } = node;
  return parent && ts.isBinaryExpression(parent) && parent.left === node && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken ? parent.right : undefined;
}

// Methods of an object literal, or static ones of a class: [{ name, node }].
function methodsOf(ts, type, sourceFile) {
  const methods = [];
  for (const symbol of type.getProperties()) {
    const node = functionOf(ts, symbol, sourceFile);
    if (node && isPublic(ts, symbol, symbol.valueDeclaration)) methods.push({ name: symbol.name, node });
  }
  return methods;
}

// What a class has for its users: the constructor that runs, own methods, names of what can be read. `undefined` for what cannot be
// made: abstract classes, private constructors.
function classOf(ts, checker, node, sourceFile) {
  const flags = ts.getCombinedModifierFlags(node);
  if (flags & ts.ModifierFlags.Abstract) return undefined;
  const symbol = checker.getSymbolAtLocation(node.name ?? node) ?? node.symbol;
  const type = symbol && checker.getDeclaredTypeOfSymbol(symbol);
  const [signature] = symbol ? checker.getTypeOfSymbolAtLocation(symbol, node).getConstructSignatures() : [];
  if (!type || !signature) return undefined;
  const constructor = signature.declaration;
  const isHidden = constructor && ts.getCombinedModifierFlags(constructor) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected);
  // Parameters of a constructor of another file, say of `Error`, are not known by their declaration.
  const isKnown = !constructor || (ts.isConstructorDeclaration(constructor) && constructor.body);
  if (isHidden) return undefined;
  const [methods, state] = [[], []];
  for (const member of type.getProperties()) {
    const { valueDeclaration } = member;
    if (!valueDeclaration || valueDeclaration.getSourceFile().isDeclarationFile || !isPublic(ts, member, valueDeclaration)) continue;
    const method = memberFunction(ts, member);
    if (method) methods.push({ name: member.name, node: method });
    else if (!(member.flags & ts.SymbolFlags.SetAccessor) || member.flags & ts.SymbolFlags.GetAccessor) state.push(member.name);
  }
  if (isError(ts, type, checker)) state.unshift('name', 'message');
  return { constructor: isKnown ? constructor : undefined, isError: isError(ts, type, checker), methods, state: [...new Set(state)].slice(0, 8), ranges: [node] };
}

function memberFunction(ts, member) {
  return functionOf(ts, member, member.valueDeclaration.getSourceFile());
}

function isError(ts, type, checker) {
  const bases = type.isClassOrInterface?.() ? checker.getBaseTypes(type) : [];
  return bases.some((base) => base.symbol?.name === 'Error' || /Error$/.test(base.symbol?.name ?? '') || isError(ts, base, checker));
}

// A function of JavaScript with methods on its prototype, which is a class in an older form; `undefined` for other functions.
function prototypeOf(ts, node, name, sourceFile) {
  const methods = [];
  for (const statement of sourceFile.statements) {
    const assignment = ts.isExpressionStatement(statement) ? statement.expression : undefined;
    if (!assignment || !ts.isBinaryExpression(assignment) || assignment.operatorToken.kind !== ts.SyntaxKind.EqualsToken) continue;
    const target = assignment.left.getText(sourceFile);
    const value = assignment.right;
    if (target === `${name}.prototype` && ts.isObjectLiteralExpression(value)) {
      for (const property of value.properties) {
        const own = ts.isPropertyAssignment(property) ? property.initializer : property;
        if (ts.isFunctionLike(own) && own.body && property.name && ts.isIdentifier(property.name)) methods.push({ name: property.name.text, node: own });
      }
    }
    if (target.startsWith(`${name}.prototype.`) && ts.isFunctionLike(value) && value.body) {
      methods.push({ name: target.slice(name.length + '.prototype.'.length), node: value });
    }
  }
  if (methods.length === 0) return undefined;
  const state = new Set();
  const visit = (child) => {
    const isField = ts.isBinaryExpression(child) && child.operatorToken.kind === ts.SyntaxKind.EqualsToken && ts.isPropertyAccessExpression(child.left) && isThis(ts, child.left.expression);
    if (isField) state.add(child.left.name.text);
    ts.forEachChild(child, visit);
  };
  visit(node.body);
  const isPlain = (text) => /^[A-Za-z$][\w$]*$/.test(text);
  return { constructor: node, isError: false, methods: methods.filter((method) => isPlain(method.name)), state: [...state].filter(isPlain).slice(0, 8), ranges: [node, ...methods.map((method) => method.node)] };
}

// Whether values of a type are instances of a class that stands in a source.
function isInstance(ts, type) {
  const isOfClass = Boolean(type.symbol && type.symbol.flags & ts.SymbolFlags.Class) && type.getConstructSignatures().length === 0;
  return isOfClass && type.symbol.declarations.some((declaration) => !declaration.getSourceFile().isDeclarationFile);
}

// A function whose result has methods that stand in its file, in the form of a class: the call makes the instance. `undefined` for
// other functions.
function factoryOf(ts, checker, node, signature, sourceFile) {
  const type = checker.getReturnTypeOfSignature(signature);
  if (type.isUnion() || type.getCallSignatures().length > 0 || type.symbol === undefined) return undefined;
  const [methods, state] = [[], []];
  for (const member of type.getProperties()) {
    const method = functionOf(ts, member, sourceFile) ?? shorthandOf(ts, checker, member, sourceFile);
    const declaration = member.valueDeclaration;
    if (!declaration || declaration.getSourceFile() !== sourceFile || !isPublic(ts, member, declaration)) continue;
    if (method) methods.push({ name: member.name, node: method });
    else if (!(member.flags & ts.SymbolFlags.SetAccessor) || member.flags & ts.SymbolFlags.GetAccessor) state.push(member.name);
  }
  if (methods.length === 0) return undefined;
  return { kind: 'factory', constructor: node, isError: false, methods, state: state.slice(0, 8), ranges: [node] };
}

// The function that a member such as `{ push }` stands for.
function shorthandOf(ts, checker, member, sourceFile) {
  const shorthand = member.declarations?.find((declaration) => ts.isShorthandPropertyAssignment(declaration));
  const meant = shorthand && checker.getShorthandAssignmentValueSymbol(shorthand);
  for (const declaration of meant?.declarations ?? []) {
    const node = ts.isVariableDeclaration(declaration) ? declaration.initializer : declaration;
    if (node && ts.isFunctionLike(node) && node.body && node.getSourceFile() === sourceFile) return node;
  }
  return undefined;
}

module.exports = { usesThis, methodsOf, classOf, prototypeOf, factoryOf, isInstance };
