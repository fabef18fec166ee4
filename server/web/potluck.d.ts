// Types of potluck.js. How to use it: docs/clients.md. What stands between the marks is written by
// `python -m realtime.reference`.

// <wire>
/** Somebody has a badge that they did not have. */
export interface BadgeEarned {
  id: string;
  user_id: string;
  badge: BadgeRef;
  awarded_at: string;
}

/** A badge, as far as a profile shows it. */
export interface BadgeRef {
  code: string;
  name: string;
  icon_url: string | null;
}

/** Somebody commented, or replied. */
export interface CommentCreated {
  comment: Comment;
}

/** A comment as a viewer sees it; `reply_count` counts the replies that they may see. */
export interface Comment {
  id: string;
  target: Target;
  parent_id: string | null;
  author: UserRef;
  content: string;
  mentions: UserRef[];
  reply_count: number;
  created_at: string;
  edited_at: string | null;
}

/** The thing that something is said about. */
export interface Target {
  type: 'post' | 'review';
  id: string;
}

/** A person, as far as a list shows them. */
export interface UserRef {
  id: string;
  username: string;
  display_name: string | null;
  avatar_url: string | null;
}

/** Its author, or the target's, deleted it; `ids` are all that went: its own, then its replies'. */
export interface CommentDeleted {
  id: string;
  ids: string[];
  parent_id: string | null;
  target: Target;
}

/** Its author changed it. */
export interface CommentEdited {
  id: string;
  content: string;
  mentions: UserRef[];
  edited_at: string;
}

/** Somebody added a dish to a restaurant. */
export interface DishAdded {
  dish: Dish;
}

/** A dish; `price` with two digits behind the point. `score` is null while nobody has one. */
export interface Dish {
  id: string;
  restaurant: RestaurantRef;
  name: string;
  description: string | null;
  price: string | null;
  currency: string | null;
  image_url: string | null;
  dish_type: string;
  tags: string[];
  is_seasonal: boolean;
  is_available: boolean;
  score: Score | null;
  counters: DishTotals;
  created_at: string;
  updated_at: string;
}

/** A restaurant, as far as its dishes name it. */
export interface RestaurantRef {
  id: string;
  name: string;
  city: string | null;
}

/** What all rankings of a dish come to, from how many; `rank` among its type in its city is null behind the first hundred. */
export interface Score {
  score: number;
  raters: number;
  rank: number | null;
}

/** How many ranked it, and how many reviewed it. */
export interface DishTotals {
  rankings: number;
  reviews: number;
}

/** A dish's counts. */
export interface DishCounters {
  rankings: number;
  reviews: number;
}

/** Somebody changed it. Score and counters are not repeated: they have writers of their own. */
export interface DishEdited {
  id: string;
  name: string;
  description: string | null;
  price: string | null;
  currency: string | null;
  image_url: string | null;
  dish_type: string;
  tags: string[];
  is_seasonal: boolean;
  is_available: boolean;
  updated_at: string;
}

/** It is gone: nobody had ranked or reviewed it; else it is edited instead, and no longer available. */
export interface DishRemoved {
  id: string;
  restaurant_id: string;
}

/** What all rankings of a dish come to, of how many, and its rank when it is in the window of its all-time board. `score` is null when nobody ranks it any more. */
export interface DishScore {
  score: number | null;
  raters: number;
  rank: number | null;
  board: string;
}

/** The window of a board changed from one version to another: `moves` names everything in it whose place, rank, score, name or picture changed at any time between the two, also what is now as it was. To apply it to any version from `from_version` on: take out all that is named, then put in what has a `to`, there, the smallest first. */
export interface LeaderboardChanged {
  version: number;
  from_version: number;
  size: number;
  moves: Move[];
}

/** Where something was in the window before the span and is behind it, 1 to 100; null: outside. `rank` is null then; `rank`, `score`, `name`, `image_url` and `reached_at` are those behind the span. */
export interface Move {
  entity_id: string;
  name: string;
  from: number | null;
  to: number | null;
  rank: number | null;
  score: number;
  image_url: string | null;
  reached_at: string | null;
}

/** Somebody has reached a level that they had not. */
export interface LevelReached {
  id: string;
  user_id: string;
  level: CareerLevelRef;
  awarded_at: string;
}

/** A career level, as far as a profile shows it; domain/progression has the rest. */
export interface CareerLevelRef {
  level: number;
  code: string;
  name: string;
  icon_url: string | null;
}

/** It is not in the list any more: what it told was taken back, a batch took its place, or its owner deleted it. */
export interface NotificationRemoved {
  id: string;
  unread: number;
  version: number;
}

/** A single or a batch is new, or is not what it was. */
export interface NotificationUpserted {
  notification: Notification;
  unread: number;
  version: number;
}

/** A single, a batch, or a child of a batch, which is read when the batch is. `actors` are the latest, up to 3. */
export interface Notification {
  id: string;
  type: 'badge_earned' | 'board_entered' | 'board_left' | 'comment' | 'follow' | 'follow_accepted' | 'follow_request' | 'level_reached' | 'like' | 'mention' | 'reply' | 'review_like' | 'post_interaction' | 'review_interaction';
  title: string;
  message: string;
  data: About;
  priority: 'high' | 'low' | 'normal';
  is_batch: boolean;
  batch_count: number;
  batch_key: string;
  parent_id: string | null;
  actors: UserRef[];
  read: boolean;
  read_at: string | null;
  created_at: string;
  last_updated_at: string;
}

/** What it is about: where a tap leads. A reply's `parent_id` is the comment that it answers. Of a board: what is called `name` entered or left its first `place`, and went `from` a position `to` another; of a batch, the newest. */
export interface About {
  post_id?: string | null;
  review_id?: string | null;
  comment_id?: string | null;
  parent_id?: string | null;
  user_id?: string | null;
  badge?: string | null;
  level?: number | null;
  board?: string | null;
  board_name?: string | null;
  entity_id?: string | null;
  name?: string | null;
  place?: number | null;
  from?: number | null;
  to?: number | null;
}

/** The owner read these, or all whose `last_updated_at` is not after `up_to`. */
export interface NotificationsRead {
  ids: string[] | null;
  all: boolean;
  up_to: string | null;
  unread: number;
  version: number;
}

/** A post's counts. */
export interface PostCounters {
  likes: number;
  reactions: Record<string, number>;
  comments: number;
  shares: number;
}

/** It is gone, with everything below it. */
export interface PostDeleted {
  id: string;
  author_id: string;
}

/** The author changed it. Counters are not repeated: they have a writer of their own. */
export interface PostEdited {
  id: string;
  title: string | null;
  content: string;
  post_type: 'daily' | 'photo' | 'spontaneous';
  image_url: string | null;
  subject: Subject | null;
  location: Location | null;
  mentions: UserRef[];
  edited_at: string;
}

/** The thing a post is about. */
export interface Subject {
  type: string;
  id: string;
}

/** Where; degrees in WGS 84. */
export interface Location {
  display_name: string;
  lat: number | null;
  lon: number | null;
  place_id: string | null;
}

/** Somebody posted. Told to who may see the author's profile when post and account are public. */
export interface PostPublished {
  post: Post;
}

/** A post as a viewer sees it; `viewer` is null in what everybody is told. */
export interface Post {
  id: string;
  author: UserRef;
  title: string | null;
  content: string;
  post_type: 'daily' | 'photo' | 'spontaneous';
  image_url: string | null;
  visibility: 'followers' | 'private' | 'public';
  subject: Subject | null;
  location: Location | null;
  mentions: UserRef[];
  counters: Counters;
  viewer: Own | null;
  created_at: string;
  edited_at: string | null;
}

/** What others did with it. */
export interface Counters {
  likes: number;
  reactions: Record<string, number>;
  comments: number;
  shares: number;
}

/** What the viewer did with it. */
export interface Own {
  liked: boolean;
  reaction: string | null;
}

/** Somebody's profile as it is now; counters have a writer of their own. */
export interface ProfileChanged {
  id: string;
  username: string;
  display_name: string | null;
  avatar_url: string | null;
  bio: string | null;
  city: string | null;
  location: Location | null;
  institutions: string[];
  websites: string[];
  privacy_level: 'followers' | 'private' | 'public';
  career_level: CareerLevelRef | null;
  featured_badges: BadgeRef[];
}

/** Somebody ranked a dish, or no longer does: `ranking` is null then, and `before` when it is new to them. `moved` are the others whose ranks changed by it. Told to clients when the account is public. `city` is a slug. */
export interface RankingChanged {
  user: UserRef;
  dish_id: string;
  restaurant_id: string;
  dish_type: string;
  city: string | null;
  ranking: Ranking | null;
  before: Placing | null;
  moved: Moved[];
}

/** What somebody thinks of a dish: a rank or a taste; neither when it fell out of the ranks. */
export interface Ranking {
  id: string;
  user: UserRef;
  dish_id: string;
  dish: DishRef;
  restaurant_id: string;
  dish_type: string;
  rank: number | null;
  taste: 'acceptable' | 'dissatisfied' | 'second_chance' | null;
  notes: string;
  photo_url: string | null;
  created_at: string;
  updated_at: string;
}

/** A dish, as far as rankings name it. */
export interface DishRef {
  id: string;
  name: string;
}

/** What somebody thinks of a dish: a rank or a taste; neither when it fell out of the ranks. */
export interface Placing {
  rank: number | null;
  taste: 'acceptable' | 'dissatisfied' | 'second_chance' | null;
}

/** Another dish whose rank changed; `to` is null when it fell out. */
export interface Moved {
  dish_id: string;
  from: number;
  to: number | null;
}

/** Somebody added it. */
export interface RestaurantAdded {
  restaurant: Restaurant;
}

/** A restaurant; degrees in WGS 84, `price_range` from 1 to 4. */
export interface Restaurant {
  id: string;
  name: string;
  address: string | null;
  city: string | null;
  state: string | null;
  country: string | null;
  postal_code: string | null;
  latitude: number | null;
  longitude: number | null;
  phone: string | null;
  website: string | null;
  hours: Hours | null;
  cuisine_type: string[];
  price_range: number | null;
  photos: string[];
  counters: RestaurantTotals;
  created_at: string;
  updated_at: string;
}

/** When a restaurant is open, by the weekday on which it opens. */
export interface Hours {
  monday: Period[];
  tuesday: Period[];
  wednesday: Period[];
  thursday: Period[];
  friday: Period[];
  saturday: Period[];
  sunday: Period[];
}

/** Open from `opens` until `closes`, local time; a closing that is not after the opening is on the next day. */
export interface Period {
  opens: string;
  closes: string;
}

/** How many dishes it has, and how many reviews they have. */
export interface RestaurantTotals {
  dishes: number;
  reviews: number;
}

/** A restaurant's counts. */
export interface RestaurantCounters {
  dishes: number;
  reviews: number;
}

/** Somebody changed it. Counters are not repeated: they have a writer of their own. */
export interface RestaurantEdited {
  id: string;
  name: string;
  address: string | null;
  city: string | null;
  state: string | null;
  country: string | null;
  postal_code: string | null;
  latitude: number | null;
  longitude: number | null;
  phone: string | null;
  website: string | null;
  hours: Hours | null;
  cuisine_type: string[];
  price_range: number | null;
  photos: string[];
  updated_at: string;
}

/** A review's counts. */
export interface ReviewCounters {
  likes: number;
  comments: number;
}

/** Somebody reviewed a dish. Told to clients when the account is public. `city` is a slug. */
export interface ReviewCreated {
  review: Review;
  dish_type: string;
  city: string | null;
}

/** What somebody says of a dish, as a viewer sees it; `viewer` is null in what everybody is told. */
export interface Review {
  id: string;
  author: UserRef;
  dish_id: string;
  dish: DishRef;
  restaurant_id: string;
  content: string;
  stars: number | null;
  photos: string[];
  counters: ReviewTotals;
  viewer: ReviewOwn | null;
  created_at: string;
  edited_at: string | null;
}

/** How many like it, and how many comments it has. */
export interface ReviewTotals {
  likes: number;
  comments: number;
}

/** What the viewer did with it. */
export interface ReviewOwn {
  liked: boolean;
}

/** It is gone, with its likes and comments. */
export interface ReviewDeleted {
  id: string;
  author_id: string;
  dish_id: string;
  restaurant_id: string;
}

/** Its author changed it. Counters are not repeated: they have a writer of their own. */
export interface ReviewEdited {
  id: string;
  dish_id: string;
  restaurant_id: string;
  content: string;
  stars: number | null;
  stars_before: number | null;
  photos: string[];
  edited_at: string;
}

/** A list has changed, and not only by the time that went by: scores are as of `at`, and half of that `half_life_s` later. `version` counts the changes of a list. */
export interface TrendingChanged {
  version: number;
  at: string;
  half_life_s: number;
  top: TrendingDish[];
}

/** A dish on a list; `ranking_count` is how many have ranked it, ever. */
export interface TrendingDish {
  dish_id: string;
  dish_name: string;
  restaurant_id: string;
  restaurant_name: string;
  dish_type: string;
  image_url: string | null;
  ranking_count: number;
  trending_score: number;
}

/** A user's counts. */
export interface UserCounters {
  followers: number;
  following: number;
  posts: number;
}

/** Somebody deleted their account. What it had done to others is told before, one by one. */
export interface UserDeleted {
  user_id: string;
}

/** What each type of event holds. */
export interface Events {
  'badge.earned': BadgeEarned;
  'comment.created': CommentCreated;
  'comment.deleted': CommentDeleted;
  'comment.edited': CommentEdited;
  'dish.added': DishAdded;
  'dish.counters': DishCounters;
  'dish.edited': DishEdited;
  'dish.removed': DishRemoved;
  'dish.score': DishScore;
  'leaderboard.changed': LeaderboardChanged;
  'level.reached': LevelReached;
  'notification.removed': NotificationRemoved;
  'notification.upserted': NotificationUpserted;
  'notifications.read': NotificationsRead;
  'post.counters': PostCounters;
  'post.deleted': PostDeleted;
  'post.edited': PostEdited;
  'post.published': PostPublished;
  'profile.changed': ProfileChanged;
  'ranking.changed': RankingChanged;
  'restaurant.added': RestaurantAdded;
  'restaurant.counters': RestaurantCounters;
  'restaurant.edited': RestaurantEdited;
  'review.counters': ReviewCounters;
  'review.created': ReviewCreated;
  'review.deleted': ReviewDeleted;
  'review.edited': ReviewEdited;
  'trending.changed': TrendingChanged;
  'user.counters': UserCounters;
  'user.deleted': UserDeleted;
}

/** The types of events of each topic. */
export interface Topics {
  [topic: `dish:${string}`]: 'dish.counters' | 'dish.edited' | 'dish.removed' | 'dish.score' | 'ranking.changed' | 'review.created' | 'review.deleted' | 'review.edited';
  home: 'post.published';
  [topic: `leaderboard:${string}`]: 'leaderboard.changed';
  notifications: 'badge.earned' | 'level.reached' | 'notification.removed' | 'notification.upserted' | 'notifications.read';
  [topic: `post:${string}`]: 'comment.created' | 'comment.deleted' | 'comment.edited' | 'post.counters' | 'post.deleted' | 'post.edited';
  [topic: `restaurant:${string}`]: 'dish.added' | 'dish.edited' | 'dish.removed' | 'ranking.changed' | 'restaurant.added' | 'restaurant.counters' | 'restaurant.edited' | 'review.created' | 'review.deleted' | 'review.edited';
  [topic: `review:${string}`]: 'comment.created' | 'comment.deleted' | 'comment.edited' | 'review.counters' | 'review.deleted' | 'review.edited';
  [topic: `trending:${string}`]: 'trending.changed';
  [topic: `user:${string}`]: 'post.published' | 'profile.changed' | 'user.counters' | 'user.deleted';
}

/** Why a topic ended; more may come. */
export type Removal = 'blocked' | 'private' | 'deleted' | 'suspended' | 'bad_cursor' | 'bad_topic' | 'not_found' | 'too_many_topics' | (string & {});

/** What the server closes with. */
export type Close =
  | 4000 // protocol error
  | 4003 // banned or suspended
  | 4100 // overloaded
  | 4101 // too slow a reader
  | 4102 // too many connections
  | 4200 // draining
  | 4300 // token expired
  | 4301 // session revoked
  | 4302 // no hello in time
  | 4303 // bad token
  | never;
// </wire>

export type Topic = keyof Topics & string;

/** Something happened on a topic. Ids sort as strings, in one order for everybody. */
export interface Told<E extends keyof Events = keyof Events> {
  topic: string;
  id: string;
  prev: string | null;
  type: E;
  at: string;
  data: Events[E];
}

export type Handlers<T extends Topic> = {
  [E in Topics[T]]?: (data: Events[E], event: Told<E>) => void;
} & {
  /** Every event, also of types that came later than this file. */
  '*'?: (data: unknown, event: Told) => void;
  /** Something may have been missed: fetch what you show over HTTP, and go on. */
  reset?: (cursor: string) => void;
  /** You may not listen any more. */
  removed?: (code: Removal) => void;
};

/** From a value and an event to the next value; undefined leaves it as it is. Applying an event twice must do no harm. */
export type Reducers<T extends Topic, V> = {
  [E in Topics[T]]?: (value: V, data: Events[E], event: Told<E>) => V | undefined;
};

/** What HTTP says, and the `Potluck-Cursor` that the answer came with: of several answers, the lowest. */
export interface Snapshot<V> {
  value: V;
  cursor: string | null;
}

/** A snapshot, kept true by the topic's events. */
export interface Store<V> {
  readonly value: V | undefined;
  /** `stale`: it is being fetched again. `removed`: it may not be seen any more, or it was closed. */
  readonly state: 'loading' | 'live' | 'stale' | 'removed';
  /** Why it was removed. */
  readonly reason?: Removal;
  /** Hear of every change, beginning with the value as it is; returns how to stop. */
  subscribe(listener: (value: V | undefined, store: Store<V>) => void): () => void;
  /** Fetch it again. */
  refresh(): Promise<void>;
  close(): void;
}

/** Why it stopped for good: what the server closed with, or what became of the token. */
export type Reason = Close | 'signed_out' | 'another_user';

export type Status = 'connecting' | 'live' | 'offline' | 'stopped' | 'closed';

export interface Options {
  /** The server; in a browser the page's own unless told otherwise. */
  url?: string;
  /**
   * A token. With `fresh` the last one has expired, is about to, or was refused: get a new one. Null or "" means that
   * nobody is signed in any more, and stops; throw when it could not be found out, and it is asked again. What is thrown
   * is reported, unless the network failed or its `status` is 429 or from 500 on. One call at a time; 10 s to answer.
   */
  token(fresh: boolean): Promise<string | null | undefined> | string | null | undefined;
  /** The id of who is signed in: needed to share a connection, and to keep anything. Another one's token stops. */
  user?: string;
  /** Whether tabs of the same user use one connection; true unless told otherwise, where the browser can. */
  share?: boolean;
  /** Where copies with a `keep` are kept: sessionStorage for each tab, localStorage for all. */
  storage?: Storage;
  /** For platforms that have none, such as Node 20. */
  WebSocket?: unknown;
  /** What the server's logs call you. */
  client?: string;
  /** Hear of every change of the status; see Potluck. */
  onstatus?(status: Status, reason?: Reason): void;
}

export interface Potluck {
  readonly status: Status;
  readonly reason?: Reason;
  /** How many events were applied, dropped as known, and showed that one was missed; and how many resets there were. */
  readonly seen: { new: number; duplicate: number; gap: number; resets: number };
  /** How far each topic is known. */
  readonly positions: Record<string, string | null>;
  /** Hear of a topic, from behind a cursor or from now on; returns how to stop. With `keep`, a reload goes on. */
  on<T extends Topic>(topic: T, handlers: Handlers<T>, options?: { from?: string | null | undefined; keep?: string | undefined }): () => void;
  /** Show what `fetch` finds, and keep it true. With `keep`, a reload shows it at once. `initial` is instead of the first fetch. */
  store<T extends Topic, V = any>(
    topic: T,
    fetch: () => Promise<Response | Snapshot<V>>,
    reducers: Reducers<T, V>,
    options?: { keep?: string; initial?: Snapshot<V> },
  ): Store<V>;
  /** Hang up. With `forget`, nothing that was kept of this user stays: for signing out. */
  close(options?: { forget?: boolean }): void;
}

/** Begin to listen. */
export declare function connect(options: Options): Potluck;

/** What an event is to somebody at a position. */
export declare function judge(position: string, event: { id: string; prev: string | null }): 'new' | 'duplicate' | 'gap';

/** How long to wait before the next try, in ms. `random` is from 0 to 1. */
export declare function backoff(retry: { min_ms: number; max_ms: number }, tries: number, random?: number): number;
