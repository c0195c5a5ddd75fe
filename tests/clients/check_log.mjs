// Checks a log's checkpoint and one proof with packages of others, and prints what each of them says as JSON.
//
//   node check_log.mjs FILE
//
// FILE holds {checkpoint, spki, vkey, mldsa, index, hashes, envelope}: the signed note; the log's Ed25519 key as
// DER in base64; its two verifier keys; a proof with the entry that it is of, all in base64.

import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

const require = createRequire(import.meta.url);
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyMerkleInclusion } = require("@sigstore/verify/dist/tlog/merkle.js");

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const bytes = (encoded) => Buffer.from(encoded, "base64");

function keyOf(vkey) {
  const [name, , ...encoded] = vkey.trim().split("+"); // base64 may hold a plus as well
  return { name, raw: bytes(encoded.join("+")) };
}

function keyId({ name, raw }) {
  return createHash("sha256").update(name).update("\n").update(raw).digest();
}

function sigstore() {
  const entry = {
    canonicalizedBody: bytes(given.envelope),
    inclusionProof: {
      logIndex: String(given.index),
      hashes: given.hashes.map(bytes),
      checkpoint: { envelope: given.checkpoint },
    },
  };
  const key = keyOf(given.vkey);
  const publicKey = createPublicKey({ key: bytes(given.spki), format: "der", type: "spki" });
  const checkpoint = verifyCheckpoint(entry, [{ logID: keyId(key), publicKey, baseURL: `https://${key.name}` }]);
  verifyMerkleInclusion(entry, checkpoint);
  return true;
}

// The message is put together here once more, from C2SP tlog-cosignature, so that nothing of ours is taken on trust.
function noble() {
  const key = keyOf(given.mldsa);
  const id = keyId(key).subarray(0, 4);
  const [text, lines] = given.checkpoint.split("\n\n");
  const [origin, size, root] = text.split("\n");
  const signatures = lines.trimEnd().split("\n").map((line) => bytes(line.split(" ")[2]));
  const line = signatures.find((signature) => signature.subarray(0, 4).equals(id));
  const short = (name) => Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name)]);
  const range = Buffer.alloc(16);
  range.writeBigUInt64BE(BigInt(size), 8);
  const time = line.subarray(4, 12);
  const label = Buffer.from("subtree/v1\n\0");
  const message = Buffer.concat([label, short(key.name), time, short(origin), range, bytes(root)]);
  return ml_dsa44.verify(line.subarray(12), message, key.raw.subarray(1));
}

function said(check) {
  try {
    return check() ? "sound" : "refused";
  } catch (wrong) {
    return `refused: ${wrong.message}`;
  }
}

console.log(JSON.stringify({ sigstore: said(sigstore), noble: said(noble) }));
