'use strict';

// What a method gets beside its parameters: how it tells its progress, notices its end, and finds the pinned packages.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const home = path.dirname(__dirname);
const pinned = Module.createRequire(path.join(home, 'package.json'));
const packages = Object.keys(JSON.parse(fs.readFileSync(path.join(home, 'package.json'), 'utf8')).dependencies);

function packageFolder(name) {
  return path.join(home, 'node_modules', ...name.split('/'));
}

function packageVersion(name) {
  const file = path.join(packageFolder(name), 'package.json');
  return JSON.parse(fs.readFileSync(file, 'utf8')).version;
}

// A package of ours that is not whole is the owner's to install anew.
function guarded(packageMissing, find) {
  try {
    return find();
  } catch (error) {
    const isOurs = ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND', 'ENOENT'].includes(error?.code);
    if (isOurs) error.rpcCode = packageMissing;
    throw error;
  }
}

function makeContext({ signal, isConfined, notify, packageMissing }) {
  return {
    // Aborted when the caller is gone; heed it in long loops and wherever you wait.
    signal,
    // Whether the project is untrusted: none of its code may run, and nothing can be written or started.
    isConfined,
    // The names of the pinned packages.
    packages,
    packageFolder,
    packageVersion: (name) => guarded(packageMissing, () => packageVersion(name)),
    // A pinned package, never the project's.
    require: (name) => guarded(packageMissing, () => pinned(name)),
    // One line for people: how far a stage is. Resolves when it has left.
    progress: (stage, text, done = 0, total = 0) => notify('progress', { stage, text, done, total }),
    // A piece of a large answer. Await it: it resolves when the piece has left.
    part: (value) => notify('part', { value }),
  };
}

module.exports = { makeContext };
