// The part of the page that shows a leaderboard: its first places, and how they change hands.
import { board } from './board.js';
import { $, list, make } from './live-draw.js';

const SHOWN = 10; // places
const PAGES = 5; // of a hundred boards to choose from
const EVERYBODY = 'users:global';
const THINGS = { dishes: '', restaurants: ' restaurants', users: 'people' };

let named = null; // what is chosen
let store = null;

/** Show the board that the address names, `#dishes:{city}:{type}`; or else the one with the most dishes. */
export async function showBoard(potluck, get) {
  const show = () => {
    const name = address() || mostOf(offered);
    if (name === named) return;
    named = name;
    offer(offered, name);
    store?.close();
    $('places').replaceChildren();
    store = board(potluck, name, () => get(`/leaderboards/${encodeURIComponent(name)}?limit=100`));
    store.subscribe(draw);
  };
  let offered = await readBoards(get);
  show();
  window.addEventListener('hashchange', show);
  $('boards').addEventListener('change', ({ target }) => (location.hash = target.value));
  $('boards').addEventListener('focus', async () => offer((offered = await readBoards(get)), named));
}

/** What the address names; nothing when it is no text. */
function address() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

/** All boards of all time, by name; as many as can be had. */
async function readBoards(get) {
  const found = [];
  let more = '';
  for (let page = 0; page < PAGES && more !== null; page++) {
    const answer = await get(`/leaderboards?limit=100${more}`).catch(() => null);
    if (!answer?.ok) break;
    const { items, next_cursor: next } = await answer.json();
    found.push(...items);
    more = next && `&cursor=${encodeURIComponent(next)}`;
  }
  return found;
}

function mostOf(boards) {
  const dishes = boards.filter(each => each.kind === 'dishes');
  return dishes.reduce((most, each) => (each.size > most.size ? each : most), { name: EVERYBODY, size: 0 }).name;
}

/** Put what can be chosen into the list; also what is chosen already, and the board of all people. */
function offer(boards, chosen) {
  const names = [...new Set([...boards.map(each => each.name), EVERYBODY, chosen])];
  const select = $('boards');
  const had = [...select.querySelectorAll('option')].map(each => each.value);
  if (names.join() !== had.join())
    select.replaceChildren(...names.map(name => make('option', { value: name }, titleOf(name))));
  select.value = chosen;
}

/** What people call it: `Pizza in Napoli`, of a week with its name. */
function titleOf(name) {
  const [of, week] = name.split('@'),
    [kind, city, about = ''] = of.split(':').map(each => each.replaceAll('-', ' '));
  const where = name.startsWith(EVERYBODY) ? 'everywhere' : `in ${(city ?? '').replace(/(^| )./g, capital)}`;
  return `${`${about}${THINGS[kind] ?? kind}`.trim().replace(/^./, capital)} ${where}${week ? `, ${week}` : ''}`;
}

const capital = letters => letters.toUpperCase();

function draw(found, { state }) {
  if (state === 'removed') $('board-more').textContent = 'There is no such board.';
  if (state === 'removed' || !found) return;
  const rows = $('places'),
    shown = found.items.slice(0, SHOWN).map(each => ({ ...each, id: each.entity_id }));
  const were = new Map([...rows.children].map(row => [row, row.getBoundingClientRect().top]));
  list(rows, shown, drawPlace);
  slide(rows, were);
  const more = found.size - shown.length;
  $('board-more').textContent = more ? `and ${more.toLocaleString('en')} more` : shown.length ? '' : 'Nobody yet.';
}

function drawPlace(row, { rank, name, score, entity_type }) {
  const digits = entity_type === 'user' ? 0 : 2;
  const points = score.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  row.className = rank === 1 ? 'first' : '';
  row.replaceChildren(
    make('span', { className: 'rank' }, String(rank)),
    make('span', { className: 'name', title: name }, name),
    make('span', { className: 'score' }, points),
  );
}

/** From where rows were to where they are, as fast as the style sheet says; those that rise light up. */
function slide(rows, were) {
  const stay = [...rows.children].filter(row => were.has(row));
  for (const row of stay) Object.assign(row.style, { transition: 'none', transform: 'none' });
  const moves = stay.map(row => [row, were.get(row) - row.getBoundingClientRect().top]);
  for (const [row, by] of moves) {
    row.style.transform = by ? `translateY(${by}px)` : '';
    row.style.backgroundColor = by > 0 ? 'var(--glow)' : '';
  }
  void rows.offsetWidth; // or they would not begin from there
  for (const [row] of moves) Object.assign(row.style, { transition: '', transform: '', backgroundColor: '' });
}
