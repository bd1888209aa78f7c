// Every class of errors that a caller can bring about, beside those that the other parts meet.

import assert from 'node:assert/strict';

import { application, met, refused, rqlBuilder, sdk, zip } from './support.mjs';

const SCRIPT = { entryPoint: 'index.handler', runtime: 'nodejs24.x' };
const PASSWORD = 'correct horse 7 Battery';

/** What takes a service that fails, or more load than a test should make; and what the SDK itself answers by refreshing. */
const NOT_MET = new Set([
  'ServerError', 'ServiceUnreachableError', 'ConcurrentExecutionLimitError', 'ConcurrentApiFunctionLimitError',
  'LoginFreezeError', 'TooManyFailedAttemptsError', 'RefreshTokenExpiredError', 'AccessTokenExpiredError', 'AccessTokenUnknownError', 'LambdaInvocationError',
]);
/** The classes of the codes that Hookyard answers with, and those of the token endpoint. */
const CLASSES = [
  'ServerError', 'ServiceUnreachableError', 'NoPermissionError', 'IDFormatError', 'EmptyBodyError',
  'MissingRequiredFieldsError', 'FieldFormatError', 'ResourceUnknownError', 'ResourceAlreadyExistsError', 'InvalidRqlError',
  'BodyFormatError', 'IllegalArgumentError', 'IllegalStateError', 'UserNotAuthenticatedError', 'AuthenticationError',
  'OauthKeyError', 'OauthTokenError', 'OauthSignatureError', 'DuplicateRequestError', 'AccessTokenUnknownError',
  'AccessTokenExpiredError', 'RefreshTokenExpiredError', 'EmailUsedError', 'LoginTimeoutError', 'LoginFreezeError',
  'TooManyFailedAttemptsError', 'ServiceNotFoundError', 'TemplateFillingError', 'TemplateSyntaxError',
  'TemplateResolvingError', 'InvalidFunctionCodeError', 'InvalidFunctionParameterError', 'ConcurrentExecutionLimitError',
  'TimeLimitExceedsDirectExecutionMaximumError', 'LambdaInvocationError', 'LambdaRuntimeError', 'InvalidFunctionNameError',
  'NoTaskLogsFoundError', 'InvalidApiFunctionResultError', 'TimeLimitExceedsApiFunctionMaximumError',
  'ConcurrentApiFunctionLimitError', 'NoApiRequestLogsFoundError', 'InvalidGrantError', 'InvalidClientError',
  'UnsupportedGrantTypeError', 'InvalidRequestError',
];

/** The reserved characters of OAuth1 beyond those that `encodeURIComponent` encodes. */
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

async function bodies(exh) {
  await refused(() => exh.raw.post('/dispatchers/v1/'), 'EmptyBodyError', 400);
  await refused(() => exh.raw.post('/dispatchers/v1/', Buffer.from('{"name":'), { headers: { 'content-type': 'application/json' } }), 'BodyFormatError', 400);
  await refused(() => exh.raw.patch('/dispatchers/v1/', {}), 'IllegalArgumentError', 405);
  await refused(() => exh.dispatchers.find({ rql: rqlBuilder().limit(1).build().replace('limit', 'limits') }), 'InvalidRqlError', 400);
}

async function templates(exh) {
  const inputs = { name: { type: 'string' }, parts: { type: 'number' } };
  const created = await exh.templatesV2.create({ name: 'errors', inputs, outputs: { subject: '{{@inputs.name}} {{divide 1 @inputs.parts}}' } });
  await refused(() => exh.templatesV2.resolve(created.name, { inputs: { name: 1, parts: 2 } }), 'TemplateFillingError', 400);
  await refused(() => exh.templatesV2.resolve(created.name, { inputs: { name: 'x', parts: 0 } }), 'TemplateResolvingError', 400);
  await exh.templatesV2.remove(created.id);
}

async function functions(exh) {
  const named = (name, code, more) => exh.tasks.functions.create({ name, code: zip({ 'index.js': code }), ...SCRIPT, ...more });
  await named('odd', "exports.handler = () => ({ statusCode: 'a' });", { timeLimit: 3 });
  await refused(() => exh.tasks.api.get('odd', 'x'), 'InvalidApiFunctionResultError', 400);
  await named('long', 'exports.handler = () => ({});', { timeLimit: 300 });
  await refused(() => exh.tasks.api.get('long', 'x'), 'TimeLimitExceedsApiFunctionMaximumError', 400);
  for (const name of ['odd', 'long']) {
    await exh.tasks.functions.remove(name);
  }
}

async function accounts(exh, { host, clientId, clientSecret }) {
  const email = 'errors@example.com';
  const account = { firstName: 'E', lastName: 'R', email, password: PASSWORD, language: 'EN' };
  const { id } = await exh.users.createAccount(account);
  await refused(() => exh.users.createAccount(account), 'EmailUsedError', 400);
  await refused(() => exh.users.authenticate({ email, password: 'wrong' }), 'AuthenticationError', 401);
  const consumer = await application(exh);
  const signed = sdk.createOAuth1Client({ host, consumerKey: consumer.clientId, consumerSecret: consumer.clientSecret });
  await refused(() => signed.auth.authenticate({ email, password: 'wrong' }), 'AuthenticationError', 401);
  const token = await signed.auth.authenticate({ email, password: PASSWORD });

  const { createHmac } = await import('node:crypto');
  const url = `${host}/users/v1/me`;
  const parameters = {
    oauth_consumer_key: consumer.clientId, oauth_nonce: 'once', oauth_signature_method: 'HMAC-SHA1',
    oauth_timestamp: String(Math.floor(Date.now() / 1000)), oauth_token: token.token, oauth_version: '1.0',
  };
  const query = Object.entries(parameters).map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&');
  const key = `${encoded(consumer.clientSecret)}&${encoded(token.tokenSecret)}`;
  parameters.oauth_signature = createHmac('sha1', key).update(`GET&${encoded(url)}&${encoded(query)}`).digest('base64');
  const authorization = `OAuth ${Object.entries(parameters).map(([name, value]) => `${name}="${encoded(value)}"`).join(', ')}`;
  const plain = sdk.createOAuth2Client({ host, clientId });
  assert.equal((await plain.raw.get('/users/v1/me', { headers: { authorization }, skipTokenCheck: true })).data.id, id);
  await refused(() => plain.raw.get('/users/v1/me', { headers: { authorization } }), 'DuplicateRequestError', 401);

  const grant = (body) => plain.raw.post('/auth/v2/oauth2/tokens', body);
  await refused(() => grant({ grant_type: 'magic', client_id: clientId, client_secret: clientSecret }), 'UnsupportedGrantTypeError', 400);
  await refused(() => grant({ grant_type: 'refresh_token', refresh_token: 'x', client_id: 'nobody', client_secret: 'x' }), 'InvalidClientError', 401);
  await refused(() => grant({ grant_type: 'password', client_id: clientId, client_secret: clientSecret }), 'InvalidRequestError', 400);
  for (let attempt = 0; !met.has('LoginTimeoutError'); attempt += 1) {
    assert(attempt < 50, 'nobody has to wait');
    const error = await exh.users.authenticate({ email: `nobody${attempt % 2}@example.com`, password: 'wrong' }).catch((thrown) => thrown);
    met.add(error.constructor.name);
  }
  await exh.users.remove(id);
}

export async function errors(exh, application) {
  await bodies(exh);
  await templates(exh);
  await functions(exh);
  await accounts(exh, application);
}

export function everyClass() {
  const missing = CLASSES.filter((name) => !met.has(name) && !NOT_MET.has(name));
  assert.deepEqual(missing, [], 'nothing meets these classes');
}
