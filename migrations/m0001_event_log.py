"""The event log, its batches, the cursors that read it: the news exists if and only if the change does."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000001"
VERSION = "1.38.0"
DESCRIPTION = "the event log, its batches and its cursors"

UP = """
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type text NOT NULL,
    topics text[] NOT NULL DEFAULT '{}',
    data json NOT NULL,
    actor uuid,
    audience text,
    PRIMARY KEY (at, seq)
) PARTITION BY RANGE (at);
CREATE INDEX events_xid ON events (xid);

CREATE FUNCTION make_event_partitions(days_ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    day date;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_event_partitions'));
    FOR day IN SELECT (now() AT TIME ZONE 'UTC')::date + i FROM generate_series(-1, days_ahead) i LOOP
        IF to_regclass(format('events_%s', to_char(day, 'YYYYMMDD'))) IS NULL THEN
            EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
                to_char(day, 'YYYYMMDD'), day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT make_event_partitions(7);

CREATE FUNCTION emit_event(type text, topics text[], data json, actor uuid, audience text) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    INSERT INTO events (type, topics, data, actor, audience) VALUES ($1, $2, $3, $4, $5) RETURNING seq
$$;

CREATE TABLE batches (
    batch bigint PRIMARY KEY,
    prev bigint NOT NULL UNIQUE,
    snapshot pg_snapshot NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO batches (batch, prev, snapshot) VALUES (1, 0, pg_current_snapshot());

CREATE TABLE cursors (
    feature text PRIMARY KEY,
    batch bigint NOT NULL,
    upto bigint NOT NULL,
    seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE event_failures (
    feature text NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    data json NOT NULL,
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (feature, seq)
);
"""

DOWN = """
DROP TABLE event_failures, cursors, batches;
DROP FUNCTION emit_event;
DROP FUNCTION make_event_partitions;
DROP TABLE events;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
