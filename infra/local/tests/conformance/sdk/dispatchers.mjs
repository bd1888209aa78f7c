// Dispatchers, their actions, and events: what an event starts.

import assert from 'node:assert/strict';

import { SCRIPT } from './tasks.mjs';
import { UNKNOWN_ID, refused, rqlBuilder, until, zip } from './support.mjs';

export async function dispatchers(exh) {
  const actions = [{
    type: 'task', name: 'erase', description: 'erases', functionName: 'erase', data: { someKey: 'some value', braces: 'Hi {{name}}' }, tags: ['gdpr'],
  }];
  const created = await exh.dispatchers.create({ name: 'on deletion', description: 'd', eventType: 'person_deleted', tags: ['EXH_CLI_MANAGED'], actions });
  assert(created.creationTimestamp instanceof Date && created.updateTimestamp instanceof Date);
  assert.match(created.id, /^[0-9a-f]{24}$/);
  assert.match(created.actions[0].id, /^[0-9a-f]{24}$/);
  assert.deepEqual(created.actions[0].data, { someKey: 'some value', braces: 'Hi {{name}}' });
  const found = await exh.dispatchers.findById(created.id);
  assert.deepEqual({ ...found, warnings: undefined }, { ...created, warnings: undefined });
  assert.equal(await exh.dispatchers.findById(UNKNOWN_ID), undefined);
  const managed = rqlBuilder().eq('tags', 'EXH_CLI_MANAGED').build();
  assert.deepEqual((await exh.dispatchers.findAll({ rql: managed })).map(({ id }) => id), [created.id]);
  await refused(() => exh.dispatchers.create({ name: 'on deletion', eventType: 'x', actions }), 'ResourceAlreadyExistsError', 400);
  await refused(() => exh.dispatchers.create({ eventType: 'x', actions: [{ type: 'fax' }] }), 'FieldFormatError', 400);
  await refused(() => exh.dispatchers.create({ actions }), 'MissingRequiredFieldsError', 400);

  const changed = await exh.dispatchers.update(created.id, { name: 'on removal', description: 'e', eventType: 'person_removed', tags: ['b'] });
  assert.equal(changed.affectedRecords, 1);
  // The command line sends back all that it knows, actions among it, which have routes of their own.
  assert.equal((await exh.dispatchers.update(created.id, { ...created, name: 'on removal', eventType: 'person_removed', actions: [] })).affectedRecords, 1);
  const after = await exh.dispatchers.findById(created.id);
  assert.deepEqual([after.name, after.eventType, after.actions.length], ['on removal', 'person_removed', 1]);
  await refused(() => exh.dispatchers.update(UNKNOWN_ID, { name: 'x' }), 'ResourceUnknownError', 404);
  await refused(() => exh.dispatchers.update('nonsense', { name: 'x' }), 'IDFormatError', 400);
  return { id: created.id };
}

export async function actions(exh, { id }) {
  const added = await exh.dispatchers.actions.create(id, { type: 'task', name: 'tell', functionName: 'tell', data: { to: 'somebody' } });
  assert.equal(added.name, 'tell');
  const startTimestamp = new Date('2030-01-02T03:04:05.678Z');
  assert.equal((await exh.dispatchers.actions.update(id, added.id, { type: 'task', functionName: 'shout', startTimestamp })).affectedRecords, 1);
  const changed = (await exh.dispatchers.findById(id)).actions.find((action) => action.id === added.id);
  assert.equal(changed.functionName, 'shout');
  assert.equal(new Date(changed.startTimestamp).getTime(), startTimestamp.getTime());
  await refused(() => exh.dispatchers.actions.update(id, UNKNOWN_ID, { functionName: 'x' }), 'ResourceUnknownError', 404);
  assert.equal((await exh.dispatchers.actions.remove(id, added.id)).affectedRecords, 1);
  await refused(() => exh.dispatchers.actions.remove(id, added.id), 'ResourceUnknownError', 404);
  assert.equal((await exh.dispatchers.findById(id)).actions.length, 1);
}

export async function events(exh, { id }) {
  const code = 'exports.handler = async (task) => task.data;';
  await exh.tasks.functions.create({ name: 'erase', code: zip({ 'index.js': code }), ...SCRIPT });
  const content = { id: UNKNOWN_ID, someKey: { innerKey: [{ elementKey: 1 }] } };
  const event = await exh.events.create({ type: 'person_removed', content }, { normalizeEventContent: false });
  assert.equal(event.type, 'person_removed');
  assert(event.creationTimestamp instanceof Date);
  const task = await until('the task of the event', async () => {
    const rql = rqlBuilder().eq('functionName', 'erase').eq('status', 'complete').build();
    return exh.tasks.findFirst({ rql });
  });
  assert.equal(task.data.someKey, 'some value');
  assert.equal(task.data.event.id, event.id);
  assert.equal(task.data.event.type, 'person_removed');
  assert.deepEqual(task.data.event.content, content);
  assert.equal(task.data.event.creation_timestamp, event.creationTimestamp.getTime());
  assert.deepEqual(task.tags, ['gdpr']);
  assert.equal((await exh.events.findById(event.id)).id, event.id);
  assert.equal(await exh.events.findById(UNKNOWN_ID), undefined);
  const ofType = rqlBuilder().eq('type', 'person_removed').build();
  assert.equal((await exh.events.findFirst({ rql: ofType })).id, event.id);
  assert.deepEqual((await exh.events.findAll({ rql: ofType })).map((one) => one.content), [content]);
  // By default the SDK sends the keys of the content in snake case.
  await exh.events.create({ type: 'camel_sent', content: { camelKey: { innerKey: [{ elementKey: 1 }] } } });
  const raw = await until('the event', async () => (await exh.raw.get('/events/v1/?eq(type,camel_sent)', { customResponseKeys: ['*'] })).data.data[0]);
  assert.deepEqual(raw.content, { camel_key: { inner_key: [{ element_key: 1 }] } });
  assert.equal(await exh.events.health(), true);
  await refused(() => exh.events.create({ content }), 'MissingRequiredFieldsError', 400);
  await refused(() => exh.events.create({ type: 'a b' }), 'FieldFormatError', 400);

  const failing = zip({ 'index.js': "exports.handler = () => { throw new RangeError('too far'); };" });
  await exh.tasks.functions.create({ name: 'fail', code: failing, ...SCRIPT });
  const failed = await exh.tasks.create({ functionName: 'fail' });
  const told = await until('the event of the failed task', () => exh.events.findFirst({ rql: rqlBuilder().eq('type', 'task_failed').eq('content.id', failed.id).build() }));
  assert.deepEqual(told.content, { id: failed.id, functionName: 'fail', error: { type: 'runtime', name: 'RangeError', message: 'too far' } });
  await exh.dispatchers.remove(id);
  await refused(() => exh.dispatchers.remove(id), 'ResourceUnknownError', 404);
  await exh.tasks.functions.remove('erase');
  await exh.tasks.functions.remove('fail');
}

export async function subscriptions(exh) {
  const service = { name: 'reports', version: { major: 1, minor: 2, patch: 3 } };
  const created = await exh.events.subscriptions.create({ service, eventTypes: ['person_removed'], retriable: true });
  assert.deepEqual([created.service, created.eventTypes, created.retriable], [service, ['person_removed'], true]);
  assert(created.creationTimestamp instanceof Date);
  assert.deepEqual((await exh.events.subscriptions.find()).data.map(({ id }) => id), [created.id]);
  assert.equal((await exh.events.subscriptions.findAll()).length, 1);
  assert.equal((await exh.events.subscriptions.findById(created.id)).id, created.id);
  assert.equal((await exh.events.subscriptions.findFirst({ rql: rqlBuilder().eq('eventTypes', 'person_removed').build() })).id, created.id);
  assert.equal(await exh.events.subscriptions.findById(UNKNOWN_ID), undefined);
}
