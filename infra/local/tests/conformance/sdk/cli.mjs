// What the command line of Extra Horizon asks for: signed with OAuth1, in its order, through the SDK that it uses.

import assert from 'node:assert/strict';

import { SCRIPT, ended } from './tasks.mjs';
import { application, refused, rqlBuilder, sdk, zip } from './support.mjs';

const TAG = 'EXH_CLI_MANAGED';

/** `exh login` and `exh whoami`. */
async function login({ host, clientId, clientSecret }, email, password) {
  const consumer = { host, consumerKey: clientId, consumerSecret: clientSecret };
  const { token, tokenSecret } = await sdk.createOAuth1Client(consumer).auth.authenticate({ email, password });
  const exh = sdk.createOAuth1Client({ ...consumer, token, tokenSecret });
  assert.equal((await exh.users.me()).email, email);
  return exh;
}

/** `exh dispatchers sync --clean`. */
async function syncDispatchers(exh, local) {
  const remote = await exh.dispatchers.findAll({ rql: rqlBuilder().eq('tags', TAG).build() });
  for (const dispatcher of local) {
    dispatcher.tags = [...new Set([...(dispatcher.tags ?? []), TAG])];
    const known = remote.find(({ name }) => name === dispatcher.name);
    if (!known) {
      await exh.dispatchers.create(dispatcher);
      continue;
    }
    await exh.dispatchers.update(known.id, dispatcher);
    for (const action of dispatcher.actions) {
      const old = known.actions.find(({ name }) => name === action.name);
      await (old ? exh.dispatchers.actions.update(known.id, old.id, action) : exh.dispatchers.actions.create(known.id, action));
    }
    for (const old of known.actions.filter(({ name }) => !dispatcher.actions.some((action) => action.name === name))) {
      await exh.dispatchers.actions.remove(known.id, old.id);
    }
  }
  for (const gone of remote.filter(({ name }) => !local.some((dispatcher) => dispatcher.name === name))) {
    await exh.dispatchers.remove(gone.id);
  }
}

/** `exh templates sync`. */
async function syncTemplate(exh, template) {
  const known = await exh.templatesV2.findByName(template.name);
  return known
    ? exh.templatesV2.update(known.id, { description: null, inputs: null, ...template })
    : exh.templatesV2.create(template);
}

/** `exh tasks sync` of a function with `executionCredentials`. */
async function syncFunction(exh, { host, clientId, clientSecret }, name, permissions) {
  const email = `exh.tasks+${name}@extrahorizon.com`;
  const password = '0Oo-0123456789abcdef0123456789abcdef';
  const roleName = `exh.tasks.${name}`;
  assert.equal(await exh.users.globalRoles.findByName(roleName), undefined);
  const role = await exh.users.globalRoles.create({ name: roleName, description: 'A role' });
  await exh.users.globalRoles.addPermissions(rqlBuilder().eq('name', roleName).build(), { permissions });
  assert.equal(await exh.users.findFirst({ rql: rqlBuilder().eq('email', email).build() }), undefined);
  const user = await exh.users.createAccount({
    activationMode: 'manual', firstName: name, lastName: 'exh.tasks', email, password, phoneNumber: '0000000000', language: 'EN',
  });
  await exh.users.globalRoles.addToUsers(rqlBuilder().eq('id', user.id).build(), { roles: [role.id] });
  const { token, tokenSecret } = (await exh.raw.post('/auth/v2/oauth1/tokens', { email, password })).data;
  const known = await exh.users.findFirst({ rql: rqlBuilder().eq('email', email).build() });
  assert.deepEqual(known.roles.map(({ name: held }) => held), [roleName]);
  const roles = await exh.users.globalRoles.findByName(roleName);
  assert.deepEqual(roles.permissions.map(({ name: held }) => held).sort(), [...permissions].sort());
  const code = zip({ 'index.js': "exports.handler = async () => process.env.API_OAUTH_TOKEN;" });
  const environmentVariables = {
    API_HOST: { value: host }, API_OAUTH_CONSUMER_KEY: { value: clientId }, API_OAUTH_CONSUMER_SECRET: { value: clientSecret },
    API_OAUTH_TOKEN: { value: token }, API_OAUTH_TOKEN_SECRET: { value: tokenSecret },
  };
  await exh.tasks.functions.create({ name, code, ...SCRIPT, environmentVariables });
  const credentials = { host, consumerKey: clientId, consumerSecret: clientSecret, token, tokenSecret };
  return sdk.createOAuth1Client(credentials);
}

export async function commandLine(administrator, { host }) {
  const server = { host, ...await application(administrator) };
  const [email, password] = ['operator@example.com', 'correct horse 7 Battery'];
  const user = await administrator.users.createAccount({ firstName: 'Op', lastName: 'Erator', email, password, phoneNumber: '0', language: 'EN' });
  const role = await administrator.users.globalRoles.create({ name: 'operator', description: 'does everything' });
  await administrator.users.globalRoles.addPermissions(rqlBuilder().eq('id', role.id).build(), { permissions: ['*'] });
  await administrator.users.globalRoles.addToUsers(rqlBuilder().eq('id', user.id).build(), { roles: [role.id] });
  const exh = await login(server, email, password);

  const mail = { name: 'mail', outputs: { subject: 'Hi', body: '<p>there</p>' } };
  await syncTemplate(exh, { ...mail, description: 'm' });
  await syncTemplate(exh, { ...mail, inputs: { name: { type: 'string' } } });
  const template = await exh.templatesV2.findByName('mail');
  assert.deepEqual([template.description ?? null, template.inputs], [null, { name: { type: 'string' } }]);
  await refused(() => exh.templates.findAll(), 'ServiceNotFoundError', 404);

  const task = (name, functionName) => ({ type: 'task', name, functionName });
  const message = { type: 'mail', name: 'tell', recipients: { to: ['a@example.com'] }, templateId: template.id, templateName: 'mail' };
  await syncDispatchers(exh, [
    { name: 'one', eventType: 'a', actions: [task('first', 'f'), task('second', 'g')] },
    { name: 'two', eventType: 'b', actions: [message] },
  ]);
  await syncDispatchers(exh, [{ name: 'one', eventType: 'c', description: 'd', actions: [task('second', 'h'), message] }]);
  const left = await exh.dispatchers.findAll({ rql: rqlBuilder().eq('tags', TAG).build() });
  assert.deepEqual(left.map(({ name, eventType, description }) => [name, eventType, description]), [['one', 'c', 'd']]);
  assert.deepEqual(left[0].actions.map(({ name, functionName }) => [name, functionName]), [['second', 'h'], ['tell', undefined]]);

  const own = await syncFunction(exh, server, 'synced', ['VIEW_TASKS']);
  assert.equal((await own.users.me()).email, 'exh.tasks+synced@extrahorizon.com');
  await own.tasks.find();
  await refused(() => own.tasks.create({ functionName: 'synced' }), 'NoPermissionError', 401);
  await ended(exh, (await exh.tasks.create({ functionName: 'synced' })).id, 'complete');
}
