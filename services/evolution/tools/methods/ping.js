'use strict';

// Answers what it is asked, after a wait if one is asked for: a sign of life.
module.exports = async ({ echo = null, waitMs = 0 }, { signal }) => {
  if (waitMs > 0) {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, waitMs);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  }
  return { echo, pid: process.pid };
};
