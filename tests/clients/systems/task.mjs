// What every one of these clients does with a task that the tests give it (tests/clients/systems/conftest.py).
import { readFileSync } from 'node:fs';
import { Agent } from 'undici';

const PARAMETERS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  Ed25519: { name: 'Ed25519' },
};

export const privateKey = (task) =>
  crypto.subtle.importKey('jwk', task.key, PARAMETERS[task.algorithm], false, ['sign']);

// Node's own fetch, with the task's certificate if it has one.
export function fetching(task) {
  if (!task.certificate) return fetch;
  const [cert, key, ca] = [task.certificate, task.certificate_key, process.env.NODE_EXTRA_CA_CERTS].map((f) =>
    readFileSync(f),
  );
  const dispatcher = new Agent({ connect: { cert, key, ca } });
  return (url, options) => fetch(url, { ...options, dispatcher });
}

// Reads the tasks, does each, prints what came of it. An OAuth error is an outcome like others.
export async function run(doing) {
  const { tasks, ...city } = JSON.parse(readFileSync(0, 'utf8'));
  const outcomes = {};
  for (const task of tasks) {
    outcomes[task.name] = await doing(task, city).catch(async (wrong) => {
      if (!wrong.response && !wrong.error) throw wrong;
      return { refused: wrong.error ?? (await wrong.response.json()).error, status: wrong.status };
    });
  }
  console.log(JSON.stringify(outcomes));
  process.exit(0);
}

export const said = async (answer) => ({
  status: answer.status,
  rows: answer.ok ? (await answer.json()).rows.length : 0,
});
