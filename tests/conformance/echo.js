// The upstream of the conformance run: sends every message back as it came.
// Usage: node echo.js [deflate]. Prints "listening on HOST:PORT" once it does, and runs until it is killed.
'use strict';
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  maxPayload: 64 * 1024 * 1024,
  // Cases 9.3.1 and 9.4.1 send one message in 65,536 frames, which the library's own limits refuse.
  maxFragments: 0,
  maxBufferedChunks: 0,
  perMessageDeflate: process.argv.includes('deflate'),
});

server.on('listening', () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
server.on('connection', (socket) => {
  // A case that breaks the protocol is an error here: the library closes, and the suite judges how.
  socket.on('error', () => {});
  socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
});
