// Tasks: functions, tasks, logs, retries, direct execution, API functions, schedules.

import assert from 'node:assert/strict';

import { UNKNOWN_ID, refused, rqlBuilder, sdk, until, zip } from './support.mjs';

/** Waits until a task has this status. */
export const ended = (exh, id, status) => until(`the end of task ${id}`, async () => {
  const task = await exh.tasks.findById(id);
  assert(['new', 'inProgress', status].includes(task.status), JSON.stringify(task));
  return task.status === status && task;
});

/** What every function of these tests has. */
export const SCRIPT = { entryPoint: 'index.handler', runtime: 'nodejs20.x' };

export async function functions(exh) {
  const files = {
    'index.js': "const { double } = require('./lib/double'); exports.handler = async (task) => { console.log('n is', task.data.n); return { doubled: double(task.data.n), word: process.env.WORD }; };",
    'lib/double.js': 'exports.double = (n) => 2 * n;',
  };
  const created = await exh.tasks.functions.create({
    name: 'double', description: 'doubles', code: zip(files), ...SCRIPT, timeLimit: 10,
    environmentVariables: { WORD: { value: 'hello' } }, retryPolicy: { enabled: false, errorsToRetry: [] },
    executionOptions: { permissionMode: sdk.FunctionPermissionMode?.PERMISSION_REQUIRED ?? 'permissionRequired', defaultPriority: 3 },
  });
  assert.equal(created.name, 'double');
  assert.equal(created.enabled, true);
  assert(created.updateTimestamp instanceof Date);
  const details = await exh.tasks.functions.getByName('double');
  assert.equal(details.entryPoint, 'index.handler');
  assert.equal(details.executionOptions.defaultPriority, 3);
  assert.notEqual(details.environmentVariables.WORD.value, 'hello');
  await exh.tasks.functions.create({ name: 'boom', code: zip({ 'index.js': "exports.handler = () => { throw new RangeError('too far'); };" }), ...SCRIPT });
  assert.deepEqual(await exh.tasks.functions.update('double', { description: 'doubles numbers' }), { affectedRecords: 1 });
  const { data } = await exh.tasks.functions.find();
  assert.deepEqual(data.map(({ name, description }) => [name, description]), [['boom', undefined], ['double', 'doubles numbers']]);
  assert.deepEqual(await exh.tasks.functions.disable('double'), { affectedRecords: 1 });
  assert.equal((await exh.tasks.functions.getByName('double')).enabled, false);
  await refused(() => exh.tasks.create({ functionName: 'double' }), 'IllegalStateError', 400);
  assert.deepEqual(await exh.tasks.functions.enable('double'), { affectedRecords: 1 });
  await refused(() => exh.tasks.functions.getByName('nowhere'), 'ResourceUnknownError', 404);
  await refused(() => exh.tasks.functions.create({ name: 'double', code: zip(files), ...SCRIPT }), 'ResourceAlreadyExistsError', 400);
  await refused(() => exh.tasks.functions.create({ name: 'a_b', code: zip(files), ...SCRIPT }), 'InvalidFunctionNameError', 400);
  await refused(() => exh.tasks.functions.create({ name: 'a', code: zip({ 'index.js': '(' }), ...SCRIPT }), 'InvalidFunctionCodeError', 400);
  await refused(() => exh.tasks.functions.create({ name: 'a', code: zip(files), ...SCRIPT, timeLimit: 1 }), 'InvalidFunctionParameterError', 400);
}

export async function tasks(exh) {
  const created = await exh.tasks.create({ functionName: 'double', data: { n: 21, someKey: { innerKey: 1 } }, tags: ['a', 'b'] });
  assert.equal(created.status, 'new');
  assert.equal(created.priority, 3);
  assert(created.creationTimestamp instanceof Date && created.startTimestamp instanceof Date);
  assert(created.createdByUserId);
  const task = await ended(exh, created.id, 'complete');
  assert.deepEqual(task.data, { n: 21, someKey: { innerKey: 1 } });
  assert.deepEqual(task.result, { doubled: 42, word: 'hello' });
  const failed = await ended(exh, (await exh.tasks.create({ functionName: 'boom' })).id, 'failed');
  assert.deepEqual(failed.error, { type: 'runtime', name: 'RangeError', message: 'too far' });
  const later = new Date(Date.now() + 3_600_000);
  const delayed = await exh.tasks.create({ functionName: 'double', startTimestamp: later, priority: -1 });
  assert.equal(delayed.startTimestamp.getTime(), later.getTime());
  const ids = async (rql) => (await exh.tasks.find({ rql: rql.build() })).data.map(({ id }) => id);
  assert.deepEqual(await ids(rqlBuilder().eq('status', 'new')), [delayed.id]);
  assert.deepEqual(await ids(rqlBuilder().eq('tags', 'b')), [created.id]);
  assert.deepEqual(await ids(rqlBuilder().eq('data.someKey.innerKey', '1')), [created.id]);
  assert.deepEqual(await ids(rqlBuilder().gt('startTimestamp', new Date(Date.now() + 60_000).toISOString())), [delayed.id]);
  assert.deepEqual((await exh.tasks.findAll()).map(({ id }) => id), [delayed.id, failed.id, created.id]);
  assert.equal((await exh.tasks.findFirst({ rql: rqlBuilder().eq('functionName', 'boom').build() })).id, failed.id);
  const walked = [];
  const pages = exh.tasks.findAllIterator();
  for (let page = await pages.next(); !page.done; page = await pages.next()) {
    walked.push(...page.value.data);
  }
  assert.deepEqual(walked.map(({ id }) => id), [delayed.id, failed.id, created.id]);
  assert.deepEqual(await exh.tasks.cancel(delayed.id), { affectedRecords: 1 });
  assert.equal((await exh.tasks.findById(delayed.id)).status, 'canceled');
  await refused(() => exh.tasks.cancel(delayed.id), 'IllegalStateError', 400);
  await refused(() => exh.tasks.cancel(created.id), 'IllegalStateError', 400);
  await refused(() => exh.tasks.cancel(UNKNOWN_ID), 'ResourceUnknownError', 404);
  await refused(() => exh.tasks.cancel('nonsense'), 'IDFormatError', 400);
  assert.equal(await exh.tasks.findById(UNKNOWN_ID), undefined);
  return { created, failed, delayed };
}

export async function logs(exh, { created, delayed }) {
  const found = await exh.tasks.logs.find(created.id);
  const lines = found.data ?? found;
  assert.deepEqual(lines.map(({ message }) => message), ['n is 21']);
  assert(lines[0].timestamp instanceof Date);
  assert.equal((await exh.tasks.logs.findFirst(created.id)).message, 'n is 21');
  const after = rqlBuilder().ge('timestamp', new Date(Date.now() + 60_000).toISOString()).build();
  const none = await exh.tasks.logs.find(created.id, { rql: after });
  assert.deepEqual(none.data ?? none, []);
  await refused(() => exh.tasks.logs.find(delayed.id), 'IllegalStateError', 400);
  await exh.tasks.functions.create({ name: 'silent', code: zip({ 'index.js': 'exports.handler = () => 1;' }), ...SCRIPT });
  const silent = await exh.tasks.create({ functionName: 'silent' });
  await ended(exh, silent.id, 'complete');
  await refused(() => exh.tasks.logs.find(silent.id), 'NoTaskLogsFoundError', 400);
  const ofFunction = await exh.raw.get('/tasks/v1/functions/double/logs');
  assert.deepEqual(ofFunction.data.data.map(({ message }) => message), ['n is 21']);
  assert(ofFunction.data.data[0].eventTimestamp);
}

export async function retries(exh) {
  const retryPolicy = { enabled: true, errorsToRetry: ['RangeError'] };
  await exh.tasks.functions.update('boom', { retryPolicy });
  const first = await ended(exh, (await exh.tasks.create({ functionName: 'boom' })).id, 'retried');
  const next = await exh.tasks.findById(first.retriedByTaskId);
  assert.deepEqual(next.retryForTaskIds, [first.id]);
  await exh.tasks.functions.update('boom', { retryPolicy: { enabled: false, errorsToRetry: [] } });
}

export async function execution(exh) {
  const executed = await exh.tasks.functions.execute('double', { n: 4 });
  assert.deepEqual(executed.result, { doubled: 8, word: 'hello' });
  assert.equal(executed.status, 'complete');
  assert.equal((await exh.tasks.findById(executed.id)).status, 'complete');
  const runtimeError = { name: 'RangeError', message: 'too far' };
  await refused(() => exh.tasks.functions.execute('boom'), 'LambdaRuntimeError', 400, { runtimeError });
  await exh.tasks.functions.update('double', { timeLimit: 31 });
  await refused(() => exh.tasks.functions.execute('double', { n: 4 }), 'TimeLimitExceedsDirectExecutionMaximumError', 400);
  await exh.tasks.functions.update('double', { timeLimit: 10 });
  await refused(() => exh.tasks.functions.execute('nowhere'), 'ResourceUnknownError', 404);
}

export async function apiFunctions(exh) {
  const code = "exports.handler = async (request) => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ method: request.requestContext.http.method, body: request.body ?? null, user: request.headers['x-exh-requesting-user-id'] }) });";
  await exh.tasks.functions.create({ name: 'echo', code: zip({ 'index.js': code }), ...SCRIPT });
  const got = await exh.tasks.api.get('echo', 'some/path');
  assert.equal(got.method, 'GET');
  assert(got.user);
  const posted = await exh.tasks.api.post('echo', 'some/path', { some_key: 1 });
  assert.equal(posted.method, 'POST');
  assert.deepEqual(JSON.parse(posted.body), { some_key: 1 });
  for (const method of ['put', 'patch']) {
    const answer = await exh.tasks.api[method]('echo', 'some/path', { some_key: 2 });
    assert.deepEqual([answer.method, JSON.parse(answer.body)], [method.toUpperCase(), { some_key: 2 }]);
  }
  assert.equal((await exh.tasks.api.delete('echo', 'some/path')).method, 'DELETE');
  const { data } = await exh.tasks.apiRequests.find();
  const METHODS = ['DELETE', 'PATCH', 'PUT', 'POST', 'GET'];
  assert.deepEqual(data.map(({ functionName, method, statusCode }) => [functionName, method, statusCode]), METHODS.map((method) => ['echo', method, 200]));
  assert.equal((await exh.tasks.apiRequests.findAll()).length, METHODS.length);
  assert.equal((await exh.tasks.apiRequests.findFirst({ rql: rqlBuilder().eq('method', 'PUT').build() })).method, 'PUT');
  const pages = exh.tasks.apiRequests.findAllIterator();
  assert.equal((await pages.next()).value.data.length, METHODS.length);
  await refused(() => exh.tasks.apiRequests.logs.find(data[0].id), 'NoApiRequestLogsFoundError', 400);
  await refused(() => exh.tasks.apiRequests.logs.findFirst(data[0].id), 'NoApiRequestLogsFoundError', 400);
}

export async function schedules(exh) {
  const startTimestamp = new Date(Date.now() + 3_600_000);
  const created = await exh.tasks.schedules.create({ interval: 3_600, functionName: 'double', data: { someKey: 1 }, priority: 2, startTimestamp });
  assert.equal(created.interval, 3_600);
  assert.equal(created.nextTimestamp.getTime(), startTimestamp.getTime());
  assert.deepEqual(created.data, { someKey: 1 });
  const { data } = await exh.tasks.schedules.find({ rql: rqlBuilder().eq('functionName', 'double').build() });
  assert.deepEqual(data.map(({ id }) => id), [created.id]);
  assert.equal((await exh.tasks.schedules.findAll()).length, 1);
  assert.equal((await exh.tasks.schedules.findFirst()).id, created.id);
  assert.equal((await exh.tasks.schedules.findAllIterator().next()).value.data.length, 1);
  await refused(() => exh.tasks.schedules.create({ interval: 0, functionName: 'double' }), 'ApiError', 400);
  assert.deepEqual(await exh.tasks.schedules.remove(created.id), { affectedRecords: 1 });
  await refused(() => exh.tasks.schedules.remove(created.id), 'ResourceUnknownError', 404);
  const again = await exh.tasks.schedules.create({ interval: 3_600, functionName: 'double' });
  assert.deepEqual(await exh.tasks.schedules.delete(again.id), { affectedRecords: 1 });
  assert.deepEqual(await exh.tasks.schedules.findAll(), []);
}

export async function removal(exh) {
  for (const name of ['double', 'boom', 'silent', 'echo']) {
    assert.deepEqual(await exh.tasks.functions.remove(name), { affectedRecords: 1 });
  }
  await refused(() => exh.tasks.functions.remove('double'), 'ResourceUnknownError', 404);
  assert.deepEqual((await exh.tasks.functions.find()).data, []);
}
