'use strict';
// What the configuration around a file says that a rule must know. Configuration is read as text; nothing of it is run.

const fs = require('node:fs');
const path = require('node:path');

/** Facts of files of one project, read once for each folder. */
class Facts {
  constructor(root, ts) {
    this.root = root;
    this.ts = ts;
    this.packages = new Map();
    this.configs = new Map();
    this.commonJsPackages = { includes: (name) => this.isCommonJs(name) };
  }

  of(file) {
    const folder = path.dirname(path.join(this.root, file));
    return { ...this.ofPackage(folder), ...(/\.[mc]?tsx?$/.test(file) ? this.ofCompiler(folder) : {}), commonJsPackages: this.commonJsPackages };
  }

  /** Of the nearest package.json that is not above the root. */
  ofPackage(folder) {
    return cached(this.packages, folder, () => {
      const manifest = readJson(path.join(folder, 'package.json'));
      if (manifest) return { isEsModulePackage: manifest.type === 'module', oldestNode: oldest(manifest.engines && manifest.engines.node) };
      return folder === this.root || !folder.startsWith(this.root) ? {} : this.ofPackage(path.dirname(folder));
    });
  }

  /** Of the nearest tsconfig.json that is not above the root; nothing if it, or what it extends, cannot be read. */
  ofCompiler(folder) {
    return cached(this.configs, folder, () => {
      const file = path.join(folder, 'tsconfig.json');
      if (fs.existsSync(file)) return this.readConfig(file);
      return folder === this.root || !folder.startsWith(this.root) ? {} : this.ofCompiler(path.dirname(folder));
    });
  }

  readConfig(file) {
    const { ts } = this;
    const read = ts.readConfigFile(file, ts.sys.readFile);
    if (read.error) return {};
    const host = { ...ts.sys, readDirectory: () => [] };
    const { options, errors } = ts.parseJsonConfigFileContent(read.config, host, path.dirname(file));
    // 18003: no inputs were found, which is so here on purpose.
    if (errors.some((each) => each.code !== 18003 && each.code !== 18002)) return {};
    const isNodeModule = options.module >= ts.ModuleKind.Node16 && options.module <= ts.ModuleKind.NodeNext;
    return {
      keepsImports: Boolean(options.verbatimModuleSyntax || options.preserveValueImports),
      hasInterop: Boolean(options.esModuleInterop || options.allowSyntheticDefaultImports || isNodeModule),
    };
  }

  /** Whether an installed package has one module, of CommonJS, for whoever loads it. */
  isCommonJs(name) {
    const manifest = readJson(path.join(this.root, 'node_modules', ...name.split('/'), 'package.json'));
    if (!manifest || manifest.type === 'module' || /\.mjs$/.test(manifest.main || '')) return false;
    return !/"(import|module|node-addons|default)"/.test(JSON.stringify(manifest.exports || ''));
  }
}

function cached(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
  } catch {
    return null;
  }
}

/** The oldest version that a range of versions takes in, as `[major, minor]`; undefined for one that names none. */
function oldest(range) {
  if (typeof range !== 'string') return undefined;
  const versions = range.split('||').map((part) => {
    const bound = part.split(/\s+(?![\d.])/).map((each) => each.trim()).find((each) => each && !each.startsWith('<'));
    const found = bound && /(\d+)(?:\.(\d+))?/.exec(bound);
    return found ? [Number(found[1]), Number(found[2] || 0)] : null;
  });
  if (versions.includes(null)) return undefined;
  return versions.sort((a, b) => a[0] - b[0] || a[1] - b[1])[0];
}

module.exports = { Facts, oldest };
