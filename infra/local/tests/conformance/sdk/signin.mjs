// Signing in: clients and users, by OAuth2 and OAuth1, and what ends a token.

import assert from 'node:assert/strict';

import { application, refused, rqlBuilder, sdk, until } from './support.mjs';

const PASSWORD = 'correct horse 7 Battery';

export async function users(exh, { host, clientId, clientSecret }) {
  const consumer = await application(exh);
  const me = await exh.users.me();
  assert(me.id);
  const email = 'Jane.Doe@example.com';
  const created = await exh.users.createAccount({ firstName: 'Jane', lastName: 'Doe', email, password: PASSWORD, phoneNumber: '+3212345678', language: 'EN' });
  assert(created.id);
  const role = await exh.users.globalRoles.create({ name: 'reader', description: 'reads' });
  await exh.users.globalRoles.addPermissions(rqlBuilder().eq('id', role.id).build(), { permissions: ['VIEW_DISPATCHERS', 'VIEW_TASKS'] });
  await exh.users.globalRoles.addToUsers(rqlBuilder().eq('id', created.id).build(), { roles: [role.id] });
  const roles = await exh.users.globalRoles.find();
  assert(roles.data.some(({ name }) => name === 'reader'));

  const jane = sdk.createOAuth2Client({ host, clientId, clientSecret });
  const tokens = await jane.auth.authenticate({ username: email, password: PASSWORD });
  assert.equal(tokens.userId ?? jane.raw.userId, created.id);
  const seen = await jane.users.me();
  assert.deepEqual([seen.firstName, seen.lastName, seen.email.toLowerCase()], ['Jane', 'Doe', email.toLowerCase()]);
  await jane.dispatchers.find();
  await refused(() => jane.dispatchers.create({ eventType: 'x', actions: [] }), 'NoPermissionError', 401);
  const stranger = sdk.createOAuth2Client({ host, clientId, clientSecret });
  await refused(() => stranger.auth.authenticate({ username: email, password: 'wrong' }), 'InvalidGrantError', 400);
  // Of this one the SDK keeps nothing but its own advice.
  await refused(() => stranger.dispatchers.find(), 'UserNotAuthenticatedError', undefined);

  const signed = sdk.createOAuth1Client({ host, consumerKey: consumer.clientId, consumerSecret: consumer.clientSecret });
  const token = await signed.auth.authenticate({ email, password: PASSWORD });
  assert.equal(token.userId, created.id);
  assert.equal((await signed.users.me()).id, created.id);
  const odd = rqlBuilder().eq('tags', 'a b_c').or(rqlBuilder().eq('name', 'x').intermediate()).limit(5).build();
  assert.deepEqual((await signed.dispatchers.find({ rql: odd })).page.limit, 5);
  const preset = sdk.createOAuth1Client({ host, consumerKey: consumer.clientId, consumerSecret: consumer.clientSecret });
  await preset.auth.authenticate({ token: token.token, tokenSecret: token.tokenSecret });
  assert.equal((await preset.users.me()).id, created.id);
  const wrong = sdk.createOAuth1Client({ host, consumerKey: consumer.clientId, consumerSecret: 'wrong' });
  await refused(() => wrong.auth.authenticate({ email, password: PASSWORD }), 'OauthSignatureError', 401);
  const unknown = sdk.createOAuth1Client({ host, consumerKey: 'unknown', consumerSecret: 'wrong' });
  await refused(() => unknown.auth.authenticate({ email, password: PASSWORD }), 'OauthKeyError', 401);
  await exh.users.remove(created.id);
  await refused(() => signed.users.me(), 'OauthTokenError', undefined);
  await until('the event of the deleted user', () => exh.events.findFirst({ rql: rqlBuilder().eq('type', 'user_deleted').build() }));
}

/** Tokens of this server expire at once, so that the server has to say so and the SDK has to refresh them. */
export async function refresh({ host, clientId, clientSecret }) {
  const first = sdk.createOAuth2Client({ host, clientId, clientSecret });
  const { accessToken, refreshToken } = await first.auth.authenticate({ username: clientId, password: clientSecret });
  const renewed = [];
  const exh = sdk.createOAuth2Client({
    host, clientId, clientSecret, accessToken, refreshToken, freshTokensCallback: (tokens) => { renewed.push(tokens); },
  });
  await new Promise((resolve) => { setTimeout(resolve, 1_100); });
  assert((await exh.users.me()).id, 'the request is sent again with the new token');
  // What lives no longer than a second is renewed before the request is sent again as well.
  assert(renewed.length >= 1);
  assert.notEqual(renewed[0].accessToken, accessToken);
  await new Promise((resolve) => { setTimeout(resolve, 1_100); });
  const answers = await Promise.all(Array.from({ length: 5 }, () => exh.users.me()));
  assert.equal(answers.length, 5, 'several requests may refresh at once');
}
