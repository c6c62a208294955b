'use strict';

// Runs inside of the project's own test runner, in a throw-away copy of the project: calls functions with inputs and writes down what
// they do, or judges tests against mutants. Each line of its journal is written before the next step, so that a process that dies or
// stands still shows where.

const fs = require('fs');
const { observe } = require('./observe.cjs');
const { screen } = require('./screen.cjs');
const { catchStrays, unwatched, watchEffects } = require('./effects.cjs');

const append = fs.appendFileSync;

function told(error) {
  return String(error?.message ?? error).split('\n')[0].slice(0, 200);
}

// `load` gives the module; it may fail, end the process or never end, like all that comes after it.
async function run(load, folder, name) {
  const plan = JSON.parse(fs.readFileSync(`${folder}/${name}.plan.json`, 'utf8'));
  const journal = `${folder}/${name}.journal`;
  const write = (line) => unwatched(() => append(journal, `${JSON.stringify(line)}\n`));
  const strays = [];
  watchEffects();
  const release = catchStrays((error) => strays.push(told(error)));
  try {
    write({ step: 'loading' });
    let subject;
    try {
      subject = await load();
    } catch (error) {
      write({ step: 'unloaded', why: told(error) });
      return;
    }
    write({ step: 'loaded' });
    await (plan.mode === 'observe' ? observe : screen)(subject, plan, write, strays);
    write({ step: 'finished' });
  } finally {
    release();
  }
}

module.exports = { run };
