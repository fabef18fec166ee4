// A page that shows potluck.js at work: sign in, post, like, comment, and watch others do it. No framework, and no
// reconnecting either: each part of the page is a store, or handlers.
import { connect } from './potluck.js';
import { showBoard } from './live-board.js';
import { $, ago, face, list, make, number, picture, set } from './live-draw.js';

let session = null; // {user, access_token, refresh_token}, of all tabs
let potluck = null;

// HTTP

const SESSION = 'potluck-live';

async function ask(method, path, body) {
  const headers = { 'Content-Type': 'application/json' };
  if (session) headers.Authorization = `Bearer ${session.access_token}`;
  return fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
}

/** An answer of HTTP; of an expired token, the answer to a new one. */
async function call(method, path, body) {
  const answer = await ask(method, path, body);
  return answer.status === 401 && (await token(true)) ? ask(method, path, body) : answer;
}

/** What HTTP answers; throws what it refuses, in words. */
async function act(method, path, body) {
  const answer = await call(method, path, body);
  const found = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Error([found.error.message, ...Object.values(found.error.details)].join(' '));
  return found;
}

const get = path => call('GET', path);

/** A token for the socket and for HTTP. Refresh tokens are for one use: tabs take turns, and use what another got. */
function token(fresh) {
  const had = session?.access_token;
  return navigator.locks.request(SESSION, async () => {
    session = JSON.parse(localStorage.getItem(SESSION));
    if (!session || !fresh || session.access_token !== had) return session?.access_token;
    const answer = await ask('POST', '/auth/refresh', { refresh_token: session.refresh_token });
    if (answer.status >= 500 || answer.status === 429) throw Object.assign(Error('try again'), { status: answer.status });
    keep(answer.ok ? { ...session, ...(await answer.json()) } : null);
    return session?.access_token;
  });
}

function keep(found) {
  session = found;
  if (found) localStorage.setItem(SESSION, JSON.stringify(found));
  else localStorage.removeItem(SESSION);
}

// coming and going

$('sign-in').addEventListener('submit', async event => {
  event.preventDefault();
  const { username, password } = Object.fromEntries(new FormData(event.target));
  const joins = event.submitter.value === 'register';
  const body = joins ? { username, password, email: `${username}@example.org` } : { username, password };
  await trying(event.target, async () => {
    keep(await act('POST', `/auth/${event.submitter.value}`, body));
    open();
  });
});

$('sign-out').addEventListener('click', async () => {
  await call('POST', '/auth/logout', { refresh_token: session.refresh_token }).catch(() => {});
  leave();
});

function leave() {
  potluck?.close({ forget: true });
  keep(null);
  location.reload();
}

// Another tab signed in, or out.
window.addEventListener('storage', ({ key, newValue }) => {
  if (key !== SESSION) return;
  if (newValue && !session) location.reload();
  if (!newValue && session) leave();
});

const WORDS = { connecting: 'Connecting…', live: 'Live', offline: 'Offline', stopped: 'Stopped', closed: 'Bye' };

function tell(status, reason) {
  $('status').dataset.status = status;
  $('status').firstElementChild.textContent = WORDS[status];
  if (reason === 'signed_out') leave();
}

function open() {
  $('door').hidden = true;
  $('table').hidden = $('sign-out').hidden = $('status').hidden = false;
  const { id } = session.user;
  potluck = connect({ token, user: id, storage: sessionStorage, client: 'live', onstatus: tell });
  showMe(id);
  showNotifications();
  showFeed(id);
  showBoard(potluck, get);
  globalThis.live = { potluck, act }; // to look at from the console
}

// you

function showMe(id) {
  const counts = ['posts', 'followers', 'following'].map(name => [name, number(`me-${name}`)]);
  const name = make('strong'),
    handle = make('small');
  $('me').append(
    make('div', { className: 'who' }, face(session.user), make('div', {}, name, handle)),
    make('dl', {}, ...counts.map(([label, count]) => make('div', {}, make('dd', {}, count), make('dt', {}, label)))),
  );
  const me = potluck.store(`user:${id}`, () => get(`/users/${id}`), {
    'user.counters': (user, counters) => ({ ...user, counters }),
    'profile.changed': (user, changed) => ({ ...user, ...changed }),
  });
  me.subscribe(user => {
    if (!user) return;
    name.textContent = user.display_name ?? user.username;
    handle.textContent = `@${user.username}`;
    for (const [label, count] of counts) set(count, user.counters[label]);
  });
}

$('follow').addEventListener('submit', async event => {
  event.preventDefault();
  const form = event.target;
  await trying(form, async () => {
    const found = await act('GET', `/users/by-username/${encodeURIComponent(form.username.value.trim())}`);
    await act('PUT', `/users/${found.id}/follow`);
    form.reset();
    feed.refresh();
  });
});

// notifications

function showNotifications() {
  // What a snapshot knows already has a lower version; of one change all events have the same.
  const newer = change => (inbox, data) => {
    if (data.version < inbox.version) return inbox;
    return { ...inbox, ...change(inbox, data), unread: data.unread, version: data.version };
  };
  const latest = (one, other) => (one.last_updated_at < other.last_updated_at ? 1 : -1);
  const isRead = (each, { ids, all, up_to }) => (all ? !up_to || each.last_updated_at <= up_to : ids.includes(each.id));
  const inbox = potluck.store(
    'notifications',
    () => get('/notifications?limit=20'),
    {
      'notification.upserted': newer(({ items }, { notification }) => ({
        items: [notification, ...items.filter(each => each.id !== notification.id)].sort(latest).slice(0, 20),
      })),
      'notification.removed': newer(({ items }, { id }) => ({ items: items.filter(each => each.id !== id) })),
      'notifications.read': newer(({ items }, read) => ({
        items: items.map(each => (isRead(each, read) ? { ...each, read: true } : each)),
      })),
    },
    { keep: 'inbox' },
  );
  inbox.subscribe(found => {
    if (!found) return;
    const { items, unread } = found;
    $('unread').textContent = unread;
    $('unread').hidden = $('read-all').hidden = !unread;
    document.title = unread ? `(${unread}) Potluck, live` : 'Potluck, live';
    list($('notifications'), items.slice(0, 8), drawNotification);
  });
}

function drawNotification(row, { actors, message, read, last_updated_at: at }) {
  row.className = read ? '' : 'unread';
  row.replaceChildren(face(actors[0] ?? { username: '★' }, 'small'), make('div', {}, message, ' ', ago(at)));
}

$('read-all').addEventListener('click', () => act('POST', '/notifications/read', { all: true }));

// the feed

let feed = null;
const shown = new Map(); // post id -> its card

function showFeed(me) {
  const add = (posts, { post }, { id }) => [
    { ...post, cursor: id, isNew: true },
    ...posts.filter(each => each.id !== post.id),
  ];
  feed = potluck.store('home', () => readFeed(me), { 'post.published': add });
  const own = potluck.store(`user:${me}`, () => readPosts([me]), { 'post.published': add }); // home is what others post
  for (const each of [feed, own]) each.subscribe(posts => posts && showPosts(posts));
}

async function readFeed(me) {
  const { items } = await body(await get(`/users/${me}/following?limit=100`));
  return readPosts(items.map(({ id }) => id));
}

/** The newest posts of some people; as of the earliest of the answers. */
async function readPosts(people) {
  const answers = await Promise.all([get('/auth/me'), ...people.map(id => get(`/users/${id}/posts?limit=10`))]);
  const cursor = answers
    .map(each => each.headers.get('potluck-cursor'))
    .reduce((one, other) => (one < other ? one : other));
  const pages = await Promise.all(
    answers.slice(1).map(answer => (answer.status === 404 ? { items: [] } : body(answer))),
  );
  return { value: pages.flatMap(({ items }) => items).map(post => ({ ...post, cursor })), cursor };
}

async function body(answer) {
  if (!answer.ok)
    throw Object.assign(Error(`HTTP ${answer.status}`), { status: answer.status === 404 ? 503 : answer.status });
  return answer.json();
}

function showPosts(posts) {
  for (const post of posts) {
    if (shown.has(post.id)) continue;
    const card = new Card(post);
    shown.set(post.id, card);
    const older = [...$('posts').children].find(each => each.dataset.post < post.id);
    $('posts').insertBefore(card.element, older ?? null);
    card.element.classList.toggle('arrived', post.isNew ?? false);
  }
  $('nothing').hidden = shown.size > 0;
}

$('say').addEventListener('submit', async event => {
  event.preventDefault();
  const form = event.target;
  await trying(form, () =>
    act('POST', '/posts', { content: form.content.value, post_type: 'daily', visibility: 'public' }),
  );
  form.reset();
});

const HEART = 'M12 20s-7.5-4.7-7.5-10A4.3 4.3 0 0 1 12 7.2 4.3 4.3 0 0 1 19.500 10c0 5.300-7.500 10-7.500 10z';
const BUBBLE = 'M4 5h16v11H11l-4.500 4v-4H4z';

/** A post, kept true: its words, its counts, whether it is there at all. */
class Card {
  constructor(post) {
    const { id, cursor } = (this.post = post);
    this.content = make('p', { className: 'content' });
    this.likes = number('likes');
    this.comments = number('comments');
    this.like = make('button', { className: 'like quiet', title: 'Like' }, picture(HEART), this.likes);
    const talk = make('button', { className: 'talk quiet', title: 'Comments' }, picture(BUBBLE), this.comments);
    const name = post.author.display_name ?? post.author.username;
    this.element = make(
      'article',
      {},
      make(
        'div',
        { className: 'who' },
        face(post.author),
        make('div', {}, make('strong', {}, name), ago(post.created_at)),
      ),
      this.content,
      make('div', { className: 'row' }, this.like, talk),
    );
    this.element.dataset.post = id;
    this.like.addEventListener('click', () => this.press());
    talk.addEventListener('click', () => this.talk());
    this.store = potluck.store(
      `post:${id}`,
      () => get(`/posts/${id}`),
      {
        'post.counters': (post, counters) => ({ ...post, counters }),
        'post.edited': (post, edited) => ({ ...post, ...edited }),
      },
      { initial: { value: post, cursor } },
    );
    this.store.subscribe((post, { state }) => (state === 'removed' ? this.end() : this.show(post)));
  }

  show(post) {
    if (!post) return;
    this.post = post;
    this.content.textContent = post.content;
    set(this.likes, post.counters.likes);
    set(this.comments, post.counters.comments);
    this.liked ??= post.viewer?.liked ?? false;
    this.like.ariaPressed = this.liked;
  }

  async press() {
    this.liked = !this.liked;
    this.like.ariaPressed = this.liked;
    await act(this.liked ? 'PUT' : 'DELETE', `/posts/${this.post.id}/like`);
  }

  /** Open or close what is said about it. */
  talk() {
    if (this.said) {
      this.said.close();
      this.element.querySelector('.said').remove();
      this.said = null;
      return;
    }
    const rows = make('ol'),
      words = make('input', { placeholder: 'Say something', required: true, maxLength: 2000 });
    const form = make('form', {}, words, make('button', {}, 'Say'));
    this.element.append(make('div', { className: 'said' }, rows, form));
    form.addEventListener('submit', async event => {
      event.preventDefault();
      await act('POST', `/posts/${this.post.id}/comments`, { content: words.value });
      form.reset();
    });
    const put = (comments, comment) => [...comments.filter(each => each.id !== comment.id), comment];
    this.said = potluck.store(`post:${this.post.id}`, () => readComments(this.post.id), {
      'comment.created': (comments, { comment }) => put(comments, comment),
      'comment.edited': (comments, edited) =>
        comments.map(each => (each.id === edited.id ? { ...each, ...edited } : each)),
      'comment.deleted': (comments, { ids }) => comments.filter(each => !ids.includes(each.id)),
    });
    const order = comment => (comment.parent_id ? `${comment.parent_id} ${comment.id}` : comment.id);
    this.said.subscribe(comments => {
      if (comments)
        list(
          rows,
          comments.toSorted((one, other) => (order(one) < order(other) ? -1 : 1)),
          drawComment,
        );
    });
  }

  end() {
    this.said?.close();
    this.element.remove();
    shown.delete(this.post.id);
    $('nothing').hidden = shown.size > 0;
  }
}

/** The comments on a post, and the replies to them; as of the first answer, which is the earliest. */
async function readComments(post) {
  const path = `/posts/${post}/comments?limit=100`,
    answer = await get(path);
  if (!answer.ok) return answer;
  const { items } = await answer.json();
  const replied = items.filter(each => each.reply_count);
  const replies = await Promise.all(
    replied.map(async ({ id }) => (await body(await get(`${path}&parent_id=${id}`))).items),
  );
  return { value: [...items, ...replies.flat()], cursor: answer.headers.get('potluck-cursor') };
}

function drawComment(row, { author, content, parent_id }) {
  row.className = parent_id ? 'reply' : '';
  const name = make('strong', {}, author.display_name ?? author.username);
  row.replaceChildren(face(author, 'small'), make('div', {}, name, ' ', make('span', { className: 'words' }, content)));
}

async function trying(form, work) {
  const problem = form.querySelector('.problem');
  try {
    if (problem) problem.textContent = '';
    await work();
  } catch (error) {
    if (problem) problem.textContent = error.message;
  }
}

session = JSON.parse(localStorage.getItem(SESSION));
if (session) open();
else $('door').hidden = false;
