// Lists: 230 dispatchers and 1,200 events, paged and filtered; every operator against an oracle of our own.

import assert from 'node:assert/strict';

import * as oracle from './oracle.mjs';
import { inGroups, refused, rqlBuilder, until } from './support.mjs';

const DISPATCHERS = 230;
const EVENTS = 1_200;
const EVENT_TYPE = 'list_checked';
/** Texts that a query must carry unharmed. */
const ODD = ['user_deleted', 'a b', 'a,b', '(a)', "it's", '100%', 'a%2Cb', 'a&b=c', 'date:x', 'é ü', '2023-06-01T00:00', 'true', '12'];

export async function dispatcherLists(exh) {
  const before = await exh.dispatchers.findAll();
  const create = (n) => () => exh.dispatchers.create({
    name: `list ${String(n).padStart(3, '0')}`,
    eventType: `type_${n % 7}`,
    ...(n % 3 === 0 ? { description: ODD[n % ODD.length] } : {}),
    tags: [`tag ${n % 5}`, ODD[n % ODD.length]].slice(0, 1 + (n % 2)),
    actions: [
      { type: 'task', name: 'one', functionName: 'nothing', data: { n: String(n) } },
      ...(n % 4 === 0 ? [{ type: 'task', name: 'two', functionName: 'other', startTimestamp: new Date(Date.UTC(2030, 0, 1 + (n % 28))) }] : []),
    ],
  });
  await inGroups(Array.from({ length: DISPATCHERS }, (_, n) => create(n)), 10);
  const all = await exh.dispatchers.findAll();
  assert.equal(all.length, before.length + DISPATCHERS);
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, 'each once');
  const walked = [];
  const pages = exh.dispatchers.findAllIterator();
  for (let page = await pages.next(); !page.done; page = await pages.next()) {
    walked.push(...page.value.data);
  }
  assert.deepEqual(walked.map(({ id }) => id), all.map(({ id }) => id));

  const mine = oracle.like('name', 'list ');
  const check = async (what, rql, test) => {
    const found = await exh.dispatchers.findAll({ rql: rql.like('name', 'list ').build() });
    const expected = all.filter(oracle.and(mine, test)).map(({ name }) => name);
    assert.deepEqual(found.map(({ name }) => name).sort(), expected.sort(), what);
    return found;
  };
  for (const text of [...ODD, 'tag 3', 'nothing', '']) {
    await check(`eq ${text}`, rqlBuilder().eq('description', text), oracle.eq('description', text));
    await check(`eq tags ${text}`, rqlBuilder().eq('tags', text), oracle.eq('tags', text));
    await check(`ne tags ${text}`, rqlBuilder().ne('tags', text), oracle.ne('tags', text));
    await check(`like ${text}`, rqlBuilder().like('description', text), oracle.like('description', text));
    await check(`ge ${text}`, rqlBuilder().ge('description', text), oracle.ge('description', text));
    await check(`lt ${text}`, rqlBuilder().lt('description', text), oracle.lt('description', text));
  }
  await check('gt', rqlBuilder().gt('name', 'list 100'), oracle.gt('name', 'list 100'));
  await check('le', rqlBuilder().le('name', 'list 100'), oracle.le('name', 'list 100'));
  await check('in', rqlBuilder().in('tags', ['tag 1', 'a,b', '(a)']), oracle.isIn('tags', ['tag 1', 'a,b', '(a)']));
  await check('out', rqlBuilder().out('eventType', ['type_1', 'type_2']), oracle.out('eventType', ['type_1', 'type_2']));
  await check('contains', rqlBuilder().contains('description'), oracle.contains('description'));
  await check('excludes', rqlBuilder().excludes('description'), oracle.excludes('description'));
  const two = [rqlBuilder().eq('name', 'two').intermediate(), rqlBuilder().eq('functionName', 'other').intermediate()];
  const twoTests = [oracle.eq('name', 'two'), oracle.eq('functionName', 'other')];
  await check('contains with conditions', rqlBuilder().contains('actions', ...two), oracle.contains('actions', ...twoTests));
  await check('excludes with conditions', rqlBuilder().excludes('actions', ...two), oracle.excludes('actions', ...twoTests));
  const either = [rqlBuilder().eq('eventType', 'type_1').intermediate(), rqlBuilder().eq('tags', 'tag 4').intermediate()];
  const eitherTests = [oracle.eq('eventType', 'type_1'), oracle.eq('tags', 'tag 4')];
  await check('or', rqlBuilder().or(...either), oracle.or(...eitherTests));
  await check('and', rqlBuilder().and(...either), oracle.and(...eitherTests));
  await check('nested', rqlBuilder().eq('actions.functionName', 'other'), oracle.eq('actions.functionName', 'other'));
  await check('at a place', rqlBuilder().eq('actions.1.name', 'two'), oracle.eq('actions.1.name', 'two'));
  const time = all[Math.floor(all.length / 2)].creationTimestamp;
  for (const text of [time.toISOString(), String(time.getTime())]) {
    await check(`since ${text}`, rqlBuilder().ge('creationTimestamp', text), oracle.ge('creationTimestamp', text));
    await check(`until ${text}`, rqlBuilder().lt('creationTimestamp', text), oracle.lt('creationTimestamp', text));
  }

  const sorted = await exh.dispatchers.findAll({ rql: rqlBuilder().like('name', 'list ').sort(['-eventType', '+name']).build() });
  const expected = oracle.sorted(all.filter(mine), '-eventType', '+name');
  assert.deepEqual(sorted.map(({ name }) => name), expected.map(({ name }) => name), 'sort');
  const page = await exh.dispatchers.find({ rql: rqlBuilder().like('name', 'list ').sort('name').limit(10, 100).build() });
  assert.deepEqual(page.page, { total: DISPATCHERS, offset: 100, limit: 10 });
  assert.deepEqual(page.data.map(({ name }) => name), Array.from({ length: 10 }, (_, n) => `list ${100 + n}`));
  const chosen = await exh.dispatchers.find({ rql: rqlBuilder().eq('name', 'list 004').select(['name', 'eventType']).build() });
  assert.deepEqual(chosen.data, [{ name: 'list 004', eventType: 'type_4' }]);
  const uncounted = await exh.dispatchers.find({ rql: rqlBuilder().skipCount().limit(3).build() });
  assert.equal(uncounted.data.length, 3);
  assert.equal((await exh.dispatchers.find({ rql: rqlBuilder().limit(5_000).build() })).page.limit, 50);
  assert.equal((await exh.dispatchers.findFirst({ rql: rqlBuilder().eq('name', 'list 007').build() })).name, 'list 007');
  assert.equal(await exh.dispatchers.findFirst({ rql: rqlBuilder().eq('name', 'nobody').build() }), undefined);
  for (const broken of ['?eq(name', '?eq(nome,x)', '?between(name,a,b)', '?limit(a)']) {
    await refused(() => exh.dispatchers.find({ rql: broken }), 'InvalidRqlError', 400);
  }
  await inGroups(all.filter(mine).map(({ id }) => () => exh.dispatchers.remove(id)), 10);
}

export async function eventLists(exh) {
  const calls = Array.from({ length: EVENTS }, (_, n) => () => exh.events.create({ type: EVENT_TYPE, content: { n } }));
  const created = await inGroups(calls, 20);
  const ofType = rqlBuilder().eq('type', EVENT_TYPE).build();
  const ids = (events) => events.map(({ id }) => id).sort();
  await until('the last event', async () => (await exh.events.find({ rql: ofType })).page.total >= EVENTS);
  const all = await exh.events.findAll({ rql: ofType });
  assert.deepEqual(ids(all), ids(created), 'each event once');
  const everything = await exh.events.findAll();
  assert(everything.length >= EVENTS);
  const unfiltered = await exh.events.find();
  assert.equal(unfiltered.page.total, everything.length);
  assert.equal(unfiltered.data.length, 20);
  const newest = await exh.events.find({ rql: rqlBuilder().eq('type', EVENT_TYPE).limit(50, 1_150).build() });
  assert.deepEqual(newest.page, { total: EVENTS, offset: 1_150, limit: 50 });
  assert.equal(newest.data.length, 50);
  const large = await exh.events.findAll({ rql: rqlBuilder().eq('type', EVENT_TYPE).ge('content.n', '1190').build() });
  assert.deepEqual(large.map(({ content }) => content.n).sort((one, other) => one - other), Array.from({ length: 10 }, (_, n) => 1_190 + n));
}
