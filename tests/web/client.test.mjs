// potluck.js in Node against a real server, through a proxy that cuts and swallows. Run by test_node.py, which
// starts the server and names it in POTLUCK_URL.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import net from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { connect } from '../../server/web/potluck.js';

const URL_ = process.env.POTLUCK_URL;
const KEY = Buffer.from(process.env.POTLUCK_KEY, 'base64');
const PATIENCE_MS = 15_000;
const open = new Set(); // what is to be closed at the end
let number = 0;

async function until(met, what) {
  const ends = performance.now() + PATIENCE_MS;
  while (!(await met())) {
    if (performance.now() > ends) assert.fail(`${what()} after ${PATIENCE_MS} ms`);
    await sleep(20);
  }
}

/** Somebody with an account. */
class Member {
  static async join() {
    const username = `node${process.pid}x${++number}`;
    const member = new Member();
    member.password = 'correct horse battery';
    Object.assign(
      member,
      await member.do('POST', '/auth/register', {
        username,
        email: `${username}@example.org`,
        password: member.password,
      }),
    );
    return member;
  }

  ask(method, path, body) {
    const headers = { 'Content-Type': 'application/json' };
    if (this.access_token) headers.Authorization = `Bearer ${this.access_token}`;
    return fetch(`${URL_}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  }

  async do(method, path, body) {
    const answer = await this.ask(method, path, body);
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? null : answer.json();
  }

  async signIn() {
    Object.assign(
      this,
      await this.do('POST', '/auth/login', { username: this.user.username, password: this.password }),
    );
  }

  /** A client of potluck.js, closed at the end. */
  live(options = {}) {
    const heard = [];
    const client = connect({
      url: URL_,
      token: async () => this.access_token,
      user: this.user.id,
      onstatus: (status, reason) => heard.push(reason ? `${status} ${reason}` : status),
      ...options,
    });
    open.add(client);
    return Object.assign(client, { heard });
  }

  /** What `access_token` says, signed anew with another end. */
  token(seconds) {
    const [head, body] = this.access_token.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    claims.exp = Math.floor(Date.now() / 1000) + seconds;
    const text = `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    return `${text}.${createHmac('sha256', KEY).update(text).digest('base64url')}`;
  }
}

/** Between a client and the server. */
class Proxy {
  static async start() {
    const proxy = new Proxy();
    const { hostname, port } = new URL(URL_);
    proxy.pairs = new Set();
    proxy.server = net.createServer(client => {
      const server = net.connect(port, hostname);
      const pair = [client, server];
      proxy.pairs.add(pair);
      for (const [from, to] of [pair, [server, client]]) {
        from.on('data', bytes => proxy.swallows || to.write(bytes));
        from.on('error', () => {});
        from.on('close', () => to.destroy() && proxy.pairs.delete(pair));
      }
    });
    await new Promise(ready => proxy.server.listen(0, '127.0.0.1', ready));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    open.add(proxy);
    return proxy;
  }

  cut() {
    for (const pair of this.pairs) for (const end of pair) end.destroy();
  }

  close() {
    this.server.close();
    this.cut();
  }
}

/** A store of a post's comments, and what HTTP says of them. */
function comments(client, member, post, options) {
  const path = `/posts/${post}/comments?limit=100`;
  const fetched = async () => {
    const answer = await member.ask('GET', path);
    if (!answer.ok) return answer;
    return {
      value: (await answer.json()).items.map(each => each.content),
      cursor: answer.headers.get('potluck-cursor'),
    };
  };
  const put = (all, { comment }) => (all.includes(comment.content) ? all : [...all, comment.content]);
  return client.store(`post:${post}`, fetched, { 'comment.created': put }, options);
}

async function truth(member, post) {
  return (await member.do('GET', `/posts/${post}/comments?limit=100`)).items.map(each => each.content);
}

async function equals(store, member, post) {
  await until(
    async () => JSON.stringify(store.value) === JSON.stringify(await truth(member, post)),
    () => `a store holds ${store.value}`,
  );
}

async function postOf(member) {
  return (await member.do('POST', '/posts', { content: 'Soup', post_type: 'daily', visibility: 'public' })).id;
}

async function twoAndAPost() {
  const [ada, ben] = await Promise.all([Member.join(), Member.join()]);
  return [ada, ben, await postOf(ada)];
}

after(() => open.forEach(each => each.close()));

describe('potluck.js', { concurrency: 64 }, () => {
  test('a snapshot is joined with its events while others write', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const writing = (async () => {
      for (let i = 0; i < 40; i++) await ben.do('POST', `/posts/${post}/comments`, { content: `${i}` });
    })();
    const client = ada.live();
    const early = comments(client, ada, post);
    await sleep(200);
    const late = comments(client, ada, post);
    await writing;
    await equals(early, ada, post);
    await equals(late, ada, post);
    assert.deepEqual([client.seen.gap, client.seen.resets], [0, 0]);
  });

  test('handlers are told every event once and in order, however often the connection is cut', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const proxy = await Proxy.start();
    const told = [];
    const client = ada.live({ url: proxy.url });
    client.on(`post:${post}`, { 'comment.created': ({ comment }) => told.push(comment.content) });
    await until(
      () => client.positions[`post:${post}`],
      () => 'no position',
    );
    for (let i = 0; i < 60; i++) {
      await ben.do('POST', `/posts/${post}/comments`, { content: `${i}` });
      if (i % 20 === 7) proxy.cut(); // three times: each wait is longer than the one before
      await sleep(20);
    }
    await until(
      () => told.length >= 60,
      () => `told ${told}`,
    );
    await sleep(200);
    assert.deepEqual(told, await truth(ada, post));
    assert.deepEqual([client.seen.gap, client.seen.resets], [0, 0]);
    assert.ok(client.heard.filter(each => each === 'live').length >= 3, client.heard.join());
  });

  test('a connection on which nothing is heard any more is given up', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const proxy = await Proxy.start();
    const client = ada.live({ url: proxy.url });
    const store = comments(client, ada, post);
    await until(
      () => client.status === 'live',
      () => client.status,
    );
    proxy.swallows = true;
    await ben.do('POST', `/posts/${post}/comments`, { content: 'Is anybody there?' });
    await until(
      () => client.status === 'connecting',
      () => client.status,
    );
    proxy.swallows = false;
    proxy.cut(); // what was begun meanwhile is as dead
    await equals(store, ada, post);
    assert.equal(client.seen.resets, 0);
  });

  test('who comes back from before the window fetches again', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const then = { value: ['of long ago'], cursor: '1'.padStart(24, '0') };
    await ben.do('POST', `/posts/${post}/comments`, { content: 'You missed this.' });
    const client = ada.live();
    const store = comments(client, ada, post, { initial: then });
    assert.deepEqual(store.value, then.value);
    await equals(store, ada, post);
    assert.equal(client.seen.resets, 1);
  });

  test('a token that is about to expire is replaced without a new connection', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const asked = [];
    const client = ada.live({ token: async fresh => asked.push(fresh) && (fresh ? ada.access_token : ada.token(4)) });
    const store = comments(client, ada, post);
    await until(
      () => asked.includes(true),
      () => asked,
    );
    await sleep(4500); // the first token has expired
    await ben.do('POST', `/posts/${post}/comments`, { content: 'Still here?' });
    await equals(store, ada, post);
    assert.deepEqual(asked, [false, true]);
    assert.deepEqual(client.heard, ['live']);
  });

  test('an expired token is replaced before the next try', async () => {
    const ada = await Member.join();
    const asked = [];
    const client = ada.live({ token: async fresh => asked.push(fresh) && (fresh ? ada.access_token : ada.token(-10)) });
    await until(
      () => client.status === 'live',
      () => client.heard,
    );
    assert.deepEqual(asked, [false, true]);
  });

  test('a session that ended goes on with the token of the next one, and misses nothing', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const client = ada.live();
    const store = comments(client, ada, post);
    await until(
      () => client.status === 'live' && store.state === 'live',
      () => client.status,
    );
    const old = { refresh_token: ada.refresh_token };
    await ada.signIn();
    await ada.do('POST', '/auth/logout', old);
    await until(
      () => client.heard.includes('connecting'),
      () => client.heard,
    );
    await ben.do('POST', `/posts/${post}/comments`, { content: 'Welcome back' });
    await equals(store, ada, post);
  });

  test('without a token it stops', async () => {
    const ada = await Member.join();
    const client = ada.live({ token: async fresh => (fresh ? null : ada.access_token) });
    await until(
      () => client.status === 'live',
      () => client.status,
    );
    await ada.do('POST', '/auth/logout', { refresh_token: ada.refresh_token });
    await until(
      () => client.status === 'stopped',
      () => client.heard,
    );
    assert.equal(client.reason, 'signed_out');
  });

  test("another user's token stops it", async () => {
    const [ada, ben] = await twoAndAPost();
    const client = ada.live({ token: () => ben.access_token });
    await until(
      () => client.status === 'stopped',
      () => client.heard,
    );
    assert.equal(client.reason, 'another_user');
  });

  test('a topic that may not be heard any more is removed, and so is what nobody may fetch', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const removed = [];
    const client = ben.live();
    client.on(`post:${post}`, { removed: code => removed.push(code) });
    const store = comments(client, ben, post);
    await until(
      () => store.state === 'live' && client.positions[`post:${post}`],
      () => store.state,
    );
    await ada.do('PUT', `/users/${ben.user.id}/block`);
    await until(
      () => removed.length && store.state === 'removed',
      () => `${removed} ${store.state}`,
    );
    const never = comments(client, ben, post);
    await until(
      () => never.state === 'removed',
      () => never.state,
    );
    assert.deepEqual([removed, store.reason, never.reason], [[store.reason], store.reason, 'not_found']);
  });

  test('what is kept goes on after a reload, without another fetch', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const kept = new Map();
    const storage = {
      getItem: key => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: key => kept.delete(key),
    };
    let fetches = 0;
    const told = [];
    const begin = () => {
      const client = ada.live({ storage });
      const fetch = () => ++fetches && ada.ask('GET', `/posts/${post}`);
      const counted = (value, counters) => ({ ...value, counters });
      client.on(`post:${post}`, { 'comment.created': ({ comment }) => told.push(comment.content) }, { keep: 'told' });
      return [client, client.store(`post:${post}`, fetch, { 'post.counters': counted }, { keep: 'post' })];
    };
    const [first, before] = begin();
    await until(
      () => first.status === 'live' && before.state === 'live', // so both know from where on they are told
      () => before.state,
    );
    await ben.do('POST', `/posts/${post}/comments`, { content: 'One' });
    await until(
      () => before.value.counters.comments === 1,
      () => before.value,
    );
    first.close();
    await ben.do('POST', `/posts/${post}/comments`, { content: 'Two' });
    const [second, later] = begin();
    assert.equal(later.value.counters.comments, 1);
    await until(
      () => later.value.counters.comments === 2 && told.length === 2,
      () => told,
    );
    assert.deepEqual([fetches, told], [1, ['One', 'Two']]);
    await ada.do('DELETE', `/posts/${post}`);
    await until(
      () => later.state === 'removed' && kept.size === 0,
      () => [...kept.keys()],
    );
    second.close();
  });

  test('a mistake of a handler is reported and harms nobody else', async () => {
    const [ada, ben, post] = await twoAndAPost();
    const client = ada.live();
    const told = [];
    const reported = [];
    const { error } = console;
    console.error = mistake => reported.push(mistake.message);
    client.on(`post:${post}`, {
      'comment.created': () => {
        throw Error('mine');
      },
    });
    client.on(`post:${post}`, { 'comment.created': ({ comment }) => told.push(comment.content) });
    await until(
      () => client.positions[`post:${post}`],
      () => 'no position',
    );
    await ben.do('POST', `/posts/${post}/comments`, { content: 'One' });
    await ben.do('POST', `/posts/${post}/comments`, { content: 'Two' });
    await until(
      () => told.length === 2,
      () => told,
    );
    console.error = error;
    assert.deepEqual(reported, ['mine', 'mine']);
  });
});
