// The client of the conformance run: asks a fuzzing server how many cases it has, goes through them one by one, and has
// it write its report. Usage: node client.js URL [deflate]. A wss URL's server must be NODE_EXTRA_CA_CERTS' word. Prints
// how many cases it went through.
'use strict';
const WebSocket = require('ws');

const [url, ...flags] = process.argv.slice(2);
const AGENT = 'peer';
const OPTIONS = {
  maxPayload: 64 * 1024 * 1024,
  // As in echo.js.
  maxFragments: 0,
  maxBufferedChunks: 0,
  perMessageDeflate: flags.includes('deflate'),
};

// Resolves when the connection is gone, with the last message that came.
function visit(path, echo) {
  return new Promise((resolve) => {
    let last = null;
    const socket = new WebSocket(`${url}${path}`, OPTIONS);
    // What a case does to us is for the suite to judge; a refused handshake shows as a case that was not run.
    socket.on('error', () => {});
    socket.on('close', () => resolve(last));
    socket.on('message', (message, isBinary) => {
      last = message;
      if (echo) socket.send(message, { binary: isBinary });
    });
  });
}

async function main() {
  const count = Number(await visit('/getCaseCount', false));
  if (!Number.isInteger(count) || count < 1) throw new Error('the fuzzing server did not say how many cases it has');
  for (let number = 1; number <= count; number += 1) {
    await visit(`/runCase?case=${number}&agent=${AGENT}`, true);
  }
  await visit(`/updateReports?agent=${AGENT}`, false);
  console.log(`${count} cases`);
}

main().catch((error) => {
  console.error(`client.js: ${error.message}`);
  process.exitCode = 1;
});
