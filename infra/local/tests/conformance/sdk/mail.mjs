// Templates and mails, and the mail of a dispatcher.

import assert from 'node:assert/strict';

import { UNKNOWN_ID, refused, rqlBuilder, until } from './support.mjs';

const INPUTS = {
  firstName: { type: 'string' },
  orders: { type: 'array', items: { type: 'object', properties: { price: { type: 'number' }, at: { type: 'string' } } } },
};
const OUTPUTS = {
  subject: 'Hello {{@inputs.firstName}}',
  body: '<p>{{@inputs.firstName}}{{#each @inputs.orders}} {{number this.price}}{{/each}}</p>',
};

export async function templates(exh) {
  assert.equal(await exh.templatesV2.health(), true);
  const created = await exh.templatesV2.create({ name: 'greeting', description: 'greets', inputs: INPUTS, outputs: OUTPUTS });
  assert.deepEqual([created.inputs, created.outputs], [INPUTS, OUTPUTS]);
  assert(created.creationTimestamp instanceof Date);
  assert.equal((await exh.templatesV2.findById(created.id)).name, 'greeting');
  assert.equal((await exh.templatesV2.findByName('greeting')).id, created.id);
  assert.equal((await exh.templatesV2.findFirst({ rql: rqlBuilder().eq('name', 'greeting').build() })).id, created.id);
  assert.deepEqual((await exh.templatesV2.find()).data.map(({ id }) => id), [created.id]);
  assert.equal((await exh.templatesV2.findAll()).length, 1);
  assert.equal(await exh.templatesV2.findByName('nobody'), undefined);
  await refused(() => exh.templatesV2.create({ name: 'greeting', inputs: INPUTS, outputs: OUTPUTS }), 'ResourceAlreadyExistsError', 400);

  const inputs = { firstName: 'Tom & <Jerry>', orders: [{ price: 1234.5, at: '' }] };
  const english = await exh.templatesV2.resolve('greeting', { inputs });
  assert.equal(english.body, '<p>Tom &amp; &lt;Jerry&gt; 1,234.5</p>');
  const dutch = await exh.templatesV2.resolve(created.id, { language: 'NL', timeZone: 'Europe/Brussels', inputs });
  assert.equal(dutch.body, '<p>Tom &amp; &lt;Jerry&gt; 1.234,5</p>');
  await refused(() => exh.templatesV2.resolve('nobody', { inputs }), 'ResourceUnknownError', 404);
  await refused(() => exh.templatesV2.create({ name: 'broken', outputs: { subject: '{{#if' } }), 'TemplateSyntaxError', 400);
  const wrong = await exh.templatesV2.resolve('greeting', { inputs: { firstName: 1 } }).catch((error) => error);
  assert.equal(wrong.status, 400);

  assert.equal((await exh.templatesV2.update('greeting', { description: null, outputs: { ...OUTPUTS, extra: 'x' } })).affectedRecords, 1);
  const changed = await exh.templatesV2.findById(created.id);
  assert.deepEqual([changed.description ?? null, changed.outputs.extra], [null, 'x']);
  const other = await exh.templatesV2.create({ name: 'other', outputs: { a: 'b' } });
  assert.equal((await exh.templatesV2.remove(other.id)).affectedRecords, 1);
  await refused(() => exh.templatesV2.remove(other.id), 'ResourceUnknownError', 404);
  return { templateId: created.id };
}

export async function mails(exh, { templateId }) {
  assert.equal(await exh.mails.health(), true);
  const recipients = { to: ['jane@example.com'], cc: ['john@example.com'] };
  const plain = await exh.mails.send({ subject: 'Hi', body: '<p>there</p>', recipients, replyTo: ['desk@example.com'] });
  assert.deepEqual([plain.subject, plain.recipients.to, plain.views], ['Hi', ['jane@example.com'], 0]);
  const content = { firstName: 'Ann', orders: [] };
  const attachments = [{ name: 'a.txt', content: Buffer.from('hello').toString('base64'), type: 'text/plain' }];
  const filled = await exh.mails.send({ templateName: 'greeting', language: 'EN', timeZone: 'Europe/Brussels', content, recipients, attachments });
  assert.equal(filled.subject, 'Hello Ann');
  assert.equal(filled.templateName, 'greeting');
  assert.equal((await exh.mails.send({ templateId, content, recipients })).templateId, templateId);
  assert.equal((await exh.mails.findById(filled.id)).id, filled.id);
  assert.equal((await exh.mails.find({ rql: rqlBuilder().eq('templateName', 'greeting').build() })).data.length >= 1, true);
  assert.equal((await exh.mails.findAll()).length, 3);
  assert.equal((await exh.mails.findFirst({ rql: rqlBuilder().eq('subject', 'Hi').build() })).id, plain.id);
  assert.equal(await exh.mails.findById(UNKNOWN_ID), undefined);
  assert(Array.isArray((await exh.mails.findOutbound()).data));
  await refused(() => exh.mails.track('nonsense'), 'ResourceUnknownError', 404);
  await refused(() => exh.mails.send({ templateId: UNKNOWN_ID, content, recipients }), 'ResourceUnknownError', 404);
  await refused(() => exh.mails.send({ subject: 'Hi', body: 'x', recipients: { to: ['nobody'] } }), 'FieldFormatError', 400);
}

export async function mailAction(exh, { templateId }) {
  const content = { type: 'object', properties: { name: { type: 'string' } } };
  const event = { type: 'object', properties: { type: { type: 'string' }, content } };
  const welcome = await exh.templatesV2.create({ name: 'welcome', inputs: { event }, outputs: { subject: 'Welcome {{@inputs.event.content.name}}', body: '{{@inputs.event.type}}' } });
  const dispatcher = await exh.dispatchers.create({
    name: 'welcome', eventType: 'person_joined',
    actions: [{ type: 'mail', name: 'greet', recipients: { to: ['ann@example.com'] }, templateId: welcome.id }],
  });
  assert.equal(dispatcher.actions[0].templateId, welcome.id);
  await exh.events.create({ type: 'person_joined', content: { name: 'Ann {{@inputs}} <b>' } });
  const sent = await until('the mail', () => exh.mails.findFirst({ rql: rqlBuilder().eq('templateId', welcome.id).build() }));
  assert.equal(sent.templateName, 'welcome');
  assert.deepEqual(sent.recipients.to, ['ann@example.com']);
  await exh.dispatchers.remove(dispatcher.id);
  await exh.templatesV2.remove(welcome.id);
  await exh.templatesV2.remove(templateId);
}
