// Keys that are made here.
import crypto from 'node:crypto';

// A new private key, as PKCS#8 in PEM.
//
// Exporting the KeyObject of a generated pair as a JWK can hang for ever: on Node 20 the export holds the key's lock, a garbage
// collection in its midst ends the job that made the key, and that wants the lock. What was read from PEM has a lock of its own.
export function newKey(type, options) {
  const { privateKey } = crypto.generateKeyPairSync(type, {
    ...options,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

export const jwk = (pem) => crypto.createPrivateKey(pem).export({ format: 'jwk' });
export const publicJwk = (pem) => crypto.createPublicKey(pem).export({ format: 'jwk' });
