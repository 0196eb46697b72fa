// An upstream made of Express: says which of its routes a request met, for a gateway must not read a path otherwise.
//
// Arguments: the routes. Each line on standard output is a JSON object: first {"listening": "127.0.0.1:PORT"}, then one
// object per request, written before its answer. GET .../bytes/N answers with N bytes; every other request with a JSON object
// that states what was received. The program ends with its standard input, so that it cannot outlive a test.
'use strict';

const crypto = require('crypto');
const path = require('path');
const express = require(path.join(process.env.PORTCULLIS_TEST_NODE_MODULES, 'express'));

const log = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const pairs = (flat) => {
  const list = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i], flat[i + 1]]);
  return list;
};

function answer(route) {
  return (request, response) => {
    const digest = crypto.createHash('sha256');
    let size = 0;
    request.on('data', (part) => {
      size += part.length;
      digest.update(part);
    });
    request.on('end', () => {
      const seen = {
        method: request.method,
        target: request.originalUrl,
        version: 'HTTP/' + request.httpVersion,
        headers: pairs(request.rawHeaders),
        trailers: pairs(request.rawTrailers),
        body_bytes: size,
        body_sha256: digest.digest('hex'),
        route,
      };
      log(seen);
      const wanted = /\/bytes\/(\d+)$/.exec(request.originalUrl);
      if (wanted && request.method === 'GET') sendBytes(response, Number(wanted[1]));
      else response.json(seen);
    });
  };
}

function sendBytes(response, size) {
  const chunk = Buffer.alloc(65536, 'portcullis');
  let left = size;
  response.set({ 'Content-Type': 'application/octet-stream', 'Content-Length': String(size) });
  const write = () => {
    while (left > 0) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', write);
    }
    response.end();
  };
  write();
}

const app = express();
for (const route of process.argv.slice(2)) app.all(route, answer(route));
app.use(answer(null));

const server = app.listen(0, '127.0.0.1', () => log({ listening: '127.0.0.1:' + server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
