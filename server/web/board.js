// @ts-self-types="./board.d.ts"
/**
 * A leaderboard's first hundred places, kept true by its changes: beside potluck.js, for who shows one.
 */

const TYPES = { dishes: 'dish', restaurants: 'restaurant', users: 'user' };

/** What a change makes of a board; the same when it is known already, undefined when there is something between. */
export function applied(board, { version, from_version, size, moves }) {
  if (version <= board.version) return board;
  if (from_version > board.version) return undefined;
  const entity_type = TYPES[board.board.split(':')[0]];
  const named = new Set(moves.map(each => each.entity_id));
  const items = board.items.filter(each => !named.has(each.entity_id));
  const placed = moves.filter(each => each.to !== null).sort((one, other) => one.to - other.to);
  for (const { from, to, ...entry } of placed) items.splice(to - 1, 0, { entity_type, ...entry });
  return { ...board, version, size, items: items.map((each, i) => ({ ...each, position: i + 1 })) };
}

/** A store of a board: `fetch` asks HTTP for its first hundred, as with `client.store`. */
export function board(client, name, fetch, options) {
  const change = (known, data) => {
    const next = applied(known, data);
    if (!next) store.refresh();
    return next;
  };
  const store = client.store(`leaderboard:${name}`, fetch, { 'leaderboard.changed': change }, options);
  return store;
}
