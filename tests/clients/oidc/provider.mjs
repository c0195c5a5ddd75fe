// Starts oidc-provider over TLS: node provider.mjs CERTIFICATE PORT REDIRECT_URI SECRET
// It signs in whoever types a name; the name is the subject.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const [certificate, port, redirectUri, secret] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'shuxiang',
      client_secret: secret,
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [new URL('/sign-in', redirectUri).href],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  cookies: { keys: ['a key for the cookies of a test'] },
  acrValues: ['urn:example:two-factors'],
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  pkce: { required: () => true },
});
const tls = readFileSync(certificate);
createServer({ key: tls, cert: tls }, provider.callback()).listen(Number(port), '127.0.0.1', () => console.log('ready'));
