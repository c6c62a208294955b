'use strict';

// Keeps a host that serves untrusted projects from loading a project's code, whatever a tool asks for: only what lies in the
// folder of the installed packages is ever executed. (Files are read as text all the same.)

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

// Executes in the thread of the loader's hooks, so it stands on its own.
const HOOKS = `
let allowed;
export function initialize(data) { allowed = data.allowed; }
export async function load(url, context, next) {
  if (url.startsWith('file:') && !url.startsWith(allowed) && !url.endsWith('.json')) {
    throw new Error('code of the project may not run: ' + url);
  }
  return next(url, context);
}`;

function confine(folder) {
  const root = fs.realpathSync(folder) + path.sep;
  confineRequire(root);
  confineImport(pathToFileURL(root).href);
}

function confineRequire(root) {
  const load = Module.prototype.load;
  Module.prototype.load = function loadConfined(file) {
    if (!file.startsWith(root) && !file.endsWith('.json')) {
      throw new Error(`code of the project may not run: ${file}`);
    }
    return load.call(this, file);
  };
}

function confineImport(allowed) {
  if (typeof Module.registerHooks === 'function') {
    Module.registerHooks({
      load(url, context, next) {
        if (url.startsWith('file:') && !url.startsWith(allowed) && !url.endsWith('.json')) {
          throw new Error(`code of the project may not run: ${url}`);
        }
        return next(url, context);
      },
    });
  } else {
    const source = `data:text/javascript,${encodeURIComponent(HOOKS)}`;
    Module.register(source, { parentURL: 'file:///', data: { allowed } });
  }
}

module.exports = { confine };
