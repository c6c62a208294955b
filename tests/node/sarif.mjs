// Holds a SARIF log against the official schema of 2.1.0, and its places against the files that they name.
//
// usage: node sarif.mjs LOG ROOT RULE TEXT
// Each result of RULE must mark exactly TEXT, counted as the run's columnKind says. Prints {results, marked} or ends with 1.
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const Ajv = require('ajv');
const schema = require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json');

const [, , logFile, root, rule, text] = process.argv;
const log = JSON.parse(readFileSync(logFile, 'utf8'));
const faults = [];
const ajv = new Ajv({ allErrors: true, schemaId: 'auto', logger: false });
ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
const validate = ajv.compile(schema);
if (!validate(log)) faults.push(...validate.errors.map((error) => `${error.dataPath} ${error.message}`));

let results = 0;
let marked = 0;
for (const run of log.runs) {
  if (run.columnKind !== 'utf16CodeUnits') faults.push(`columnKind is ${run.columnKind}`);
  const base = run.originalUriBaseIds.ROOT.uri;
  if (base !== pathToFileURL(`${root}/`).href) faults.push(`ROOT is ${base}`);
  for (const result of run.results) {
    results += 1;
    if (run.tool.driver.rules[result.ruleIndex].id !== result.ruleId) faults.push(`ruleIndex of ${result.ruleId}`);
    for (const { physicalLocation: place } of result.locations ?? []) {
      const file = new URL(place.artifactLocation.uri, base);
      if (!existsSync(file)) faults.push(`${place.artifactLocation.uri} names no file`);
      else if (result.ruleId === rule) {
        const { startLine, startColumn, endColumn } = place.region;
        const line = readFileSync(file, 'utf8').replace(/^\uFEFF/, '').split(/\r?\n/)[startLine - 1];
        const found = line.slice(startColumn - 1, endColumn - 1);
        if (found !== text) faults.push(`${place.artifactLocation.uri}: ${JSON.stringify(found)} is marked`);
        else marked += 1;
      }
    }
  }
}
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(JSON.stringify({ results, marked }));
