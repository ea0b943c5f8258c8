// The upstream of the conformance run: sends every message back as it came.
// Usage: node echo.js [deflate] [tls=FOLDER]. In TLS it shows cert.pem and key.pem of the folder. Prints "listening on HOST:PORT" once it does, and runs until it is killed.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');
const path = require('path');
const { WebSocketServer } = require('ws');

const folder = process.argv.find((argument) => argument.startsWith('tls='))?.slice('tls='.length);
const listener = folder
  ? https.createServer({
      cert: fs.readFileSync(path.join(folder, 'cert.pem')),
      key: fs.readFileSync(path.join(folder, 'key.pem')),
    })
  : http.createServer();
const server = new WebSocketServer({
  server: listener,
  maxPayload: 64 * 1024 * 1024,
  // Cases 9.3.1 and 9.4.1 send one message in 65,536 frames, which the library's own limits refuse.
  maxFragments: 0,
  maxBufferedChunks: 0,
  perMessageDeflate: process.argv.includes('deflate'),
});

listener.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${listener.address().port}`));
server.on('connection', (socket) => {
  // A case that breaks the protocol is an error here: the library closes, and the suite judges how.
  socket.on('error', () => {});
  socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
});
