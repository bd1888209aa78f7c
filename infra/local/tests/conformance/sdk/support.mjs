// What all parts need: the SDK itself, a server of their own, and what is expected of calls.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const [hookyard, folder] = process.argv.slice(2).map((argument) => path.resolve(argument));
const require = createRequire(path.join(folder, 'package.json'));

export const sdk = require('@extrahorizon/javascript-sdk');
export const { rqlBuilder } = sdk;
const { strToU8, zipSync } = require('fflate');

const PATIENCE_MS = 60_000;
export const UNKNOWN_ID = '0123456789abcdef01234567';

/** A package in base64, from the texts of its files. */
export function zip(files) {
  const entries = Object.entries(files).map(([name, text]) => [name, strToU8(text)]);
  return Buffer.from(zipSync(Object.fromEntries(entries))).toString('base64');
}

/** Looks until it sees something. */
export async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) {
      return seen;
    }
    assert(Date.now() < deadline, `${what} never came`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

/** The classes of the errors that were expected so far, and came. */
export const met = new Set();

/** Expects a call to fail with an error of this class and status. */
export async function refused(call, name, status, more = {}) {
  const error = await call().then((value) => assert.fail(`${name} expected, but ${JSON.stringify(value)}`), (thrown) => thrown);
  assert(sdk[name], `the SDK has no ${name}`);
  assert(error instanceof sdk[name], `${name} expected, but ${error.name}: ${error.message}`);
  assert.equal(error.status, status, error.message);
  met.add(name);
  for (const [key, value] of Object.entries(more)) {
    assert.deepEqual(error.response?.[key], value, `${key} of ${JSON.stringify(error.response)}`);
  }
}

/** Creates a client that applications sign in with, as the administrator itself is none. */
export async function application(exh) {
  const { data } = await exh.raw.post('/clients', { name: 'application', permissions: [] });
  return { clientId: data.clientId ?? data.client_id, clientSecret: data.clientSecret ?? data.client_secret };
}

/** Makes the calls in groups of this many at once, and returns their answers in order. */
export async function inGroups(calls, size) {
  const answers = [];
  for (let at = 0; at < calls.length; at += size) {
    answers.push(...await Promise.all(calls.slice(at, at + size).map((call) => call())));
  }
  return answers;
}

const of = (service) => Object.keys(service).filter((name) => typeof service[name] === 'function');

/** Names the methods of services, and of the services within them, as `tasks.functions.create`. */
export function methods(services, prefix = '') {
  return Object.entries(services).flatMap(([name, service]) => {
    const inner = Object.entries(service).filter(([, value]) => value && typeof value === 'object');
    return [
      ...of(service).map((method) => `${prefix}${name}.${method}`),
      ...methods(Object.fromEntries(inner), `${prefix}${name}.`),
    ];
  });
}

/** Returns a service that notes which of its methods are called. */
export function watched(service, name, called) {
  return new Proxy(service, {
    get(target, property) {
      const value = target[property];
      if (typeof value === 'function') {
        return (...parameters) => {
          called.add(`${name}.${String(property)}`);
          return value.apply(target, parameters);
        };
      }
      return value && typeof value === 'object' ? watched(value, `${name}.${String(property)}`, called) : value;
    },
  });
}

/** Starts a server on temporary data, gives it to `use`, and stops it. */
export async function withServer(use, ...options) {
  const directory = await mkdtemp(path.join(tmpdir(), 'hookyard-sdk-'));
  const data = path.join(directory, 'data');
  const flags = ['--listen', '127.0.0.1:0', '--json', '--log', 'error', '--data', data, ...options];
  const server = spawn(hookyard, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = await Promise.race([
      createInterface({ input: server.stdout })[Symbol.asyncIterator]().next().then(({ value }) => [value]),
      new Promise((_, reject) => { server.once('exit', (status) => reject(new Error(`the server ended with ${status}`))); }),
    ]);
    const administrator = JSON.parse(await readFile(path.join(data, 'admin.json'), 'utf8'));
    return await use({ url: JSON.parse(line).url, clientId: administrator.client_id, clientSecret: administrator.client_secret });
  } finally {
    const gone = new Promise((resolve) => { server.once('exit', resolve); });
    if (server.exitCode === null && server.kill()) {
      await gone;
    }
    await rm(directory, { recursive: true, force: true });
  }
}
