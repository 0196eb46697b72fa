// An authorization server made of oidc-provider: client credentials, password, refresh tokens that rotate, token exchange; every way in
// which clients authenticate; introspection, revocation, JWKS, discovery.
//
// Arguments: the port; the issuer; the folder with the keys; what to do about the server's own, in keys.json:
//   keep    the file's, or new ones where there is no file
//   add     new ones, which sign from now on; the file's stay in the key set
//   drop    new ones alone
// It speaks https where the folder has a server.crt, with its server.key, and the ca.crt that client certificates are judged by.
//
// The clients are those of clients.mjs; the grants that the library leaves to others are in grants.mjs. Access tokens are opaque, but for
// `resource=https://api.example/ALG` they are JWTs for that audience, signed with ALG. `ttl=SECONDS` sets their lifetime.
//
// The first line on standard output is {"listening": "127.0.0.1:PORT"}. GET /control/requests answers with every other request
// so far: method, target, headers, and the body as it came. The program ends with its standard input, so that it cannot
// outlive a test.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { SCOPES, clients } from './clients.mjs';
import { register } from './grants.mjs';
import { jwk, newKey } from './keys.mjs';

const [port, issuer, folder, keyMode] = process.argv.slice(2);
const library = path.join(process.env.PORTCULLIS_TEST_NODE_MODULES, 'oidc-provider', 'lib');
const load = (...parts) => import(pathToFileURL(path.join(library, ...parts)));
const { default: Provider, errors } = await load('index.js');

// The library holds client ids and secrets to RFC 6749 §A.1, which is ASCII. Many servers do not, and the encoding of what is
// beyond it has to be right there: here, too, letters of any script may be in them. What decodes and compares is the library's.
const { noVSCHAR } = await load('consts', 'client_attributes.js');
const control = /[\u0000-\u001f\u007f-\u009f]/u;
noVSCHAR.test = (text) => control.test(text);
noVSCHAR.exec = (text) => control.exec(text);

const RESOURCE = 'https://api.example/';
const keyFile = path.join(folder, 'keys.json');
const file = (name) => fs.readFileSync(path.join(folder, name));
const tls = fs.existsSync(path.join(folder, 'server.crt'));

function newKeys() {
  const pairs = [
    ['rsa', { modulusLength: 2048 }],
    ['ec', { namedCurve: 'P-256' }],
    ['ec', { namedCurve: 'P-384' }],
    ['ed25519', {}],
  ];
  return pairs.map(([type, options]) => ({ ...jwk(newKey(type, options)), use: 'sig', kid: crypto.randomUUID() }));
}

function keys() {
  const old = keyMode !== 'drop' && fs.existsSync(keyFile) ? JSON.parse(fs.readFileSync(keyFile, 'utf8')).keys : [];
  const all = keyMode === 'keep' && old.length ? old : [...newKeys(), ...old];
  fs.writeFileSync(keyFile, JSON.stringify({ keys: all }));
  return { keys: all };
}

const lifetime = (ctx) => Number(ctx.oidc.body?.ttl ?? 3600);

function resourceServer(ctx, resource) {
  return {
    scope: SCOPES,
    audience: RESOURCE,
    accessTokenTTL: lifetime(ctx),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: resource.slice(RESOURCE.length) } },
  };
}

const jwks = keys();
const certificate = (ctx) => ctx.socket.getPeerX509Certificate?.();
const provider = new Provider(issuer, {
  clients: clients(folder, tls),
  scopes: SCOPES.split(' '),
  jwks,
  ttl: { ClientCredentials: lifetime, AccessToken: lifetime, RefreshToken: () => 86_400, Grant: () => 86_400 },
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(tls ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
  ],
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // Of a token exchange: who acts (RFC 8693 §4.1).
  extraTokenClaims: (ctx) => ctx.act && { act: ctx.act },
  // Given, whatever it answers, it makes the library take refresh tokens; those of `password` are issued beside it.
  issueRefreshToken: () => false,
  rotateRefreshToken: true,
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_ctx, asking) => asking.clientId === 'api' },
    mTLS: {
      enabled: tls,
      tlsClientAuth: tls,
      selfSignedTlsClientAuth: tls,
      getCertificate: certificate,
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_san_dns' && certificate(ctx).subjectAltName === `DNS:${expected}`,
    },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer, useGrantedResource: () => true },
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));
register(provider, { errors, keys: jwks.keys, resourceServer });

const requests = [];
const handle = provider.callback();
const answer = (request, response) => {
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
};
const server = tls
  ? https.createServer({ cert: file('server.crt'), key: file('server.key'), ca: file('ca.crt'), requestCert: true, rejectUnauthorized: false }, answer)
  : http.createServer(answer);
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(JSON.stringify({ listening: `127.0.0.1:${port}` }) + '\n');
});
process.stdin.on('end', () => process.exit(0)).resume();
