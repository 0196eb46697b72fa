// The clients, and the users on whose behalf they ask.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { newKey, publicJwk } from './keys.mjs';

export const SCOPES = 'hello admin';
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

export const USERS = new Map([
  ['alice', 'alice-pass-alice-pass'],
  ['bob', 'bob-pass-bob-pass'],
  ['zoë', 'pässwört: 100% & +=/?'],
]);

const GRANTS = ['client_credentials', 'password', 'refresh_token', TOKEN_EXCHANGE];

const client = (id, more = {}) => ({
  client_id: id,
  client_secret: `${id}-secret-${id}-secret-${id}-secret`,
  grant_types: GRANTS,
  redirect_uris: [],
  response_types: [],
  scope: SCOPES,
  ...more,
});

// A key that a client signs its assertions with: made once, kept in the folder.
function key(folder, name, type, options) {
  const file = path.join(folder, name);
  if (!fs.existsSync(file)) fs.writeFileSync(file, newKey(type, options), { mode: 0o600 });
  return publicJwk(fs.readFileSync(file));
}

// The key of a certificate, with the certificate.
function certified(folder, name) {
  const certificate = new crypto.X509Certificate(fs.readFileSync(path.join(folder, name)));
  return {
    ...certificate.publicKey.export({ format: 'jwk' }),
    kid: name,
    x5c: [certificate.raw.toString('base64')],
  };
}

export function clients(folder, tls) {
  const keys = [
    { ...key(folder, 'client.key', 'rsa', { modulusLength: 2048 }), kid: 'rsa', use: 'sig' },
    { ...key(folder, 'client-ec.key', 'ec', { namedCurve: 'P-256' }), kid: 'ec', use: 'sig' },
  ];
  const all = [
    client('app'),
    client('api', { grant_types: ['client_credentials'] }),
    client('odd:id %&+=/ü', { client_secret: 's3cr:t % & + = / ä ö ß ✓ s3cr:t' }),
    client('public', { client_secret: undefined, token_endpoint_auth_method: 'none', grant_types: GRANTS.slice(1, 3) }),
    client('secret-jwt', { token_endpoint_auth_method: 'client_secret_jwt' }),
    client('key-jwt', { client_secret: undefined, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } }),
  ];
  if (tls) {
    const plain = { client_secret: undefined };
    all.push(
      client('tls', { ...plain, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'client.example' }),
      client('tls-self-signed', {
        ...plain,
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        jwks: { keys: [certified(folder, 'self-signed.crt')] },
      }),
    );
  }
  return all;
}
