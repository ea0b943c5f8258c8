// TLS for a suite that has none: takes connections on one side and makes them on the other, one of the two in TLS.
// Usage: node shim.js to-tls HOST:PORT, which trusts NODE_EXTRA_CA_CERTS, or node shim.js from-tls HOST:PORT FOLDER, which
// shows cert.pem and key.pem of the folder. Prints "listening on HOST:PORT" once it does, and runs until it is killed.
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const tls = require('tls');

const [mode, target, folder] = process.argv.slice(2);
const at = target.lastIndexOf(':');
// An end on one side is an end on the other, and no more than that.
const to = { host: target.slice(0, at), port: Number(target.slice(at + 1)), allowHalfOpen: true };

function join(near, far) {
  for (const [one, other] of [[near, far], [far, near]]) {
    one.setNoDelay(true);
    one.pipe(other);
    // A connection that breaks takes the other with it.
    one.on('error', () => other.destroy());
    one.on('close', (broken) => broken && other.destroy());
  }
}

const server =
  mode === 'to-tls'
    ? net.createServer({ allowHalfOpen: true }, (near) => join(near, tls.connect(to)))
    : tls.createServer(
        {
          allowHalfOpen: true,
          cert: fs.readFileSync(path.join(folder, 'cert.pem')),
          key: fs.readFileSync(path.join(folder, 'key.pem')),
        },
        (near) => join(near, net.connect(to)),
      );
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
