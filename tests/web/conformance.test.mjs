// Runs tests/conformance.json, which says what its steps mean, against potluck.js on sockets that we play ourselves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { applied, board as boardStore } from '../../server/web/board.js';
import { connect } from '../../server/web/potluck.js';

const { boards, cases, welcome } = JSON.parse(readFileSync(new URL('../conformance.json', import.meta.url)));
const PATIENCE_MS = 2_000;

async function until(met, what, ms = PATIENCE_MS) {
  const ends = performance.now() + ms;
  while (!met()) {
    if (performance.now() > ends) assert.fail(`${typeof what === 'function' ? what() : what} within ${ms} ms`);
    await sleep(2);
  }
}

/** A server whose every word is in the case. */
class Played {
  constructor() {
    const played = this;
    this.sockets = []; // that said hello
    this.heard = []; // [socket, message] that no step has asked for yet
    this.WebSocket = class {
      readyState = 0;
      constructor() {
        queueMicrotask(() => {
          this.readyState = 1;
          this.onopen?.();
        });
      }
      send(text) {
        const message = JSON.parse(text);
        if (message.op === 'hello') played.sockets.push(this);
        played.heard.push([this, message]);
      }
      close() {
        this.readyState = 3;
        this.hungUp = true;
      }
    };
  }
}

class Case {
  lastId = 0;
  tokens = 1;
  told = {}; // topic -> {applied, resets, removed}
  stores = {};
  fetches = {}; // topic -> how to answer the fetches under way
  offs = {};
  throwing = new Set();

  constructor() {
    this.server = new Played();
    this.stepped = performance.now();
    this.client = connect({
      url: 'http://potluck',
      token: async fresh => `token-${fresh ? ++this.tokens : this.tokens}`,
      WebSocket: this.server.WebSocket,
    });
  }

  socket(number = this.server.sockets.length - 1) {
    return this.server.sockets[number];
  }

  listen(topics) {
    for (const [topic, from] of Object.entries(topics)) {
      const told = (this.told[topic] = { applied: [], resets: 0, removed: null });
      const handlers = {
        '*': (_, event) => {
          if (this.throwing.delete(topic)) throw Error('because a step said so');
          told.applied.push(event.id);
        },
        reset: () => told.resets++,
        removed: code => (told.removed = code),
      };
      this.offs[topic] = this.client.on(topic, handlers, { from });
    }
  }

  copy(topics) {
    for (const topic of topics) {
      this.fetches[topic] = [];
      const fetch = () => new Promise(answer => this.fetches[topic].push(answer));
      const add = (holds, _, event) => (holds.includes(event.id) ? holds : [...holds, event.id]);
      this.stores[topic] = this.client.store(topic, fetch, { 'comment.created': add });
    }
  }

  async fetched({ topic, cursor, holds, refetch }) {
    await until(() => this.fetches[topic].length, `a fetch of ${topic}`);
    if (refetch) return;
    this.fetches[topic].shift()({ value: holds, cursor });
    await sleep(1);
  }

  async gone(topics) {
    for (const topic of topics) {
      await until(() => this.fetches[topic].length, `a fetch of ${topic}`);
      this.fetches[topic].shift()(new Response('', { status: 404 }));
    }
  }

  forget(topics) {
    for (const topic of topics) this.offs[topic]();
  }

  throws(topics) {
    for (const topic of topics) this.throwing.add(topic);
  }

  async hello({ after_ms = 0, before_ms = 10_000, ...fields }) {
    const message = await this.next('hello', before_ms);
    const took = performance.now() - this.stepped;
    assert.ok(took >= after_ms, `said hello after ${took} ms`);
    this.compare(message, fields);
  }

  async hears(fields) {
    const message = await this.next(fields.op);
    this.lastId = message.id;
    this.compare(message, fields);
  }

  async next(op, ms) {
    const { heard } = this.server;
    await until(() => heard.length, `a ${op}`, ms);
    assert.equal(heard[0][1].op, op);
    return heard.shift()[1];
  }

  compare(message, fields) {
    for (const [name, wanted] of Object.entries(fields)) assert.deepEqual(message[name], wanted, name);
  }

  async says({ on, ...frame }) {
    if (frame.op === 'welcome') frame = { ...welcome, ...frame };
    if (frame.id === '$id') frame.id = this.lastId;
    this.socket(on).onmessage?.({ data: JSON.stringify(frame) });
    await sleep(1);
  }

  closes(code, { on } = {}) {
    const socket = this.socket(on);
    socket.readyState = 3;
    socket.onclose?.({ code });
  }

  hung_up(number) {
    assert.ok(this.socket(number).hungUp);
  }

  async silent(ms) {
    await sleep(ms);
    assert.deepEqual(this.server.heard, []);
  }

  async state(topics) {
    for (const [topic, wanted] of Object.entries(topics)) {
      const now = () => {
        const store = this.stores[topic];
        const known = { position: this.client.positions[topic] ?? null, ...this.told[topic] };
        if (store) Object.assign(known, { holds: store.value });
        if (store && !this.told[topic]) known.resets = this.client.seen.resets;
        return Object.fromEntries(Object.keys(wanted).map(name => [name, known[name]]));
      };
      const same = () => JSON.stringify(now()) === JSON.stringify(wanted);
      await until(same, () => `${topic} is ${JSON.stringify(now())}, not ${JSON.stringify(wanted)}`);
    }
  }

  seen(wanted) {
    for (const [name, number] of Object.entries(wanted)) assert.equal(this.client.seen[name], number, name);
  }

  async status(wanted) {
    await until(
      () => this.client.status === wanted,
      () => `${this.client.status}, not ${wanted},`,
    );
  }
}

async function play(steps) {
  const played = new Case();
  try {
    for (const step of steps) {
      const [what] = Object.keys(step);
      await played[what](step[what], step);
      played.stepped = performance.now();
    }
  } finally {
    played.client.close();
  }
}

describe('conformance', { concurrency: 64 }, () => {
  for (const { name, steps } of cases) test(name, () => play(steps));
});

describe('boards', () => {
  const short = ({ version, size, items }) => ({ version, size, items: items.map(each => each.entity_id) });

  for (const { name, board, change, becomes } of boards) {
    test(name, () => {
      const items = board.items.map(entity_id => ({ entity_id }));
      const after = applied({ board: 'users:global', ...board, items }, change);
      assert.deepEqual(after ? short(after) : null, becomes);
    });
  }

  test('a store of a board applies what fits, and fetches when there is something between', () => {
    let reducer,
      fetches = 0;
    const client = {
      store: (topic, _, reducers) => {
        assert.equal(topic, 'leaderboard:users:global');
        reducer = reducers['leaderboard.changed'];
        return { refresh: () => fetches++ };
      },
    };
    boardStore(client, 'users:global', async () => {});
    const known = { board: 'users:global', version: 1, size: 0, items: [] };
    const came = { entity_id: 'ada', name: 'Ada', from: null, to: 1, rank: 1, score: 2 };
    const next = reducer(known, { version: 2, from_version: 1, size: 1, moves: [came] });
    assert.deepEqual(next.items, [
      { entity_type: 'user', entity_id: 'ada', name: 'Ada', position: 1, rank: 1, score: 2 },
    ]);
    assert.equal(reducer(known, { version: 9, from_version: 8, size: 1, moves: [] }), undefined);
    assert.equal(fetches, 1);
  });
});

test('after the machine has slept: a sign of life is asked for, the token renewed, a dead connection replaced', async () => {
  const played = new Case();
  const { now } = Date;
  try {
    await played.hello({ token: 'token-1' });
    await played.says({ op: 'welcome' });
    Date.now = () => now() + 3_600_000;
    await played.hears({ op: 'ping' });
    await played.says({ op: 'pong', id: '$id', cursor: '01' });
    await played.hears({ op: 'token', token: 'token-2' });
    await played.says({ op: 'ok', id: '$id', token_expires_in: 3600 });
    Date.now = () => now() + 2 * 3_600_000;
    await played.hears({ op: 'ping' });
    await played.hears({ op: 'token', token: 'token-3' });
    await played.hello({ token: 'token-3' });
    played.hung_up(0);
  } finally {
    Date.now = now;
    played.client.close();
  }
});
