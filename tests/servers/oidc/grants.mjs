// The grants that oidc-provider leaves to others: `password`, and token exchange (RFC 8693).
import crypto from 'node:crypto';

import { SCOPES, TOKEN_EXCHANGE, USERS } from './clients.mjs';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

// What is asked for and may be had; all of it where nothing is asked for.
const within = (asked, allowed) => allowed.split(' ').filter((scope) => !asked || asked.split(' ').includes(scope)).join(' ');

export function register(provider, { errors, keys, resourceServer }) {
  // An access token of `account`, opaque or, where a resource is named, a JWT.
  async function issue(ctx, account, scope) {
    const { client, params } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: account });
    grant.addOIDCScope(scope);
    if (params.resource) grant.addResourceScope(params.resource, scope);
    const grantId = await grant.save();
    const token = new provider.AccessToken({ accountId: account, client, grantId, gty: params.grant_type, scope });
    if (params.resource) token.resourceServer = new provider.ResourceServer(params.resource, resourceServer(ctx, params.resource));
    const value = await token.save();
    ctx.body = { access_token: value, expires_in: token.expiration, token_type: token.tokenType, scope };
    return grantId;
  }

  provider.registerGrantType('password', async (ctx) => {
    const { client, params } = ctx.oidc;
    if (!USERS.has(params.username) || USERS.get(params.username) !== params.password) {
      throw new errors.InvalidGrant('user name or password is wrong');
    }
    const scope = within(params.scope, SCOPES);
    const grantId = await issue(ctx, params.username, scope);
    if (client.grantTypeAllowed('refresh_token')) {
      const refresh = new provider.RefreshToken({
        accountId: params.username, client, grantId, gty: 'password', scope, resource: params.resource, rotations: 0,
      });
      ctx.body.refresh_token = await refresh.save();
    }
  }, ['username', 'password', 'scope', 'resource']);

  // Whose token this is, and what it is good for.
  async function told(subject) {
    const opaque = (await provider.AccessToken.find(subject)) ?? (await provider.ClientCredentials.find(subject));
    if (opaque?.isValid) return { account: opaque.accountId ?? opaque.clientId, scope: opaque.scope ?? '' };
    const [head, claims, signature] = subject.split('.');
    if (!signature) return undefined;
    const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
    const { alg, kid } = read(head);
    const jwk = keys.find((each) => each.kid === kid);
    if (!jwk || !['RS256', 'ES256'].includes(alg)) return undefined;
    const key = { key: crypto.createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
    const right = crypto.verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'));
    const { sub, scope = '', exp } = read(claims);
    return right && exp > Date.now() / 1000 ? { account: sub, scope } : undefined;
  }

  provider.registerGrantType(TOKEN_EXCHANGE, async (ctx) => {
    const { client, params } = ctx.oidc;
    if (!params.subject_token || ![ACCESS_TOKEN, JWT].includes(params.subject_token_type)) {
      throw new errors.InvalidRequest('subject_token and subject_token_type are wanted');
    }
    const subject = await told(params.subject_token);
    const actor = params.actor_token ? await told(params.actor_token) : { account: client.clientId };
    // RFC 8693 §2.2.2: "If either the subject_token or actor_token are invalid for any reason" it is this error.
    if (!subject || !actor) throw new errors.InvalidRequest('the subject token or the actor token is invalid');
    const scope = within(params.scope, subject.scope);
    ctx.act = { sub: actor.account };
    await issue(ctx, subject.account, scope);
    ctx.body.issued_token_type = params.requested_token_type ?? ACCESS_TOKEN;
  }, [
    'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type', 'scope', 'resource', 'audience',
  ], ['audience', 'resource']);
}
