/* Solves a proof of work of ALTCHA's version 1 with SHA-256 in a Web Worker, without crypto.subtle (which a page at plain
   http:// does not have, and whose promise for every single hash costs more than the hash).

   Takes    {challenge, salt, largest}: the number n, 0 to largest, is sought for which SHA-256(salt + n) is `challenge` (hex).
   Answers  {tried: n} now and then, and at the end {number: n}, or {number: null} if there is none. */
"use strict";

// FIPS 180-4, 5.3.3 and 4.2.2
const H = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const K = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
const W = new Int32Array(64);

/* One block of 64 bytes at `at`, mixed into `state` (FIPS 180-4, 6.2.2). */
function mix(state, bytes, at) {
  for (let t = 0; t < 16; t += 1) {
    const i = at + 4 * t;
    W[t] = (bytes[i] << 24) | (bytes[i + 1] << 16) | (bytes[i + 2] << 8) | bytes[i + 3];
  }
  for (let t = 16; t < 64; t += 1) {
    const x = W[t - 15];
    const y = W[t - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[t] = (W[t - 16] + s0 + W[t - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3];
  let e = state[4], f = state[5], g = state[6], h = state[7];
  for (let t = 0; t < 64; t += 1) {
    const S1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + S1 + ((e & f) ^ (~e & g)) + K[t] + W[t]) | 0;
    const S0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (S0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/* Room for a text of up to `longest` bytes and its padding (FIPS 180-4, 5.1.1). */
function room(longest) {
  return new Uint8Array(64 * Math.ceil((longest + 9) / 64));
}

/* SHA-256 of the first `length` bytes of `bytes`, into `state`. Bytes after them are overwritten by the padding. */
function hash(state, bytes, length) {
  const end = 64 * Math.ceil((length + 9) / 64);
  bytes[length] = 0x80;
  bytes.fill(0, length + 1, end);
  const bits = length * 8;
  bytes[end - 4] = bits >>> 24;
  bytes[end - 3] = bits >>> 16;
  bytes[end - 2] = bits >>> 8;
  bytes[end - 1] = bits;
  state.set(H);
  for (let at = 0; at < end; at += 64) mix(state, bytes, at);
}

function wanted(hex) {
  const words = new Int32Array(8);
  for (let i = 0; i < 8; i += 1) words[i] = parseInt(hex.slice(8 * i, 8 * i + 8), 16) | 0;
  return words;
}

function same(a, b) {
  for (let i = 0; i < 8; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

function solve(challenge, salt, largest, progress) {
  const goal = wanted(challenge);
  const state = new Int32Array(8);
  const bytes = room(salt.length + String(largest).length);
  for (let i = 0; i < salt.length; i += 1) bytes[i] = salt.charCodeAt(i);
  for (let n = 0; n <= largest; n += 1) {
    const digits = String(n);
    for (let i = 0; i < digits.length; i += 1) bytes[salt.length + i] = digits.charCodeAt(i);
    hash(state, bytes, salt.length + digits.length);
    if (same(state, goal)) return n;
    if (n % 10000 === 9999) progress(n);
  }
  return null;
}

self.onmessage = function (event) {
  const task = event.data;
  const number = solve(task.challenge, task.salt, task.largest, (tried) => self.postMessage({ tried: tried }));
  self.postMessage({ number: number });
};
