// What potluck.js does about mistakes: of the application, of what was kept, of the server, and of sockets.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { connect } from '../../server/web/potluck.js';

const WELCOME = { heartbeat_s: 25, token_expires_in: 3600, retry: { min_ms: 5, max_ms: 10 }, user_id: 'u', topics: {} };
const live = cursor => ({ outcome: 'live', cursor });
let reported, sockets, client;

async function until(met) {
  for (let i = 0; i < 1000 && !met(); i++) await sleep(2);
  assert.ok(met(), `${met}`);
}

/** A socket like those of npm's ws: what nobody hears it throws, at the process. */
class Strict {
  static said = hello => ({
    ...WELCOME,
    op: 'welcome',
    topics: Object.fromEntries(hello.map(each => [each, live('01')])),
  });
  readyState = 0;
  heard = [];
  constructor() {
    sockets.push(this);
    setImmediate(() => this.readyState || this.open());
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  send(text) {
    const said = JSON.parse(text);
    this.heard.push(said);
    const answer = said.op === 'hello' && this.constructor.said(Object.keys(said.topics), said);
    if (answer) setImmediate(() => this.say(answer));
    const topics = Object.fromEntries(Object.keys(said.topics ?? {}).map(each => [each, live('01')]));
    if (said.op === 'subscribe') setImmediate(() => this.say({ op: 'subscribed', id: said.id, topics }));
  }
  say(frame) {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }
  event(id, type = 'post.published') {
    this.say({ op: 'event', topic: 'home', id, prev: null, type, data: {} });
  }
  close() {
    if (this.readyState === 0) this.fail();
    this.readyState = 3;
  }
  fail() {
    if (!this.onerror) throw Error('an error that nobody hears');
    this.onerror({ type: 'error' });
  }
}

function begin(options = {}) {
  client = connect({ url: 'http://potluck', token: () => 't', WebSocket: Strict, ...options });
  return client;
}

async function joined() {
  await until(() => client.status === 'live');
  await sleep(10);
  return sockets.at(-1);
}

function storage(kept) {
  const all = new Map([['potluck:u:k:home', kept]]);
  const getItem = key => all.get(key) ?? null;
  return { all, getItem, setItem: (key, value) => all.set(key, value), removeItem: key => all.delete(key) };
}

beforeEach(() => {
  [reported, sockets] = [[], []];
  globalThis.reportError = error => reported.push(error.message);
});
afterEach(() => client?.close());

describe('a socket', () => {
  test('that throws what nobody hears is always heard', async () => {
    begin();
    await until(() => sockets.length);
    client.close(); // while it connects
    sockets[0].fail();
    assert.equal(sockets[0].readyState, 3);
  });

  test('that says what cannot be read is lost, and so is one whose hello was refused: both are reported', async () => {
    for (const bad of ['{', 'null', { op: 'welcome' }, { op: 'error', code: 'invalid', message: 'no hello' }]) {
      const before = [sockets.length, reported.length];
      class Bad extends Strict {
        static said = () => bad;
      }
      begin({ WebSocket: Bad });
      await until(() => sockets.length > before[0] && reported.length > before[1]);
      assert.equal(client.status, 'connecting');
      client.close();
    }
    assert.equal(reported.at(-1), 'no hello');
  });
});

describe('what was kept', () => {
  for (const bad of [
    '{',
    '5',
    '"a"',
    '{"position":5,"value":1}',
    '{"position":"zzz","value":1}',
    '{"value":1}',
    '{"state":1}',
  ]) {
    test(`as ${bad} is dropped and fetched`, async () => {
      const kept = storage(bad);
      begin({ storage: kept, user: 'u' });
      const store = client.store('home', async () => ({ value: 7, cursor: '01' }), {}, { keep: 'k' });
      assert.equal(kept.all.size, 0);
      await joined();
      assert.deepEqual([store.value, store.state, reported], [7, 'live', []]);
    });
  }

  test('shows at once, and nothing else of it counts', () => {
    begin({
      storage: storage('{"position":"01","value":1,"topic":"evil","state":"removed","potluck":null}'),
      user: 'u',
    });
    const store = client.store('home', () => assert.fail('fetched'), {}, { keep: 'k' });
    assert.deepEqual([store.value, store.state, store.topic], [1, 'live', 'home']);
  });

  test('from a cursor that the server refuses is fetched again', async () => {
    class Refusing extends Strict {
      static said = () => ({ ...WELCOME, op: 'welcome', topics: { home: { outcome: 'error', code: 'bad_cursor' } } });
    }
    begin({ WebSocket: Refusing, storage: storage('{"position":"0f","value":1}'), user: 'u' });
    const store = client.store('home', async () => ({ value: 2, cursor: '02' }), {}, { keep: 'k' });
    await joined();
    await until(() => store.value === 2 && store.state === 'live');
  });
});

describe('a mistake of the application', () => {
  test('in token is reported, and asked again', async () => {
    let asked = 0;
    const token = () => {
      if (!asked++) throw Error('mine');
      return 't';
    };
    begin({ token });
    await until(() => client.status === 'live');
    assert.deepEqual(reported, ['mine']);
  });

  for (const [what, fetch] of [
    ['a TypeError', () => undefined.items],
    ['nothing', () => undefined],
    ['422', () => new Response('', { status: 422 })],
    ['no cursor', () => ({ value: 1, cursor: 5 })],
  ]) {
    test(`in fetch, ${what}, is reported`, async () => {
      begin().store('home', async () => fetch(), {});
      await until(() => reported.length === 1);
    });
  }

  test('is not that the network or the server failed', async () => {
    let asked = 0;
    const failures = [TypeError('fetch failed'), TypeError('Failed to fetch'), Object.assign(Error(), { status: 503 })];
    const token = async () => {
      if (asked < failures.length) throw failures[asked++];
      return 't';
    };
    begin({ token });
    await new Promise(done => setTimeout(done, 0));
    const store = client.store('home', async () => new Response('', { status: 503 }), {});
    await sleep(300);
    assert.deepEqual([reported, store.state], [[], 'loading']);
  });

  test('in an async handler is reported', async () => {
    begin().on('home', { '*': async () => Promise.reject(Error('late')) });
    (await joined()).event('02');
    await until(() => reported.includes('late'));
  });

  test('in the url is thrown at once; what is undefined is not given', () => {
    for (const url of ['localhost:1', 'nowhere', 'file:///x', undefined])
      assert.throws(() => begin({ url }), TypeError);
    begin({ WebSocket: Strict, share: undefined, client: undefined });
  });

  test('in a cursor is said', async () => {
    const removed = [];
    begin().on('home', { removed: code => removed.push(code) }, { from: 5 });
    assert.deepEqual([removed, reported], [['bad_cursor'], ['home: bad_cursor']]);
  });
});

test('too many topics are said', async () => {
  const removed = [];
  class Full extends Strict {
    static said = () => ({
      ...WELCOME,
      op: 'welcome',
      topics: { home: { outcome: 'error', code: 'too_many_topics' } },
    });
  }
  begin({ WebSocket: Full }).on('home', { removed: code => removed.push(code) });
  await joined();
  assert.deepEqual([removed, reported], [['too_many_topics'], ['home: too_many_topics']]);
});

test('from: undefined is from now on', async () => {
  const told = [];
  begin().on('home', { '*': (_, { id }) => told.push(id) }, { from: undefined });
  const socket = await joined();
  assert.deepEqual(socket.heard[0].topics, { home: null });
  socket.event('02');
  assert.deepEqual(told, ['02']);
});

test('types that are names of every object call nothing', async () => {
  begin().on('home', {});
  const socket = await joined();
  for (const [at, type] of ['__proto__', 'constructor', 'toString'].entries()) socket.event(`0${at + 2}`, type);
  assert.deepEqual([reported, client.positions], [[], { home: '04' }]);
});

test('one token is asked for at a time, whoever wakes it', async () => {
  let asked = 0;
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  globalThis.window = new EventTarget();
  try {
    begin({ token: () => ++asked && sleep(20, 't') });
    for (let i = 0; i < 3; i++) window.dispatchEvent(new Event('online'));
    await joined();
    assert.deepEqual([asked, sockets.length], [1, 1]);
  } finally {
    delete globalThis.document;
    delete globalThis.window;
  }
});

describe('nobody is called', () => {
  test('after their off(), or after close()', async () => {
    let others = 0;
    begin();
    const offs = [
      client.on('home', { 'post.published': () => offs.forEach(off => off()), '*': () => others++ }),
      client.on('home', { '*': () => others++ }),
    ];
    client.on('home', { '*': () => client.close() });
    client.on('home', { '*': () => others++ });
    (await joined()).event('02');
    assert.equal(others, 0);
  });

  test('of a store that was closed in a listener', async () => {
    begin();
    const made = [1, 2].map(() =>
      client.store('home', async () => ({ value: 0, cursor: '01' }), { event: v => v + 1 }),
    );
    const socket = await joined();
    const told = [];
    made[0].subscribe(value => value && made[1].close());
    made[1].subscribe(value => told.push(value));
    socket.event('02', 'event');
    assert.deepEqual([told, made[1].state], [[0], 'removed']);
  });
});

test('what is made after close() says so', () => {
  begin().close();
  const store = client.store('home', async () => ({ value: 1, cursor: '01' }), {});
  assert.deepEqual([store.state, store.reason, reported], ['removed', 'closed', ['home: closed']]);
});
