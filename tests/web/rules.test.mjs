// What potluck.js decides by itself, for all that may happen: random worlds (world.mjs), and tables of cases.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { chance, later, World } from './world.mjs';
import { backoff, connect, judge } from '../../server/web/potluck.js';

const SEEDS = Number(process.env.SEEDS ?? 20);
const TOPICS = ['post:1', 'post:2', 'home'];

/** Somebody who listens, and what they were told: from `from` on everything has to be among it, once and in order. */
class Listener {
  constructor(world, tab, topic) {
    Object.assign(this, { world, tab, topic, told: [] });
    const newest = world.log.at(-1)?.id ?? '000000';
    this.from =
      world.chance() < 0.5 ? newest : (world.log[Math.floor(world.chance() * world.log.length)]?.id ?? newest);
    tab.run(() => {
      this.off = tab.client.on(
        topic,
        { event: ({ id }) => this.told.push(id), reset: () => assert.fail('reset') },
        { from: this.from },
      );
    });
  }

  get wanted() {
    return this.world.log.filter(each => each.topic === this.topic && each.id > this.from).map(each => each.id);
  }
}

/** A copy of a topic: the set of what happened there. */
class Copied {
  constructor(world, tab, topic) {
    Object.assign(this, { world, tab, topic });
    const fetch = async () => {
      const cursor = world.pick(world.processes).at; // the answering process may lag; the database does not
      await later(world.chance() * 4);
      const value = world.log.filter(each => each.topic === topic).map(each => each.id);
      await later(world.chance() * 4);
      return { value, cursor };
    };
    tab.run(() => {
      this.store = tab.client.store(topic, fetch, { event: (all, { id }) => (all.includes(id) ? all : [...all, id]) });
      this.off = () => this.store.close();
    });
  }

  get told() {
    return this.store.value?.toSorted();
  }

  get wanted() {
    return this.world.log.filter(each => each.topic === this.topic).map(each => each.id);
  }
}

/** Let things happen for a while, then heal the world and see that everybody knows everything. */
async function live(seed, share) {
  const world = new World(seed);
  const user = share ? `u` : undefined;
  const begin = () =>
    world.newTab(options => connect({ url: `http://world${seed}`, token: () => 't', user, share, ...options }));
  const tabs = () => world.tabs.filter(each => !each.dead);
  begin();
  let listeners = [];
  const acts = {
    happen: () => world.happen(world.pick(TOPICS), 'event'),
    read: () => world.read(world.pick(world.processes)),
    listen: () =>
      listeners.push(
        new (world.chance() < 0.5 ? Listener : Copied)(
          world,
          world.pick(tabs().filter(each => !each.frozen)),
          world.pick(TOPICS),
        ),
      ),
    forget: () => {
      const [gone] = listeners.splice(Math.floor(world.chance() * listeners.length), 1);
      gone?.tab.run(() => gone.off());
    },
    cut: () => [...world.pick(world.processes).sockets].forEach(each => each.end(world.pick([1006, 4100, 4200, 4300]))),
    drain: () => {
      const process = world.pick(world.processes);
      for (const each of process.sockets) each.say({ op: 'drain', reconnect_in_ms: world.chance() * 200 });
    },
    open: () => share && tabs().length < 4 && begin(),
    crash: () => {
      if (tabs().filter(each => !each.frozen).length < 2) return;
      const tab = world.pick(tabs());
      tab.crash();
      listeners = listeners.filter(each => each.tab !== tab);
    },
    freeze: () => tabs().filter(each => !each.frozen).length > 1 && world.pick(tabs()).freeze(),
    thaw: () => world.pick(world.tabs).thaw(),
    check: () => window.dispatchEvent(new Event('online')),
  };
  const often = {
    happen: 12,
    read: 12,
    listen: 3,
    forget: 1,
    cut: 1,
    drain: 1,
    open: 1,
    crash: 0.5,
    freeze: 0.5,
    thaw: 1,
    check: 0.5,
  };
  const names = Object.keys(acts).flatMap(name => Array(often[name] * 2).fill(name));
  for (let i = 0; i < 250; i++) {
    acts[world.pick(names)]();
    if (world.chance() < 0.4) await later(world.chance() * 6);
  }
  for (const each of world.tabs) each.thaw();
  const same = () => listeners.every(each => JSON.stringify(each.told) === JSON.stringify(each.wanted));
  for (let i = 0; i < 400 && !same(); i++) {
    for (const process of world.processes) world.read(process, true);
    // What was lost last shows by what follows it.
    if (i < 200 && i % 40 === 39) for (const topic of TOPICS) world.happen(topic, 'event');
    await later(10);
  }
  const found = listeners.map(({ tab, topic, told, wanted, from }) => ({
    who: `seed ${seed}: tab ${world.tabs.indexOf(tab)}, ${topic} from ${from}, ${tab.client.status}`,
    told,
    wanted,
  }));
  for (const each of world.tabs) each.client.close();
  for (const { who, told, wanted } of found) assert.deepEqual(told, wanted, who);
}

describe('in any world', { concurrency: 8 }, () => {
  for (const share of process.env.SHARE ? [process.env.SHARE === 'yes'] : [false, true]) {
    for (let seed = 1; seed <= SEEDS; seed++) {
      test(`everybody is told everything once: seed ${seed}, ${share ? 'many tabs' : 'one tab'}`, () =>
        live(seed + (share ? 1e6 : 0), share));
    }
  }
});

test('waiting stays between the two, grows, and is spread out', () => {
  const retry = { min_ms: 500, max_ms: 15_000 };
  for (let tries = 1; tries < 40; tries++) {
    assert.equal(backoff(retry, tries, 0), 500);
    assert.equal(backoff(retry, tries, 1), Math.min(15_000, 500 * 2 ** tries));
  }
  const draw = chance(1);
  const drawn = Array.from({ length: 1000 }, () => backoff(retry, 5, draw()));
  assert.ok(new Set(drawn.map(Math.round)).size > 900);
});

test('an event is new, known, or shows that one is missing', () => {
  const cases = [
    ['05', '04', '06', 'new'],
    ['05', '05', '06', 'new'],
    ['05', '', '06', 'new'],
    ['05', null, '06', 'new'],
    ['05', '04', '05', 'duplicate'],
    ['05', null, '05', 'duplicate'],
    ['05', '01', '03', 'duplicate'],
    ['05', '06', '07', 'gap'],
    ['', '', '01', 'new'],
    ['', '01', '02', 'gap'],
  ];
  for (const [position, prev, id, verdict] of cases)
    assert.equal(judge(position, { id, prev }), verdict, `${position} ${prev} ${id}`);
});
