// A WebSocket server that knows nothing of portcullis: it echoes what it is sent, and says what reached it.
//
// The first line on standard output is {"listening": "127.0.0.1:PORT"}; each further one is an event: {"upgrade": {target, headers}},
// {"message": TEXT}, {"close": CODE}. It selects the first protocol that is offered. `big` is answered with a megabyte, `ping` with
// a ping of its own, `flood` with messages without an end. GET requests that are no upgrades are answered with 426. The program ends
// with its standard input, so that it cannot outlive a test.
'use strict';

const http = require('http');
const path = require('path');
const { WebSocketServer } = require(path.join(process.env.PORTCULLIS_TEST_NODE_MODULES, 'ws'));

const log = (line) => process.stdout.write(JSON.stringify(line) + '\n');

const server = http.createServer((_request, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket, request) => {
  log({ upgrade: { target: request.url, headers: request.headers } });
  socket.on('message', (data, binary) => {
    const text = data.toString();
    log({ message: text });
    if (text === 'big') socket.send('x'.repeat(1 << 20));
    else if (text === 'ping') socket.ping('are you there');
    else if (text === 'flood') flood(socket);
    else socket.send(data, { binary });
  });
  socket.on('pong', (data) => log({ pong: data.toString() }));
  socket.on('close', (code) => log({ close: code }));
  socket.on('error', () => {});
});

function flood(socket) {
  if (socket.readyState === socket.OPEN) socket.send('x'.repeat(65536), () => setImmediate(flood, socket));
}

server.listen(0, '127.0.0.1', () => log({ listening: '127.0.0.1:' + server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
