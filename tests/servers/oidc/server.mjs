// An authorization server made of oidc-provider: client credentials, introspection, revocation, JWKS, discovery.
//
// Arguments: the port; the issuer; the file with the private keys; what to do about keys:
//   keep    the file's, or new ones where there is no file
//   add     new ones, which sign from now on; the file's stay in the key set
//   drop    new ones alone
//
// Two clients: `app` (by Basic or in the body; it gets tokens) and `api` (it introspects). Access tokens are opaque, but for
// `resource=https://api.example/ALG` they are JWTs for that audience, signed with ALG. `ttl=SECONDS` sets their lifetime.
//
// The first line on standard output is {"listening": "127.0.0.1:PORT"}. GET /control/requests answers with every other request
// so far: method, target, headers, and the body as it came. The program ends with its standard input, so that it cannot
// outlive a test.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [port, issuer, keyFile, keyMode] = process.argv.slice(2);
const modules = process.env.PORTCULLIS_TEST_NODE_MODULES;
const entry = path.join(modules, 'oidc-provider', 'lib', 'index.js');
const { default: Provider } = await import(pathToFileURL(entry));

const RESOURCE = 'https://api.example/';
const SCOPES = 'hello admin';

function newKeys() {
  const pairs = [
    ['rsa', { modulusLength: 2048 }],
    ['ec', { namedCurve: 'P-256' }],
    ['ec', { namedCurve: 'P-384' }],
    ['ed25519', {}],
  ];
  return pairs.map(([type, options]) => {
    const { privateKey } = crypto.generateKeyPairSync(type, options);
    return { ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: crypto.randomUUID() };
  });
}

function keys() {
  const old = keyMode !== 'drop' && fs.existsSync(keyFile) ? JSON.parse(fs.readFileSync(keyFile, 'utf8')).keys : [];
  const all = keyMode === 'keep' && old.length ? old : [...newKeys(), ...old];
  fs.writeFileSync(keyFile, JSON.stringify({ keys: all }));
  return { keys: all };
}

const lifetime = (ctx) => Number(ctx.oidc.body?.ttl ?? 3600);

const client = (id, grants) => ({
  client_id: id,
  client_secret: `${id}-secret-${id}-secret-${id}-secret`,
  grant_types: grants,
  redirect_uris: [],
  response_types: [],
  scope: SCOPES,
});

const provider = new Provider(issuer, {
  clients: [client('app', ['client_credentials']), client('api', ['client_credentials'])],
  scopes: SCOPES.split(' '),
  jwks: keys(),
  ttl: { ClientCredentials: lifetime },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_ctx, asking) => asking.clientId === 'api' },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, resource) {
        const alg = resource.slice(RESOURCE.length);
        return {
          scope: SCOPES,
          audience: RESOURCE,
          accessTokenTTL: lifetime(ctx),
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg } },
        };
      },
    },
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));

const requests = [];
const handle = provider.callback();
const server = http.createServer((request, response) => {
  if (request.url === '/control/requests') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(requests));
    return;
  }
  const seen = { method: request.method, target: request.url, headers: request.headers, body: '' };
  requests.push(seen);
  // What is pushed into the stream is what came over the wire, before anything parses it.
  const push = request.push;
  request.push = function (chunk, ...rest) {
    if (chunk) seen.body += chunk.toString('latin1');
    return push.call(this, chunk, ...rest);
  };
  handle(request, response);
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(JSON.stringify({ listening: `127.0.0.1:${port}` }) + '\n');
});
process.stdin.on('end', () => process.exit(0)).resume();
