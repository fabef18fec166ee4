"""What operators see of delivery: sockets, news, the relay's lag, folds."""

from prometheus_client import Counter, Gauge, Histogram

SOCKETS = Gauge("potluck_sockets", "Open sockets that have said hello.", multiprocess_mode="livesum")
SOCKETS_CLOSED = Counter("potluck_sockets_closed_total", "Sockets that we closed, by code.", ["code"])
NEWS = Counter("potluck_news_total", "News read from the stream, by type.", ["type"])
FRAMES = Counter("potluck_frames_total", "Messages written to sockets.")
SLOW_READERS = Counter(
    "potluck_slow_readers_total",
    "What was done about clients that read too slowly. Clients: `waiting`, `closed_bytes`, `closed_age`."
    " Messages: `merged`, `replaced`; `reset` in place of these.",
    ["step"],
)
SLOW_WAITING = SLOW_READERS.labels("waiting")
SLOW_MERGED = SLOW_READERS.labels("merged")
SLOW_REPLACED = SLOW_READERS.labels("replaced")
SLOW_RESET = SLOW_READERS.labels("reset")
SLOW_CLOSED_BYTES = SLOW_READERS.labels("closed_bytes")
SLOW_CLOSED_AGE = SLOW_READERS.labels("closed_age")
GAPS = Counter("potluck_stream_gaps_total", "Gaps in the stream, by how they were closed.", ["how"])
HOME_RESETS = Counter(
    "potluck_home_resets_total", "Times that all homes had to begin anew: too much was posted while nobody answered."
)
DELIVERY_AGE = Histogram(
    "potluck_delivery_age_seconds",
    "From an event's record to its arrival in this process.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
BATCHES = Counter("potluck_batches_total", "Batches that this process has cut.")
RELAYED = Counter("potluck_relayed_total", "Entries that this process has put into the stream.")
RELAY_AGE = Gauge(
    "potluck_relay_age_seconds", "Age of the oldest event of the last batch.", multiprocess_mode="livemax"
)
RELAY_FAILURES = Counter("potluck_relay_failures_total", "Times the relay had to begin anew.")
FOLDED = Counter("potluck_folded_total", "Events folded, by feature.", ["feature"])
FOLDS = Histogram(
    "potluck_fold_seconds",
    "Time of one fold.",
    ["feature"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
FOLD_FAILURES = Counter("potluck_fold_failures_total", "Events parked because their handler failed.", ["feature"])
