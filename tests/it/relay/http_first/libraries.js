// Servers and clients of libraries that speak HTTP first. `serve` prints `name port` for each server; `connect NAME=PORT..` runs
// each client with each setting and prints `library setting: outcome`.
'use strict';

const http = require('http');
const { Server } = require('socket.io');
const { io } = require('socket.io-client');
const { Socket: Engine } = require('engine.io-client');
const sockjs = require('sockjs');
const SockJS = require('sockjs-client');
const { WebSocket, WebSocketServer } = require('ws');
const signalR = require('@microsoft/signalr');

const servers = {
  'socket.io': (server) => {
    new Server(server).on('connection', (socket) => socket.on('say', (text, answer) => answer(`heard ${text}`)));
  },
  sockjs: (server) => {
    const chat = sockjs.createServer({ log: () => {} });
    chat.on('connection', (client) => client.on('data', (text) => client.write(`heard ${text}`)));
    chat.installHandlers(server, { prefix: '/chat' });
  },
  // The hub's side of the protocol (JSON records that end in 0x1e), as far as one call needs it.
  signalr: (server) => {
    const hub = (client) => client.on('message', (records) => {
      for (const record of String(records).split('\x1e').filter(Boolean)) {
        const { protocol, type, invocationId, arguments: given } = JSON.parse(record);
        if (protocol) client.send('{}\x1e');
        if (type === 1) client.send(`${JSON.stringify({ type: 3, invocationId, result: `heard ${given[0]}` })}\x1e`);
      }
    });
    new WebSocketServer({ server }).on('connection', hub);
  },
};

function serve() {
  for (const [name, install] of Object.entries(servers)) {
    const server = http.createServer();
    install(server);
    server.listen(0, '127.0.0.1', () => console.log(`${name} ${server.address().port}`));
  }
}

const socketIo = (port, options) => new Promise((resolve) => {
  const socket = io(`http://127.0.0.1:${port}`, { reconnection: false, ...options });
  const end = (outcome) => { socket.close(); resolve(outcome); };
  socket.on('connect', () => socket.emit('say', 'hi', end));
  socket.on('connect_error', (error) => end(`${error.message} ${error.description}`));
});

const engineIo = (port, options) => new Promise((resolve) => {
  const socket = new Engine(`ws://127.0.0.1:${port}`, { path: '/socket.io/', ...options });
  const end = (outcome) => { socket.close(); resolve(outcome); };
  socket.on('open', () => end('open'));
  socket.on('error', (error) => end(error.message));
});

const webSocket = (socket) => new Promise((resolve) => {
  socket.onopen = () => socket.send('hi');
  socket.onmessage = ({ data }) => { socket.close(); resolve(data); };
  socket.onclose = ({ code, reason }) => resolve(`${reason} (${code})`);
});

async function hub(port, options) {
  const url = `http://127.0.0.1:${port}/hub`;
  const connection = new signalR.HubConnectionBuilder().withUrl(url, options).configureLogging(signalR.LogLevel.None).build();
  try {
    await connection.start();
    const answer = await connection.invoke('Say', 'hi');
    await connection.stop();
    return answer;
  } catch (error) {
    return error.message;
  }
}

const WEB_SOCKETS = { transport: signalR.HttpTransportType.WebSockets };
const clients = {
  'socket.io default': (at) => socketIo(at['socket.io'], {}),
  'socket.io websocket': (at) => socketIo(at['socket.io'], { transports: ['websocket'] }),
  'socket.io websocket first': (at) => socketIo(at['socket.io'], { transports: ['websocket', 'polling'] }),
  'socket.io tryAllTransports': (at) => socketIo(at['socket.io'], { tryAllTransports: true }),
  'engine.io default': (at) => engineIo(at['socket.io'], {}),
  'engine.io websocket': (at) => engineIo(at['socket.io'], { transports: ['websocket'] }),
  'sockjs default': (at) => webSocket(new SockJS(`http://127.0.0.1:${at.sockjs}/chat`)),
  'sockjs transports': (at) => webSocket(new SockJS(`http://127.0.0.1:${at.sockjs}/chat`, null, { transports: 'websocket' })),
  'sockjs raw': (at) => webSocket(new WebSocket(`ws://127.0.0.1:${at.sockjs}/chat/websocket`)),
  'signalr default': (at) => hub(at.signalr, {}),
  'signalr transport': (at) => hub(at.signalr, WEB_SOCKETS),
  'signalr skipNegotiation': (at) => hub(at.signalr, { skipNegotiation: true, ...WEB_SOCKETS }),
};

async function connect(places) {
  const at = Object.fromEntries(places.map((place) => place.split('=')));
  for (const [name, client] of Object.entries(clients)) console.log(`${name}: ${await client(at)}`);
  process.exit(0);
}

const [mode, ...places] = process.argv.slice(2);
if (mode === 'serve') serve(); else connect(places);
