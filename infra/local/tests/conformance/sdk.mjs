#!/usr/bin/env node
// Drives a real `hookyard` with the unmodified SDK of Extra Horizon.
//
//     sdk.mjs HOOKYARD FOLDER
//
// FOLDER is where `npm install @extrahorizon/javascript-sdk` was run. The process runs on temporary data and a free port.
// Every method of the services that Hookyard has must be called by one of the parts.

import { commandLine } from './sdk/cli.mjs';
import { actions, dispatchers, events, subscriptions } from './sdk/dispatchers.mjs';
import { errors, everyClass } from './sdk/errors.mjs';
import { dispatcherLists, eventLists } from './sdk/lists.mjs';
import { mailAction, mails, templates } from './sdk/mail.mjs';
import { refresh, users } from './sdk/signin.mjs';
import { methods, sdk, watched, withServer } from './sdk/support.mjs';
import * as tasks from './sdk/tasks.mjs';

const SERVICES = ['dispatchers', 'events', 'mails', 'tasks', 'templatesV2'];
const PARTS = [
  tasks.functions, tasks.tasks, tasks.logs, tasks.retries, tasks.execution, tasks.apiFunctions, tasks.schedules, tasks.removal,
  dispatchers, actions, events, subscriptions, templates, mails, mailAction, dispatcherLists, eventLists,
];

let failures = 0;

async function run(name, part) {
  try {
    const result = await part();
    console.log(`ok      ${name}`);
    return result;
  } catch (error) {
    failures += 1;
    console.log(`FAILED  ${name}: ${error.stack}\n        ${JSON.stringify(error.response ?? {})}`);
    return undefined;
  }
}

await withServer(async ({ url, clientId, clientSecret }) => {
  const host = `${url}/localhost`;
  const exh = sdk.createOAuth2Client({ host, clientId, clientSecret });
  await exh.auth.authenticate({ username: clientId, password: clientSecret });
  const called = new Set();
  const services = Object.fromEntries(SERVICES.map((name) => [name, exh[name]]));
  const seen = { raw: exh.raw, ...Object.fromEntries(SERVICES.map((name) => [name, watched(exh[name], name, called)])) };
  let known;
  for (const part of PARTS) {
    known = (await run(part.name, () => part(seen, known))) ?? known;
  }
  await run('users', () => users(exh, { host, clientId, clientSecret }));
  await run('commandLine', () => commandLine(exh, { host, clientId, clientSecret }));
  await run('errors', () => errors(exh, { host, clientId, clientSecret }));
  await run('every class of errors is met', async () => everyClass());
  await run('every method is called', async () => {
    const forgotten = methods(services).filter((name) => !called.has(name));
    if (forgotten.length > 0) {
      throw new Error(`nothing calls ${forgotten.join(', ')}`);
    }
  });
});
await withServer(({ url, clientId, clientSecret }) => (
  run('refresh', () => refresh({ host: `${url}/localhost`, clientId, clientSecret }))
), '--access-token-seconds', '1');
process.exitCode = failures > 0 ? 1 : 0;
