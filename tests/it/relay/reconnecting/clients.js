// Client libraries as their users set them up to reconnect. Each argument is one client: `library manner url`.
'use strict';

const WebSocket = require('ws');
// robust-websocket is made for browsers.
globalThis.WebSocket = WebSocket;
globalThis.navigator ??= { onLine: true };
globalThis.CustomEvent ??= class extends Event {};
const { createClient } = require('graphql-ws');
const ReconnectingWebSocket = require('reconnecting-websocket');
const RobustWebSocket = require('robust-websocket');
const { retry } = require('rxjs');
const { webSocket } = require('rxjs/webSocket');

// More than the window of an upstream that reads nothing.
const LONG = 'x'.repeat(256 * 1024);
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

const libraries = {
  'graphql-ws': (url, long, tell) => {
    const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 20, retryWait: soon });
    const query = `subscription { news } ${long ? `# ${LONG}` : ''}`;
    client.subscribe({ query }, {
      next: () => {},
      error: (error) => tell(`gave up ${error.code}`),
      complete: () => tell('completed'),
    });
  },
  rxjs: (url, long, tell) => {
    const subject = webSocket({
      url,
      WebSocketCtor: WebSocket,
      openObserver: { next: () => long && subject.next(LONG) },
    });
    subject.pipe(retry()).subscribe({ error: () => tell('gave up'), complete: () => tell('completed') });
  },
  'robust-websocket': (url, long, tell) => {
    const socket = new RobustWebSocket(url, undefined, { ignoreConnectivityEvents: true });
    socket.addEventListener('open', () => long && socket.send(LONG));
    socket.addEventListener('close', (event) => event.code === 1006 || tell(`closed ${event.code}`));
  },
  'reconnecting-websocket': (url, long, tell) => {
    const options = { WebSocket, minReconnectionDelay: 20, maxReconnectionDelay: 200 };
    const socket = new ReconnectingWebSocket(url, [], options);
    socket.addEventListener('open', () => long && socket.send(LONG));
    socket.addEventListener('close', (event) => event.code === 1006 || tell(`closed ${event.code}`));
  },
};

for (const client of process.argv.slice(2)) {
  const [library, manner, url] = client.split(' ');
  const path = new URL(url).pathname;
  libraries[library](url, manner === 'silent', (what) => console.log(`${path} ${what}`));
}
