// A world to try potluck.js in: a log, servers that lag, tabs that crash and freeze, and time that runs fifty times as
// fast. Everything that happens is drawn from a seed. Import it before potluck.js.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';

const HASTE = 50;
const real = { setTimeout, setInterval, now: performance.now.bind(performance) };
const born = Date.now();
globalThis.setTimeout = (act, ms = 0, ...given) => real.setTimeout(act, ms / HASTE, ...given);
globalThis.setInterval = (act, ms, ...given) => real.setInterval(act, ms / HASTE, ...given);
performance.now = () => real.now() * HASTE;
Date.now = () => born + real.now() * HASTE;

export const later = ms => new Promise(done => real.setTimeout(done, ms));

/** Numbers from 0 to 1 (mulberry32). */
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const idOf = number => String(number).padStart(6, '0');
const here = new AsyncLocalStorage(); // the tab whose code runs

/** One log, told by processes that may lag behind it. */
export class World {
  constructor(seed) {
    this.chance = chance(seed);
    this.log = []; // {topic, id, prev, type, data}
    this.count = 0;
    this.newest = {}; // topic -> id
    this.processes = [0, 1].map(() => ({ at: '', draining: false, sockets: new Set() }));
    this.tabs = [];
    for (const each of this.processes) each.at = idOf(0);
  }

  pick(list) {
    return list[Math.floor(this.chance() * list.length)];
  }

  /** Something happens: an `event`, or a `state`, of which the newest is enough. */
  happen(topic, type) {
    const id = idOf((this.count += 1 + Math.floor(this.chance() * 3)));
    this.log.push({ op: 'event', topic, id, prev: this.newest[topic] ?? '', type, at: '', data: { id } });
    this.newest[topic] = id;
  }

  /** A process reads on in the log, and tells. */
  read(process, all) {
    const unread = this.log.filter(each => each.id > process.at);
    const read = all ? unread : unread.slice(0, Math.floor(this.chance() * (unread.length + 1)));
    for (const event of read) {
      process.at = event.id;
      for (const socket of process.sockets) socket.hear(event);
    }
    if (all || this.chance() < 0.3) for (const socket of process.sockets) socket.settle();
  }

  newTab(how) {
    const tab = new Tab(this, how);
    this.tabs.push(tab);
    return tab;
  }
}

/** A page in a browser: what it does, it does in its own name. */
export class Tab {
  constructor(world, connect) {
    this.world = world;
    this.queue = []; // what waits while it is frozen
    this.frozen = this.dead = false;
    this.sockets = new Set();
    const tab = this;
    const options = {
      WebSocket: class extends Socket {
        constructor() {
          super(tab);
        }
      },
    };
    this.client = here.run(this, () => connect(options));
  }

  /** Run something as the tab's own, in order; later when it is frozen, never when it is dead. */
  run(act) {
    if (this.dead) return;
    if (this.frozen) this.queue.push(act);
    else here.run(this, act);
  }

  freeze() {
    this.frozen = true;
  }

  thaw() {
    this.frozen = false;
    for (const act of this.queue.splice(0)) this.run(act);
  }

  crash() {
    this.dead = true;
    for (const socket of this.sockets) socket.gone();
    locks.releaseAllOf(this);
  }
}

/** Both ends of a socket: the browser's interface, and the server's behaviour behind it. */
class Socket {
  constructor(tab) {
    Object.assign(this, { tab, world: tab.world, readyState: 0, topics: new Map(), out: [] });
    this.process = this.world.pick(this.world.processes.filter(each => !each.draining)) ?? this.world.processes[0];
    tab.sockets.add(this);
    real.setTimeout(() => {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.process.sockets.add(this);
      tab.run(() => this.onopen?.());
    }, 1);
  }

  // the browser's side

  send(text) {
    if (this.readyState !== 1 || this.tab.dead) return;
    this.out.push(JSON.parse(text));
    real.setTimeout(() => this.readyState === 1 && this.obey(this.out.shift()), 1 + this.world.chance() * 2);
  }

  close() {
    this.gone();
  }

  gone() {
    this.readyState = 3;
    this.process.sockets.delete(this);
    this.tab.sockets.delete(this);
  }

  // the server's side

  obey({ op, id, topics }) {
    if (op === 'ping') this.say({ op: 'pong', id, cursor: this.isComplete ? this.process.at : '000000' });
    if (op === 'unsubscribe') {
      for (const topic of topics) this.topics.delete(topic);
      this.say({ op: 'unsubscribed', id, topics });
    }
    if (op !== 'hello' && op !== 'subscribe') return;
    this.greeted = true;
    const outcomes = {},
      missed = [];
    for (const [topic, from] of Object.entries(topics)) {
      const behind = this.world.log.filter(
        each => each.topic === topic && each.id <= this.process.at && from !== null && each.id > from,
      );
      outcomes[topic] = behind.length
        ? { outcome: 'replayed', count: behind.length, cursor: this.process.at }
        : { outcome: 'live', cursor: from > this.process.at ? from : this.process.at };
      this.topics.set(topic, null);
      missed.push(...behind);
    }
    const welcome = {
      session: '',
      user_id: 'u',
      heartbeat_s: 25,
      token_expires_in: 3600,
      retry: { min_ms: 50, max_ms: 400 },
    };
    this.say({
      op: op === 'hello' ? 'welcome' : 'subscribed',
      id,
      ticket: 't',
      topics: outcomes,
      ...(op === 'hello' ? welcome : {}),
    });
    for (const event of missed) this.tell(event);
  }

  hear(event) {
    if (!this.topics.has(event.topic)) return;
    if (this.world.chance() < 0.02 && event.topic !== 'home') {
      if (!this.topics.get(event.topic)) this.topics.set(event.topic, 'lost'); // on the way, by a fault of ours
      return;
    }
    this.tell(event);
  }

  /** `prev` is of the log: so what was lost shows. A topic that is filtered for its listener has none. */
  tell(event) {
    this.say(event.topic === 'home' ? { ...event, prev: null } : event);
  }

  /** Only what lost nothing may be told how far it is. */
  get isComplete() {
    return ![...this.topics.values()].includes('lost');
  }

  settle() {
    if (this.greeted && this.isComplete) this.say({ op: 'cursor', cursor: this.process.at, ticket: null });
  }

  say(frame) {
    if (this.readyState === 1)
      this.tab.run(() => this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(frame) }));
  }

  end(code) {
    this.gone();
    this.tab.run(() => this.onclose?.({ code }));
  }
}

// what tabs share

class Locks {
  held = new Map(); // name -> {tab, reject}
  waiting = []; // {name, tab, act, signal, resolve, reject}

  request(name, options, act = options) {
    const tab = here.getStore();
    return new Promise((resolve, reject) => {
      const asked = { name, tab, act, resolve, reject };
      options.signal?.addEventListener('abort', () => {
        const at = this.waiting.indexOf(asked);
        if (at >= 0) this.waiting.splice(at, 1) && reject(new DOMException('aborted', 'AbortError'));
      });
      if (!options.steal) {
        this.waiting.push(asked);
        return this.grant();
      }
      const robbed = this.held.get(name);
      this.take(asked);
      robbed?.tab.run(() => robbed.reject(new DOMException('stolen', 'AbortError')));
    });
  }

  grant() {
    for (const asked of [...this.waiting]) {
      if (this.held.has(asked.name) || !this.waiting.includes(asked)) continue;
      this.waiting.splice(this.waiting.indexOf(asked), 1);
      this.take(asked);
    }
  }

  take(asked) {
    this.held.set(asked.name, asked);
    asked.tab.run(async () => {
      const found = await asked.act();
      asked.resolve(found);
      if (this.held.get(asked.name) === asked) this.held.delete(asked.name);
      this.grant();
    });
  }

  releaseAllOf(tab) {
    this.waiting = this.waiting.filter(each => each.tab !== tab);
    for (const [name, { tab: whose }] of this.held) if (whose === tab) this.held.delete(name);
    this.grant();
  }

  async query() {
    return { held: [...this.held.keys()].map(name => ({ name })) };
  }
}

class Channel {
  static all = new Set();

  constructor(name) {
    Object.assign(this, { name, tab: here.getStore() });
    Channel.all.add(this);
  }

  postMessage(data) {
    if (this.tab.dead) return;
    const text = JSON.stringify(data);
    for (const other of Channel.all) {
      if (other !== this && other.name === this.name) {
        real.setTimeout(() => other.tab.run(() => other.onmessage?.({ data: JSON.parse(text) })), 1);
      }
    }
  }

  close() {
    Channel.all.delete(this);
  }
}

const locks = new Locks();
globalThis.BroadcastChannel = Channel;
globalThis.document = new EventTarget();
globalThis.window = new EventTarget();
setMaxListeners(0, document, window);
Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
