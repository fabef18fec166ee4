// @ts-self-types="./potluck.d.ts"
/**
 * Potluck's live news: see docs/clients.md. A Line is the connection, Tabs share one, a Copy is what one `on` or `store`
 * knows of a topic: it alone decides what is new or missed.
 */

const TICK_MS = 1_000;
const PROOF_MS = 3_000; // to give a sign of life
const WELCOME_MS = 10_000; // for a token or a welcome
const NOTICE_MS = 60_000; // before a token ends
const RETRY = { min_ms: 200, max_ms: 15_000 };
const BUFFER = 1_000; // events that a store keeps while it fetches

export const connect = options => new Potluck(options);

export function judge(position, { id, prev }) {
  if (id <= position) return 'duplicate';
  return prev !== null && prev > position ? 'gap' : 'new';
}

export function backoff({ min_ms, max_ms }, tries, random = Math.random()) {
  return min_ms + random * (Math.min(max_ms, min_ms * 2 ** tries) - min_ms);
}

class Line {
  ticket = null;
  #options;
  #tell;
  // topic -> {at: how far it was told, or null; ask: from where it has to be told; asking: the same, under way}
  #topics = new Map();
  #call = null; // the socket in use: {ws, asked: request id -> its topics, since}
  #next = null; // will replace it
  #ids = 0;
  #turn = 0;
  #tries = 0;
  #retry = { min_ms: 500, max_ms: 15_000 };
  #beat = 25_000;
  #heard = 0;
  #wall = Date.now();
  #renewAt = Infinity;
  #refused = false;
  #token = null;
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
    this.#turn++;
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
      return this.#tell({ op: 'answered', answers: [answer] });
    } else known.ask = lower(known.ask, cursor);
    queueMicrotask(() => this.#subscribe());
  }

  leave(topic) {
    if (this.#topics.delete(topic) && this.#call) this.#request({ op: 'unsubscribe', topics: [topic] });
  }

  check() {
    if (this.#next || !this.#clock) return;
    if (!this.#call) return this.#dial();
    const call = this.#call,
      asked = performance.now();
    this.#request({ op: 'ping' });
    setTimeout(() => this.#call === call && this.#heard < asked && this.#lost(call, 1006), PROOF_MS);
  }

  async #dial() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    try {
      const token = await this.#ask(this.#refused || Date.now() > this.#renewAt);
      if (turn !== this.#turn) return;
      if (token) this.#open(token);
      else this.#say('stopped', 'signed_out');
    } catch (error) {
      if (turn !== this.#turn) return;
      complain(error);
      this.#later();
    }
  }

  #open(token) {
    hangUp(this.#next);
    this.#next = null;
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
    ws.onmessage = ({ data }) => {
      try {
        this.#hear(call, JSON.parse(data));
      } catch (error) {
        report(error);
        this.#lost(call, 1006);
      }
    };
    ws.onclose = ({ code }) => this.#lost(call, code);
    ws.onerror = () => {}; // or npm's ws throws
  }

  /** A token: one for all who wait for it. */
  #ask(fresh) {
    const late = () => new Promise((_, no) => setTimeout(no, WELCOME_MS, Error('token() does not answer')).unref?.());
    const given = async () => this.#options.token(fresh);
    return (this.#token ??= Promise.race([given(), late()]).finally(() => (this.#token = null)));
  }

  #subscribe() {
    if (!this.#call || this.#next?.greeted) return; // hello names them
    const topics = {};
    for (const [topic, known] of this.#topics) {
      if (known.ask !== undefined && !covers(known.asking, known.ask)) topics[topic] = known.asking = known.ask;
    }
    if (Object.keys(topics).length) this.#request({ op: 'subscribe', topics });
  }

  #request(command, call = this.#call, id = ++this.#ids) {
    const { op, topics } = command;
    if (op === 'hello' || op === 'subscribe') {
      call.asked.set(
        id,
        Object.entries(topics).map(([topic, from]) => [topic, from, this.#topics.get(topic)]),
      );
    }
    if (call.ws.readyState === 1) call.ws.send(JSON.stringify(id ? { ...command, id } : command));
  }

  #hear(call, frame) {
    this.#heard = performance.now();
    this.ticket = frame.ticket ?? this.ticket;
    if (frame.op === 'welcome') this.#welcome(call, frame);
    if (call !== this.#call && frame.op === 'error') throw Error(frame.message);
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
      case 'drain':
        return this.#later(call, frame.reconnect_in_ms);
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
    this.#retry = { ...this.#retry, ...frame.retry };
    this.#expires(frame);
    const left = Object.keys(frame.topics).filter(topic => !this.#topics.has(topic));
    if (left.length) this.#request({ op: 'unsubscribe', topics: left });
    this.#answered(call, { ...frame, id: 0 });
    this.#say('live');
    this.#subscribe();
  }

  #answered(call, { id, topics, ticket }) {
    const answers = [];
    for (const [topic, from, known] of call.asked.get(id) ?? []) {
      const outcome = topics[topic];
      if (!outcome || this.#topics.get(topic) !== known) continue; // left meanwhile
      if (known.asking === from) known.asking = undefined;
      if (covers(from, known.ask)) known.ask = undefined;
      if (outcome.outcome === 'error') this.#topics.delete(topic);
      else known.at = outcome.outcome === 'replayed' ? from : outcome.cursor;
      answers.push({ topic, from, ...outcome });
    }
    call.asked.delete(id);
    this.#tell({ op: 'answered', answers, ticket });
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

  /** 40xx: stop; 42xx: again at once; 43xx: so, with a new token. */
  #lost(call, code) {
    hangUp(call);
    if (call === this.#call) this.#call = null;
    else if (call === this.#next) this.#next = null;
    else return;
    for (const known of this.#topics.values()) known.asking = undefined;
    const verdict = Math.floor(code / 100);
    if (verdict === 40) return this.#say('stopped', code);
    if (verdict === 43) this.#refused = true;
    if (code === 1009) this.ticket = null; // too long
    if (this.#call) this.#subscribe();
    else this.#say(globalThis.navigator?.onLine === false ? 'offline' : 'connecting');
    if (!this.#next) this.#later(call, verdict === 42 || verdict === 43 ? 0 : undefined);
  }

  #later(call, ms) {
    if (performance.now() - call?.since > WELCOME_MS) this.#tries = 0;
    const asked = ms !== undefined && !this.#tries;
    const wait = backoff(this.#retry, ++this.#tries);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), asked ? ms : wait);
  }

  #expires({ token_expires_in: seconds }) {
    this.#refused = false;
    this.#renewAt = Date.now() + Math.max(seconds * 1000 - NOTICE_MS, TICK_MS);
  }

  async #renew() {
    if (this.#token) return;
    this.#renewAt = Date.now() + 5 * TICK_MS;
    try {
      const token = await this.#ask(true);
      if (!token && this.#clock) this.#say('stopped', 'signed_out');
      else if (this.#call) this.#request({ op: 'token', token });
    } catch (error) {
      complain(error);
    }
  }

  #tick() {
    const wall = Date.now(),
      slept = wall - this.#wall > 4 * TICK_MS,
      silent = performance.now() - this.#heard;
    this.#wall = wall;
    if (slept) return this.check();
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

/** A Line for all tabs: who holds the lock leads. */
class Tabs {
  ticket = null;
  #options;
  #tell;
  #again;
  #id = Math.random().toString(36).slice(2);
  #name;
  #channel;
  #line = null; // while we lead
  #tabs = new Map(); // topic -> tabs that want it
  #leader = null;
  #count = 0; // of what the leader has told
  #heard = performance.now();
  #status = { op: 'status', status: 'connecting', beat: 25_000 };
  #queue;
  #clock;
  #end;
  #over = new Promise(end => (this.#end = end));

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

  #stand(steal) {
    this.#queue?.abort();
    const queue = (this.#queue = new AbortController());
    const lead = () => {
      if (this.#clock) this.#lead();
      return this.#over;
    };
    navigator.locks.request(this.#name, steal ? { steal } : { signal: queue.signal }, lead).catch(() => {
      if (queue !== this.#queue || !this.#clock) return;
      this.#line?.stop(); // we were frozen
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

  /** Who crashed said no goodbye, but holds no lock. */
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

class Copy {
  position; // null: from now on; undefined: not known yet
  waiting = true; // for an answer that says from where we are told
  value;
  over = false;
  #handlers;
  #vain = 0;

  constructor(potluck, topic, handlers, { from, keep }) {
    Object.assign(this, { potluck, topic, keep, position: from });
    Object.assign(this, potluck.kept(this));
    this.#handlers = handlers;
  }

  close() {
    this.over = true;
    this.potluck.drop(this);
  }

  answered({ from, outcome, cursor, code }) {
    if (outcome === 'error') return this.refused(code);
    if (this.position === null) this.position = cursor;
    else if (from === null || from > this.position)
      return; // we wait for another answer
    else if (outcome === 'reset') return this.reset({ cursor });
    else if (outcome === 'live') this.position = higher(this.position, cursor);
    this.waiting = false;
    this.potluck.save(this);
  }

  refused(code) {
    if (code !== 'not_found') report(Error(`${this.topic}: ${code}`));
    this.removed({ code });
  }

  event(event) {
    if (this.waiting) return;
    const verdict = judge(this.position, event);
    this.potluck.seen[verdict]++;
    if (verdict === 'gap') this.retry(() => this.potluck.ask(this));
    if (verdict !== 'new') return;
    this.#vain = 0;
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
    this.potluck.unkeep(this);
    this.keep = undefined;
    this.potluck.drop(this);
    this.end(code);
  }

  apply(event) {
    this.#call(event.type, event.data, event);
    this.#call('*', event.data, event);
  }

  anew(cursor) {
    this.#call('reset', cursor);
  }

  end(code) {
    this.#call('removed', code);
  }

  retry(act) {
    this.waiting = true;
    setTimeout(act, this.#vain++ && backoff(RETRY, this.#vain));
  }

  #call(name, ...given) {
    if (!this.over) attempt(own(this.#handlers, name), ...given);
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
    if (this.position && this.value !== undefined) this.state = 'live';
    else this.refresh();
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    attempt(listener, this.value, this);
    return () => this.#listeners.delete(listener);
  }

  close() {
    super.close();
    this.state = 'removed';
    this.#listeners.clear();
  }

  /** Once more, when it is under way: the answer may be too old. */
  async refresh() {
    this.#outdated = this.#later !== null;
    this.#later = [];
    if (this.#outdated) return;
    if (this.state === 'live') this.#become('stale');
    for (let tries = 1; this.state !== 'removed'; tries++) {
      try {
        this.#outdated = false;
        const { value, cursor } = await read(await this.#fetch());
        if (cursor != null && !isCursor(cursor)) throw TypeError(`${this.topic}: ${cursor} is no cursor`);
        if (!this.#outdated && this.state !== 'removed') return this.#join(value, cursor);
      } catch (error) {
        if ([403, 404, 410].includes(error?.status)) return this.removed({ code: 'not_found' });
        complain(error);
        await new Promise(done => setTimeout(done, backoff(RETRY, tries)));
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
    const joined = this.position !== null;
    super.answered(answer);
    if (!joined && this.position && this.state !== 'removed') this.refresh();
  }

  refused(code) {
    if (code !== 'bad_cursor') return super.refused(code);
    this.position = undefined;
    this.retry(() => this.refresh());
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
    const next = attempt(own(this.#reducers, event.type), this.value, event.data, event);
    if (next !== undefined) this.value = next;
  }

  #become(state) {
    if (!this.over) this.state = state;
    for (const each of [...this.#listeners]) if (this.#listeners.has(each)) attempt(each, this.value, this);
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
    const { location, document, navigator } = globalThis;
    const {
      url = location?.origin,
      WebSocket = globalThis.WebSocket,
      client = 'potluck.js',
      share = true,
      user,
    } = options;
    if (!/^(http|ws)s?:/.test(new URL(url))) throw TypeError(`not http: ${url}`);
    if (!WebSocket) throw TypeError('there is no WebSocket: give one as an option');
    this.#options = { ...options, url, client, WebSocket, share: share && document && user && navigator?.locks };
    if (document) this.#listen();
    this.#begin();
  }

  on(topic, handlers, { from = null, keep } = {}) {
    const copy = this.#add(new Copy(this, topic, handlers, { from, keep }));
    return () => copy.close();
  }

  store(topic, fetch, reducers, options = {}) {
    return this.#add(new Store(this, topic, fetch, reducers, options));
  }

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
    for (const copy of this.#all()) copy.close();
    this.#become('closed');
  }

  // what copies need

  ask(copy) {
    const { topic, position } = copy;
    copy.waiting = true;
    if (position === undefined || !this.#copies.get(topic)?.has(copy)) return;
    if (position === null || isCursor(position)) this.#link?.want(topic, position);
    else copy.refused('bad_cursor');
  }

  drop(copy) {
    const copies = this.#copies.get(copy.topic);
    if (!copies?.delete(copy) || copies.size) return;
    this.#copies.delete(copy.topic);
    this.#link?.leave(copy.topic);
  }

  kept(copy) {
    const { position, value } = this.#storage(copy, (storage, key) => JSON.parse(storage.getItem(key))) ?? {};
    if (isCursor(position)) return { position, value };
    this.unkeep(copy);
  }

  save(copy) {
    if (!copy.keep) return;
    if (!this.#unsaved.size) setTimeout(() => this.#flush(), TICK_MS / 2);
    this.#unsaved.add(copy);
  }

  #flush() {
    for (const copy of this.#unsaved) {
      const { position, value, state } = copy;
      if (state && state !== 'live') continue; // not of one moment
      this.#storage(copy, (storage, key) => storage.setItem(key, JSON.stringify({ position, value })));
    }
    this.#unsaved.clear();
  }

  unkeep(copy) {
    this.#storage(copy, (storage, key) => storage.removeItem(key));
  }

  #storage(copy, use) {
    const { storage, user } = this.#options;
    if (!copy.keep || !storage || !user) return undefined;
    try {
      return use(storage, `potluck:${user}:${copy.keep}:${copy.topic}`);
    } catch {
      return undefined; // full
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
    if (this.status === 'closed') copy.refused('closed');
    else this.ask(copy);
    return copy;
  }

  #all() {
    return [...this.#copies.values()].flatMap(copies => [...copies]);
  }

  #again() {
    for (const copy of this.#all()) this.ask(copy);
  }

  #take(message) {
    const { op, answers } = message;
    if (op === 'status') this.#become(message.status, message.reason);
    else
      for (const each of answers ?? [message]) {
        const concerned = op === 'cursor' ? this.#all() : [...(this.#copies.get(each.topic) ?? [])];
        for (const copy of concerned) if (copy.position !== undefined && !copy.over) copy[op](each);
      }
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

function lower(one, other) {
  return one != null && other != null && one < other ? one : (other ?? one);
}

const isCursor = cursor => /^[\da-f]+$/.test(cursor) && typeof cursor === 'string';

const higher = (one, other) => (one < other ? other : one);

/** Whether asking from one cursor on serves another. */
function covers(asked, wanted) {
  return asked !== undefined && wanted !== undefined && (wanted === null || (asked !== null && asked <= wanted));
}

function hangUp(call) {
  if (!call) return;
  clearTimeout(call.timer);
  call.ws.onopen = call.ws.onmessage = call.ws.onclose = null;
  call.ws.close();
}

async function read(answer) {
  if (!answer?.headers?.get) return answer;
  if (!answer.ok) throw Object.assign(Error(`HTTP ${answer.status}`), { status: answer.status });
  return { value: await answer.json(), cursor: answer.headers.get('potluck-cursor') };
}

const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

/** Mistakes of the application stay its own. */
function attempt(act, ...given) {
  try {
    const done = act?.(...given);
    if (done instanceof Promise) done.catch(report);
    return done;
  } catch (error) {
    report(error);
  }
}

/** Reported, unless the network or the server is to blame. */
function complain(error) {
  const network = error instanceof TypeError && /network|failed|offline|terminated/i.test(error.message);
  if (!network && !(error?.status >= 500 || error?.status === 429)) report(error);
}

function report(error) {
  (globalThis.reportError ?? console.error)(error);
}
