import * as client from 'openid-client';
import { fetching, privateKey, run, said } from './task.mjs';

async function authentication(task) {
  switch (task.method) {
    case 'client_secret_basic':
      return client.ClientSecretBasic(task.secret);
    case 'client_secret_post':
      return client.ClientSecretPost(task.secret);
    case 'private_key_jwt':
      return client.PrivateKeyJwt(await privateKey(task));
    default:
      return client.TlsClientAuth();
  }
}

run(async (task, city) => {
  const config = await client.discovery(
    new URL(city.issuer),
    task.client_id,
    { use_mtls_endpoint_aliases: Boolean(task.certificate) },
    await authentication(task),
    { algorithm: 'oauth2' },
  );
  config[client.customFetch] = fetching(task);
  const proving = task.dpop && {
    DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair(task.dpop)),
  };

  const token = await client.clientCredentialsGrant(config, task.parameters, proving || undefined);
  const call = (more) =>
    client
      .fetchProtectedResource(config, token.access_token, new URL(city.url), 'GET', null, undefined, more)
      .catch((wrong) => {
        if (!(wrong instanceof client.WWWAuthenticateChallengeError)) throw wrong;
        return wrong.response;
      });

  const first = await said(await call(proving || undefined));
  config[client.customFetch] = fetch;
  const stolen = (await call()).status;
  config[client.customFetch] = fetching(task);
  const active = (await client.tokenIntrospection(config, token.access_token)).active;
  await client.tokenRevocation(config, token.access_token);
  return {
    type: token.token_type,
    first,
    stolen,
    active,
    after: (await call(proving || undefined)).status,
    active_after: (await client.tokenIntrospection(config, token.access_token)).active,
  };
});
