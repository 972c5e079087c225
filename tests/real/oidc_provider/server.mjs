// A certified OpenID provider (oidc-provider) on loopback, for tests that need a real counterpart.
//
//   node server.mjs '{"path": "/tenant", "ttl": {"AccessToken": 2}}'
//
// The only argument is a JSON object that overrides DEFAULTS. When the provider listens, one line
// `ready {issuer}` is printed on stdout; oidc-provider's own notices go to stderr. Everything is
// kept in memory and gone with the process. Sign in as anybody, with any password, on its
// development pages: every account is Jane Doe.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

// Set before oidc-provider is loaded, so that stdout has the ready line only.
console.info = console.error;
const { default: Provider } = await import('oidc-provider');

const DEFAULTS = {
  port: 0, // 0: one that is free
  path: '', // of the issuer: '/tenant', or with a slash at the end, which the issuer then keeps
  redirectUris: ['http://127.0.0.1:8088/callback'],
  client: {}, // more metadata of the client `authgate-cli`, over that in publicClient(); its method is binding
  clients: [], // further clients, as oidc-provider takes them
  scopes: ['openid', 'profile', 'email', 'offline_access'], // any other is dropped silently
  refusedScopes: [], // of those, the ones answered with invalid_scope
  alwaysRefresh: false, // true: a refresh token without offline_access, as AuthGate does it
  rotate: true, // a new refresh token for every refresh; the old one revokes the whole grant
  algorithm: 'RS256', // of ID tokens, JWT access tokens and signed UserInfo (`client` asks for that one)
  api: '', // a resource that needs no asking for; a machine's access token is then a JWT for it (RFC 9068)
  interval: 1, // in the device answer; 0: none, as oidc-provider itself has it
  pace: 0, // seconds between polls, measured and insisted on with slow_down; oidc-provider itself never does
  tls: '', // a PEM file with certificate and key; the issuer is then on https
  ttl: {}, // seconds: AccessToken, RefreshToken, IdToken, AuthorizationCode, DeviceCode
};

const TTL = {
  AccessToken: 3600,
  AuthorizationCode: 60,
  ClientCredentials: 600,
  DeviceCode: 600,
  Grant: 86400,
  IdToken: 3600,
  Interaction: 600,
  RefreshToken: 86400,
  Session: 86400,
};

const JANE = {
  name: 'Jane Doe',
  preferred_username: 'jane',
  email: 'jane@example.com',
  email_verified: true,
};

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function signingKey(algorithm) {
  const [type, options] = algorithm in CURVES
    ? ['ec', { namedCurve: CURVES[algorithm] }]
    : ['rsa', { modulusLength: 2048 }];
  const jwk = generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });
  return { ...jwk, use: 'sig', alg: algorithm };
}

function publicClient(settings) {
  const offered = settings.scopes.filter((scope) => !settings.refusedScopes.includes(scope));
  return {
    client_id: 'authgate-cli',
    client_name: 'AuthGate CLI',
    application_type: 'native', // http redirects to loopback, on any port (RFC 8252 section 7.3)
    token_endpoint_auth_method: 'none',
    grant_types: [
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    response_types: ['code'],
    redirect_uris: settings.redirectUris,
    scope: offered.join(' '),
    ...settings.client,
  };
}

function configuration(settings) {
  return {
    clients: [publicClient(settings), ...settings.clients],
    clientDefaults: { id_token_signed_response_alg: settings.algorithm },
    jwks: { keys: [signingKey(settings.algorithm)] },
    enabledJWA: { // by default ES384 and others are not allowed
      idTokenSigningAlgValues: [settings.algorithm],
      userinfoSigningAlgValues: [settings.algorithm],
    },
    cookies: { keys: ['for tests only'] },
    scopes: settings.scopes,
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...JANE }) }),
    pkce: { required: () => true },
    rotateRefreshToken: settings.rotate,
    ...(settings.alwaysRefresh && { issueRefreshToken: () => true }),
    ttl: { ...TTL, ...settings.ttl },
    clockTolerance: 0, // by default a token is accepted for 15 s after its end
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      jwtUserinfo: { enabled: true },
      resourceIndicators: {
        enabled: Boolean(settings.api),
        defaultResource: () => settings.api,
        getResourceServerInfo: () => ({
          scope: settings.scopes.join(' '),
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: settings.algorithm } },
        }),
      },
      revocation: { enabled: true },
    },
  };
}

// Say how often to poll, and insist on it (RFC 8628 sections 3.2 and 3.5): every poll that comes
// sooner after the one before is answered with slow_down, and from then on has to come 5 s later.
function deviceManners({ interval, pace }) {
  const codes = new Map();
  return async (ctx, next) => {
    await next();
    if (ctx.body?.user_code) {
      codes.set(ctx.body.device_code, { last: Date.now(), pace: pace * 1000 });
      if (interval) ctx.body.interval = interval;
    }
    const code = ctx.body?.error === 'authorization_pending' && codes.get(ctx.oidc.params.device_code);
    if (code) {
      if (Date.now() - code.last < code.pace) {
        code.pace += 5000;
        ctx.body = { error: 'slow_down', error_description: 'you are polling too quickly' };
      }
      code.last = Date.now();
    }
  };
}

// Refuse a secret that comes by another method than the client's own (RFC 7591 section 2), as other
// providers do; oidc-provider itself takes it from the header and from the form alike.
function boundToMethod({ client }) {
  return async (ctx, next) => {
    const authenticates = ['/token', '/device/auth', '/token/revocation'].includes(ctx.path);
    const method = ctx.get('authorization') ? 'client_secret_basic' : 'client_secret_post';
    if (authenticates && client.client_secret && client.token_endpoint_auth_method !== method) {
      ctx.status = 401;
      ctx.body = { error: 'invalid_client', error_description: 'client authentication failed' };
      return;
    }
    await next();
  };
}

// oidc-provider routes from '/': take the issuer's path off, and leave the whole address in
// originalUrl, from which it builds its own links.
function mounted(callback, prefix) {
  return (request, response) => {
    if (!request.url.startsWith(`${prefix}/`)) {
      response.writeHead(404).end();
      return;
    }
    request.originalUrl = request.url;
    request.url = request.url.slice(prefix.length);
    callback(request, response);
  };
}

function settingsFrom(argument = '{}') {
  const switches = JSON.parse(argument);
  const unknown = Object.keys(switches).filter((name) => !(name in DEFAULTS));
  if (unknown.length) throw new Error(`unknown switches: ${unknown}`);
  return { ...DEFAULTS, ...switches };
}

const settings = settingsFrom(process.argv[2]);
const pem = settings.tls && readFileSync(settings.tls);
const server = pem ? createTlsServer({ cert: pem, key: pem }) : createServer();

// The issuer holds the port, so the provider is made when the port is known.
server.listen(settings.port, '127.0.0.1', () => {
  const issuer = `http${pem ? 's' : ''}://127.0.0.1:${server.address().port}${settings.path}`;
  const provider = new Provider(issuer, configuration(settings));
  provider.use(boundToMethod(settings));
  provider.use(deviceManners(settings));
  server.on('request', mounted(provider.callback(), settings.path.replace(/\/$/, '')));
  console.log(`ready ${issuer}`);
});
