import * as oauth from 'oauth4webapi';
import { fetching, privateKey, run, said } from './task.mjs';

async function authentication(task) {
  switch (task.method) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(task.secret);
    case 'client_secret_post':
      return oauth.ClientSecretPost(task.secret);
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt(await privateKey(task));
    default:
      return oauth.TlsClientAuth();
  }
}

// Does something with a proof, and once more where only the nonce was missing.
async function twice(doing) {
  try {
    return await doing();
  } catch (wrong) {
    if (!oauth.isDPoPNonceError(wrong)) throw wrong;
    return doing();
  }
}

run(async (task, city) => {
  const issuer = new URL(city.issuer);
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2' }),
  );
  const gateway = new URL(city.gateway);
  const plane = await oauth.processResourceDiscoveryResponse(gateway, await oauth.resourceDiscoveryRequest(gateway));
  const client = { client_id: task.client_id, use_mtls_endpoint_aliases: Boolean(task.certificate) };
  const auth = await authentication(task);
  const options = { [oauth.customFetch]: fetching(task) };
  const proving = task.dpop && { DPoP: oauth.DPoP(client, await oauth.generateKeyPair(task.dpop)) };

  const token = await twice(async () =>
    oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(as, client, auth, task.parameters, { ...options, ...proving }),
    ),
  );
  const call = (more) =>
    oauth
      .protectedResourceRequest(token.access_token, 'GET', new URL(city.url), new Headers(), null, more)
      .catch((wrong) => {
        if (!(wrong instanceof oauth.WWWAuthenticateChallengeError) || oauth.isDPoPNonceError(wrong)) throw wrong;
        return wrong.response;
      });
  const introspect = async () =>
    oauth.processIntrospectionResponse(
      as,
      client,
      await oauth.introspectionRequest(as, client, auth, token.access_token, options),
    );

  const first = await said(await twice(() => call({ ...options, ...proving })));
  const stolen = (await call()).status;
  const active = (await introspect()).active;
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, auth, token.access_token, options),
  );
  return {
    type: token.token_type,
    servers: plane.authorization_servers,
    first,
    stolen,
    active,
    after: (await twice(() => call({ ...options, ...proving }))).status,
    active_after: (await introspect()).active,
  };
});
