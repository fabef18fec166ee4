/** Types of board.js: a leaderboard's first hundred places, kept true by its changes. */
import type { LeaderboardChanged, Potluck, Snapshot, Store } from './potluck.js';

/** Who or what stands on a board, and where. `position` is its own, `rank` is shared with who has the same score. */
export interface BoardEntry {
  entity_type: 'dish' | 'restaurant' | 'user';
  entity_id: string;
  name: string;
  image_url: string | null;
  position: number;
  rank: number;
  score: number;
  reached_at: string;
}

/** What `GET /api/v1/leaderboards/{board}?limit=100` answers. */
export interface Board {
  board: string;
  version: number;
  size: number;
  items: BoardEntry[];
}

/** What a change makes of a board; the same when it is known already, undefined when there is something between. */
export function applied<B extends Board>(board: B, change: LeaderboardChanged): B | undefined;

/** A store of a board: `fetch` asks HTTP for its first hundred, as with `store` of potluck.js. */
export function board(
  client: Potluck,
  name: string,
  fetch: () => Promise<Response | Snapshot<Board>>,
  options?: { keep?: string; initial?: Snapshot<Board> },
): Store<Board>;
