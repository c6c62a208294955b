// Loaded into Mocha's process: writes down promises that are rejected and that nobody handles. Mocha passes the test and exits with 0.
const { appendFileSync } = require('node:fs');

const file = process.env.SHIM_TEST_FAULTS;
if (file) {
  const told = new Map();
  process.on('unhandledRejection', (reason, promise) => {
    told.set(promise, String(reason?.stack ?? reason).split('\n')[0]);
  });
  process.on('rejectionHandled', (promise) => told.delete(promise));
  process.on('exit', () => {
    for (const text of told.values()) appendFileSync(file, `unhandled rejection: ${text}\n`);
  });
}
