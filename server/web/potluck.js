// @ts-self-types="./potluck.d.ts"
/**
 * Potluck's live news, for browsers and Node 20+. How to use it: docs/clients.md. The wire: docs/realtime.md.
 *
 * Three layers, from below: a Line is the connection. Tabs lets the tabs of a browser share one Line. A Copy is what
 * one `on` or `store` knows of a topic: it has a position of its own and alone decides what is new, known or missed.
 * What is lost or said twice below (a socket, a tab that dies, a deploy), it asks for again, or drops.
 */

const TICK_MS = 1_000;
const PROOF_MS = 3_000; // to give a sign of life
const WELCOME_MS = 10_000; // to get a token or a welcome; who lived so long waits less again
const NOTICE_MS = 60_000; // before a token ends it is replaced
const BUFFER = 1_000; // events that a store keeps while it fetches; beyond, it fetches once more

/** Begin to listen; see potluck.d.ts. */
export const connect = options => new Potluck(options);

/** What an event is to somebody at a position. */
export function judge(position, { id, prev }) {
  if (id <= position) return 'duplicate';
  return prev !== null && prev > position ? 'gap' : 'new';
}

/** How long to wait before the next try: at random, between the two, growing. */
export function backoff({ min_ms, max_ms }, tries, random = Math.random()) {
  return min_ms + random * (Math.min(max_ms, min_ms * 2 ** tries) - min_ms);
}

/** The connection, to whichever server. `tell` gets what is heard, in order. */
class Line {
  ticket = null;
  #options;
  #tell;
  // topic -> {at: how far it was told, null before the first answer; ask: from where somebody still needs to be told;
  //           asking: the same, once it is under way}
  #topics = new Map();
  #call = null; // the socket in use: {ws, asked: request id -> its topics, since}
  #next = null; // the one that will replace it
  #ids = 0;
  #turn = 0;
  #tries = 0;
  #prompt = true; // whether "reconnect now" may be obeyed: once, until there is a welcome
  #retry = { min_ms: 500, max_ms: 15_000 };
  #beat = 25_000;
  #heard = 0;
  #wall = Date.now();
  #renewAt = Infinity;
  #refused = false;
  #renewing = false;
  #timer;
  #clock;

  constructor(options, tell) {
    this.#options = options;
    this.#tell = tell;
  }

  start() {
    this.#clock = setInterval(() => this.#tick(), TICK_MS);
    this.#say('connecting');
    this.#dial();
  }

  stop() {
    clearInterval(this.#clock);
    clearTimeout(this.#timer);
    this.#clock = undefined;
    hangUp(this.#call);
    hangUp(this.#next);
    this.#call = this.#next = null;
  }

  /** Have a topic told from behind a cursor on; null: from now on. */
  want(topic, cursor) {
    const known = this.#topics.get(topic);
    if (!known) this.#topics.set(topic, { at: null, ask: cursor });
    else if (known.at !== null && (cursor === null || cursor >= known.at)) {
      const answer = { topic, from: cursor, outcome: 'live', cursor: cursor ?? known.at };
      return this.#tell({ op: 'answers', answers: [answer] });
    } else known.ask = lower(known.ask, cursor);
    queueMicrotask(() => this.#subscribe()); // once for this turn
  }

  leave(topic) {
    if (this.#topics.delete(topic) && this.#call) this.#request({ op: 'unsubscribe', topics: [topic] });
  }

  /** The network or the user came back: is there a connection still? */
  check() {
    if (this.#next || !this.#clock) return;
    if (!this.#call) return this.#dial();
    const call = this.#call, asked = performance.now();
    this.#request({ op: 'ping' });
    setTimeout(() => this.#call === call && this.#heard < asked && this.#lost(call, 1006), PROOF_MS);
  }

  async #dial() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    let token;
    try {
      token = await this.#token(this.#refused || Date.now() > this.#renewAt);
    } catch {
      if (turn === this.#turn) this.#later();
      return;
    }
    if (turn !== this.#turn || !this.#clock) return;
    if (!token) return this.#say('stopped', 'signed_out');
    hangUp(this.#next);
    const ws = new this.#options.WebSocket(this.#options.url.replace(/^http/, 'ws') + '/api/v1/ws', 'potluck.v1.json');
    const call = (this.#next = { ws, asked: new Map() });
    call.timer = setTimeout(() => this.#lost(call, 1006), WELCOME_MS);
    ws.onopen = () => {
      const wanted = {};
      for (const [topic, known] of this.#topics) {
        wanted[topic] = known.asking = lower(known.ask, known.at);
      }
      call.greeted = true;
      this.#request({ op: 'hello', token, ticket: this.ticket, client: this.#options.client, topics: wanted }, call, 0);
    };
    ws.onmessage = ({ data }) => this.#hear(call, JSON.parse(data));
    ws.onclose = ({ code }) => this.#lost(call, code);
  }

  #token(fresh) {
    const late = new Promise((_, reject) => AbortSignal.timeout(WELCOME_MS).addEventListener('abort', reject));
    return Promise.race([this.#options.token(fresh), late]);
  }

  #subscribe() {
    if (!this.#call || this.#next?.greeted) return; // hello names them, or its welcome calls again
    const topics = {};
    for (const [topic, known] of this.#topics) {
      if (known.ask !== undefined && !covers(known.asking, known.ask)) topics[topic] = known.asking = known.ask;
    }
    if (Object.keys(topics).length) this.#request({ op: 'subscribe', topics });
  }

  #request(command, call = this.#call, id = ++this.#ids) {
    const { op, topics } = command;
    if (op === 'hello' || op === 'subscribe') {
      call.asked.set(id, Object.entries(topics).map(([topic, from]) => [topic, from, this.#topics.get(topic)]));
    }
    if (call.ws.readyState === 1) call.ws.send(JSON.stringify(id ? { ...command, id } : command));
  }

  #hear(call, frame) {
    this.#heard = performance.now();
    this.ticket = frame.ticket ?? this.ticket;
    if (frame.op === 'welcome') this.#welcome(call, frame);
    if (call !== this.#call) return;
    const known = this.#topics.get(frame.topic);
    switch (frame.op) {
      case 'subscribed':
        return this.#answered(call, frame);
      case 'pong':
      case 'cursor':
        for (const each of this.#topics.values()) if (each.at !== null) each.at = higher(each.at, frame.cursor);
        return this.#tell({ op: 'cursor', cursor: frame.cursor, ticket: frame.ticket });
      case 'event':
        if (known && known.at !== null) known.at = higher(known.at, frame.id);
        return this.#tell(frame);
      case 'reset':
        if (known) known.at = frame.cursor;
        return this.#tell(frame);
      case 'removed':
        this.#topics.delete(frame.topic);
        return this.#tell(frame);
      case 'token_expiring':
        return this.#renew();
      case 'ok':
        return this.#expires(frame);
      case 'drain': // make before break: this one goes on until the next is welcomed
        return this.#later(frame.reconnect_in_ms);
      case 'error':
        return this.#refuse(call, frame);
    }
  }

  #welcome(call, frame) {
    clearTimeout(call.timer);
    hangUp(this.#call);
    this.#call = call;
    this.#next = null;
    call.since = this.#heard;
    if (this.#options.user && this.#options.user !== frame.user_id) return this.#say('stopped', 'another_user');
    this.#beat = frame.heartbeat_s * 1000;
    this.#retry = frame.retry;
    this.#prompt = true;
    this.#expires(frame);
    this.#answered(call, { ...frame, id: 0 });
    this.#say('live');
    this.#subscribe();
  }

  #answered(call, { id, topics, ticket }) {
    const answers = [];
    for (const [topic, from, known] of call.asked.get(id) ?? []) {
      const outcome = topics[topic];
      if (!outcome || this.#topics.get(topic) !== known) continue; // left meanwhile, maybe to come back
      if (known.asking === from) known.asking = undefined;
      if (covers(from, known.ask)) known.ask = undefined;
      if (outcome.outcome === 'error') this.#topics.delete(topic);
      else known.at = outcome.outcome === 'replayed' ? from : outcome.cursor;
      answers.push({ topic, from, ...outcome });
    }
    call.asked.delete(id);
    this.#tell({ op: 'answers', answers, ticket });
  }

  #refuse(call, { id, code, retry_after: wait }) {
    const asked = call.asked.get(id);
    if (!asked) return;
    if (wait === undefined) {
      const refusal = { outcome: 'error', code };
      return this.#answered(call, { id, topics: Object.fromEntries(asked.map(([topic]) => [topic, refusal])) });
    }
    call.asked.delete(id);
    setTimeout(() => {
      for (const [, , known] of asked) known.asking = undefined;
      this.#subscribe();
    }, wait * 1000);
  }

  /** By the close code: 40 stop, 42 again at once, 43 with a new token, anything else after a while. */
  #lost(call, code) {
    hangUp(call);
    if (call === this.#call) this.#call = null;
    else if (call === this.#next) this.#next = null;
    else return;
    for (const known of this.#topics.values()) known.asking = undefined;
    const verdict = Math.floor(code / 100);
    if (verdict === 40) return this.#say('stopped', code);
    if (verdict === 43) this.#refused = true;
    if (code === 1009) this.ticket = null; // a ticket may be what made the hello too long
    if (this.#heard - call.since > WELCOME_MS) this.#tries = 0;
    if (this.#call) this.#subscribe();
    else this.#say(globalThis.navigator?.onLine === false ? 'offline' : 'connecting');
    if (this.#next) return;
    const prompt = this.#prompt && (verdict === 42 || verdict === 43);
    this.#prompt = false;
    this.#later(prompt ? 0 : undefined);
  }

  #later(ms = backoff(this.#retry, ++this.#tries)) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), ms);
  }

  #expires({ token_expires_in: seconds }) {
    this.#refused = false;
    this.#renewAt = Date.now() + Math.max(seconds * 1000 - NOTICE_MS, TICK_MS);
  }

  /** When the server says so, or our own clock, which goes on while the machine sleeps. */
  async #renew() {
    if (this.#renewing) return;
    this.#renewing = true;
    this.#renewAt = Date.now() + 5 * TICK_MS; // then again, unless it is answered
    try {
      const token = await this.#token(true);
      if (!token && this.#clock) this.#say('stopped', 'signed_out');
      else if (this.#call) this.#request({ op: 'token', token });
    } catch {
      // a later tick tries again
    } finally {
      this.#renewing = false;
    }
  }

  #tick() {
    const wall = Date.now(), slept = wall - this.#wall > 4 * TICK_MS, silent = performance.now() - this.#heard;
    this.#wall = wall;
    if (slept) return this.check(); // much of what we did not hear may be about to arrive
    if (!this.#call) return;
    if (silent > 1.5 * this.#beat) return this.#lost(this.#call, 1006);
    if (silent > this.#beat) this.#request({ op: 'ping' });
    if (wall > this.#renewAt) this.#renew();
  }

  #say(status, reason) {
    if (status === 'stopped') this.stop();
    this.#tell({ op: 'status', status, reason, beat: this.#beat });
  }
}

/** A Line for all tabs: the one that holds the lock leads and passes on what its Line tells. */
class Tabs {
  ticket = null;
  #options;
  #tell;
  #again;
  #id = Math.random().toString(36).slice(2);
  #name;
  #channel;
  #line = null; // while we lead
  #tabs = new Map(); // while we lead: topic -> tabs that want it
  #leader = null;
  #count = 0; // of what the leader has told: who finds that something is missing asks again
  #heard = performance.now();
  #status = { op: 'status', status: 'connecting', beat: 25_000 };
  #queue;
  #clock;
  #end;
  #over = new Promise(end => (this.#end = end)); // until then we hold our locks

  constructor(options, tell, again) {
    this.#options = options;
    this.#tell = tell;
    this.#again = again;
    this.#name = `potluck:${options.url}:${options.user}`;
  }

  start() {
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#take(data);
    this.#clock = setInterval(() => this.#tick(), TICK_MS);
    // Who holds such a lock lives: see #bury.
    navigator.locks.request(`${this.#name}:${this.#id}`, () => {
      this.#post({ ask: true });
      if (this.#clock) this.#stand();
      return this.#over;
    });
  }

  stop() {
    if (!this.#line) this.#post({ bye: true });
    clearInterval(this.#clock);
    this.#clock = undefined;
    this.#line?.stop();
    this.#line = null;
    this.#queue?.abort();
    this.#end();
    this.#channel.close();
  }

  want(topic, cursor, tab = this.#id) {
    if (!this.#line) return this.#post({ want: topic, cursor });
    if (!this.#tabs.has(topic)) this.#tabs.set(topic, new Set());
    this.#tabs.get(topic).add(tab);
    this.#line.want(topic, cursor);
  }

  leave(topic, tab = this.#id) {
    if (!this.#line) return this.#post({ leave: topic });
    const tabs = this.#tabs.get(topic);
    if (!tabs?.delete(tab) || tabs.size) return;
    this.#tabs.delete(topic);
    this.#line.leave(topic);
  }

  check() {
    if (this.#line) return this.#line.check();
    const asked = performance.now();
    this.#post({ ask: true });
    const patience = (PROOF_MS / 2) * (1 + Math.random() / 3);
    setTimeout(() => this.#clock && !this.#line && this.#heard < asked && this.#stand(true), patience);
  }

  /** Wait for the lock; or take it from a tab that is frozen. */
  #stand(steal) {
    this.#queue?.abort();
    const queue = (this.#queue = new AbortController());
    const lead = () => {
      if (this.#clock) this.#lead();
      return this.#over;
    };
    navigator.locks.request(this.#name, steal ? { steal } : { signal: queue.signal }, lead).catch(() => {
      if (queue !== this.#queue || !this.#clock) return;
      this.#line?.stop(); // it was taken from us: we were frozen
      this.#line = null;
      this.#post({ ask: true });
      this.#stand();
    });
  }

  #lead() {
    this.#leader = this.#id;
    this.#count = 0;
    this.#tabs.clear();
    const line = (this.#line = new Line(this.#options, message => this.#pass(line, message)));
    line.ticket = this.ticket;
    this.#again();
    line.start();
  }

  /** That we stop is our own matter: others may have a token. */
  #pass(line, message) {
    if (line !== this.#line) return;
    if (message.op === 'cursor') this.#bury();
    if (message.op === 'removed') this.#tabs.delete(message.topic);
    if (message.status === 'stopped') this.stop();
    else this.#post({ told: message, count: this.#count++ });
    this.#hear(message);
  }

  #hear(message) {
    if (message.op === 'status') this.#status = message;
    this.ticket = message.ticket ?? this.ticket;
    this.#tell(message);
  }

  #post(message) {
    if (this.#clock) this.#channel.postMessage({ ...message, from: this.#id });
  }

  #take({ from, ask, want, cursor, leave, bye, told, count }) {
    if (this.#line) {
      if (want) this.want(want, cursor, from);
      if (leave) this.leave(leave, from);
      if (bye) for (const topic of this.#tabs.keys()) this.leave(topic, from);
      if (ask) {
        this.#pass(this.#line, this.#status);
        this.#line.check();
      }
    } else if (told?.op === 'status' || (told && from === this.#leader)) {
      this.#heard = performance.now();
      const missed = from !== this.#leader || count !== this.#count;
      this.#leader = from;
      this.#count = count + 1;
      if (missed) this.#again();
      this.#hear(told);
    } else if (told) this.#post({ ask: true });
  }

  /** A tab that crashed said no goodbye. */
  async #bury() {
    const { held } = await navigator.locks.query();
    const alive = new Set(held.map(each => each.name));
    for (const [topic, tabs] of this.#tabs) {
      for (const tab of tabs) if (this.#line && !alive.has(`${this.#name}:${tab}`)) this.leave(topic, tab);
    }
  }

  #tick() {
    if (!this.#line && performance.now() - this.#heard > 1.5 * this.#status.beat) this.check();
  }
}

/** What one `on` knows of a topic. */
class Copy {
  position; // null: from now on; undefined: not known yet
  waiting = true; // for an answer that says from where we are told
  value;
  #handlers;

  constructor(potluck, topic, handlers, { from, keep }) {
    Object.assign(this, { potluck, topic, keep, position: from });
    Object.assign(this, potluck.kept(this));
    this.#handlers = handlers;
  }

  answered({ from, outcome, cursor, code }) {
    if (outcome === 'error') return this.removed({ code });
    if (this.position === null) this.position = cursor;
    else if (from === null || from > this.position) return; // the answer that we wait for is another one
    else if (outcome === 'reset') return this.reset({ cursor });
    else if (outcome === 'live') this.position = higher(this.position, cursor);
    this.waiting = false;
    this.potluck.save(this);
  }

  event(event) {
    if (this.waiting) return;
    const verdict = judge(this.position, event);
    this.potluck.seen[verdict]++;
    if (verdict === 'gap') this.potluck.ask(this);
    if (verdict !== 'new') return;
    this.position = event.id;
    this.apply(event);
    this.potluck.save(this);
  }

  cursor({ cursor }) {
    if (this.waiting) return;
    this.position = higher(this.position, cursor);
    this.potluck.save(this);
  }

  reset({ cursor }) {
    this.position = cursor;
    this.waiting = false;
    this.potluck.seen.resets++;
    this.anew(cursor);
    this.potluck.save(this);
  }

  removed({ code }) {
    this.potluck.drop(this, true);
    this.end(code);
  }

  apply(event) {
    attempt(this.#handlers[event.type], event.data, event);
    attempt(this.#handlers['*'], event.data, event);
  }

  anew(cursor) {
    attempt(this.#handlers.reset, cursor);
  }

  end(code) {
    attempt(this.#handlers.removed, code);
  }
}

/** A snapshot, kept true by the topic's events. */
class Store extends Copy {
  state = 'loading'; // then 'live'; 'stale' while it is fetched again; 'removed', and `reason` says why
  reason;
  #fetch;
  #reducers;
  #listeners = new Set();
  #later = null; // what happens while we fetch
  #outdated = false;

  constructor(potluck, topic, fetch, reducers, { keep, initial }) {
    super(potluck, topic, {}, { keep });
    this.#fetch = fetch;
    this.#reducers = reducers;
    if (initial) Object.assign(this, { value: initial.value, position: initial.cursor ?? undefined });
    if (this.position) this.state = 'live';
    else this.refresh();
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    attempt(listener, this.value, this);
    return () => this.#listeners.delete(listener);
  }

  close() {
    this.potluck.drop(this);
    this.state = 'removed';
  }

  /** Fetch; when that is under way its answer may be too old, and it is fetched once more. */
  async refresh() {
    this.#outdated = this.#later !== null;
    this.#later = [];
    if (this.#outdated) return;
    if (this.state === 'live') this.#become('stale');
    for (let tries = 1; this.state !== 'removed'; tries++) {
      try {
        this.#outdated = false;
        const { value, cursor } = await read(await this.#fetch());
        if (!this.#outdated && this.state !== 'removed') return this.#join(value, cursor);
      } catch (error) {
        if ([403, 404, 410].includes(error?.status)) return this.removed({ code: 'not_found' });
        if (!error?.status && !(error instanceof TypeError)) report(error); // a mistake, not the network
        await new Promise(done => setTimeout(done, backoff({ min_ms: 200, max_ms: 15_000 }, tries)));
      }
    }
  }

  #join(value, cursor) {
    const later = this.#later;
    this.#later = null;
    this.value = value;
    for (const event of later) if (!cursor || event.id > cursor) this.#reduce(event);
    this.#become('live');
    if (this.position !== undefined) return;
    this.position = cursor ?? null;
    this.potluck.ask(this);
  }

  answered(answer) {
    const joined = this.position !== null; // or else nobody knows of when the snapshot is
    super.answered(answer);
    if (!joined && this.state !== 'removed') this.refresh();
  }

  apply(event) {
    if (!this.#later) {
      this.#reduce(event);
      this.#become(this.state);
    } else if (this.#later.push(event) > BUFFER) this.refresh();
  }

  anew() {
    this.refresh();
  }

  end(code) {
    this.reason = code;
    this.#become('removed');
  }

  #reduce(event) {
    const next = attempt(this.#reducers[event.type], this.value, event.data, event);
    if (next !== undefined) this.value = next;
  }

  #become(state) {
    this.state = state;
    for (const listener of [...this.#listeners]) attempt(listener, this.value, this);
  }
}

class Potluck {
  status = 'connecting'; // 'live', 'offline', 'closed', or 'stopped', and `reason` says why
  reason;
  seen = { new: 0, duplicate: 0, gap: 0, resets: 0 };
  #options;
  #copies = new Map(); // topic -> copies
  #link;
  #closed = new AbortController();
  #unsaved = new Set();

  constructor(options) {
    const { location, document, navigator, WebSocket } = globalThis;
    this.#options = { url: location?.origin, client: 'potluck.js', share: true, WebSocket, ...options };
    if (!this.#options.WebSocket) throw TypeError('there is no WebSocket: give one as an option');
    this.#options.share &&= document && options.user && navigator?.locks;
    if (document) this.#listen();
    this.#begin();
  }

  on(topic, handlers, options) {
    const copy = this.#add(new Copy(this, topic, handlers, { from: null, ...options }));
    return () => this.drop(copy);
  }

  store(topic, fetch, reducers, options = {}) {
    return this.#add(new Store(this, topic, fetch, reducers, options));
  }

  /** How far each topic is known; of several copies, by the last. */
  get positions() {
    const found = {};
    for (const { topic, position } of this.#all()) found[topic] = lower(found[topic], position);
    return found;
  }

  close({ forget = false } = {}) {
    this.#end();
    this.#closed.abort();
    const { storage, user } = this.#options;
    for (const key of forget && storage ? Object.keys(storage) : []) {
      if (key.startsWith(`potluck:${user}:`)) storage.removeItem(key);
    }
    for (const copy of this.#all()) copy.state = 'removed';
    this.#copies.clear();
    this.#become('closed');
  }

  // what copies need

  ask(copy) {
    copy.waiting = true;
    if (copy.position === undefined || !this.#copies.get(copy.topic)?.has(copy)) return;
    this.#link?.want(copy.topic, copy.position);
  }

  drop(copy, ended) {
    const copies = this.#copies.get(copy.topic);
    if (!copies?.delete(copy)) return;
    if (ended) {
      this.#unsaved.delete(copy);
      this.#storage(copy, (storage, key) => storage.removeItem(key));
    }
    if (copies.size) return;
    this.#copies.delete(copy.topic);
    if (!ended) this.#link?.leave(copy.topic);
  }

  kept(copy) {
    return this.#storage(copy, (storage, key) => JSON.parse(storage.getItem(key)));
  }

  save(copy) {
    if (!copy.keep) return;
    if (!this.#unsaved.size) setTimeout(() => this.#flush(), TICK_MS / 2);
    this.#unsaved.add(copy);
  }

  #flush() {
    for (const copy of this.#unsaved) {
      const { position, value, state } = copy;
      if (state && state !== 'live') continue; // its value and its position are not of one moment
      this.#storage(copy, (storage, key) => storage.setItem(key, JSON.stringify({ position, value })));
    }
    this.#unsaved.clear();
  }

  #storage(copy, use) {
    const { storage, user } = this.#options;
    if (!copy.keep || !storage || !user) return undefined;
    try {
      return use(storage, `potluck:${user}:${copy.keep}:${copy.topic}`);
    } catch {
      return undefined; // full, or forbidden
    }
  }

  // what the link needs

  #begin() {
    const take = message => this.#take(message);
    const again = () => this.#again();
    this.#link = this.#options.share ? new Tabs(this.#options, take, again) : new Line(this.#options, take);
    this.#link.start();
    this.#again();
  }

  #end() {
    this.#flush();
    this.#link?.stop();
    this.#link = null;
  }

  #add(copy) {
    if (!this.#copies.has(copy.topic)) this.#copies.set(copy.topic, new Set());
    this.#copies.get(copy.topic).add(copy);
    this.ask(copy);
    return copy;
  }

  #all() {
    return [...this.#copies.values()].flatMap(copies => [...copies]);
  }

  #again() {
    for (const copy of this.#all()) this.ask(copy);
  }

  #take(message) {
    const { op, topic, answers } = message;
    if (op === 'status') this.#become(message.status, message.reason);
    else if (op === 'cursor') for (const copy of this.#all()) copy.cursor(message);
    else if (answers) for (const each of answers) for (const copy of this.#of(each.topic)) copy.answered(each);
    else for (const copy of this.#of(topic)) copy[op](message);
  }

  #of(topic) {
    return [...(this.#copies.get(topic) ?? [])].filter(copy => copy.position !== undefined);
  }

  #become(status, reason) {
    if (status === this.status && reason === this.reason) return;
    Object.assign(this, { status, reason });
    attempt(this.#options.onstatus, status, reason);
  }

  #listen() {
    const hear = (on, name, act) => on.addEventListener(name, act, { signal: this.#closed.signal });
    const check = () => this.#link?.check();
    hear(window, 'online', check);
    hear(window, 'offline', check);
    hear(document, 'resume', check);
    hear(document, 'visibilitychange', () => (document.hidden ? this.#flush() : check()));
    hear(window, 'pagehide', () => this.#end());
    hear(window, 'pageshow', ({ persisted }) => persisted && this.#begin());
  }
}

/** The lower of two cursors, where there are two. */
function lower(one, other) {
  return one != null && other != null && one < other ? one : (other ?? one);
}

const higher = (one, other) => (one < other ? other : one);

/** Whether what is asked from one cursor on serves who wants it from another one on. */
function covers(asked, wanted) {
  return asked !== undefined && wanted !== undefined && (wanted === null || (asked !== null && asked <= wanted));
}

function hangUp(call) {
  if (!call) return;
  clearTimeout(call.timer);
  call.ws.onopen = call.ws.onmessage = call.ws.onclose = null;
  call.ws.close();
}

/** A snapshot is {value, cursor}, or an answer of HTTP. */
async function read(answer) {
  if (!answer?.headers?.get) return answer;
  if (!answer.ok) throw Object.assign(Error(`HTTP ${answer.status}`), { status: answer.status });
  return { value: await answer.json(), cursor: answer.headers.get('potluck-cursor') };
}

/** The application's mistakes are reported and stay its own. */
function attempt(act, ...given) {
  try {
    return act?.(...given);
  } catch (error) {
    report(error);
  }
}

function report(error) {
  (globalThis.reportError ?? console.error)(error);
}
