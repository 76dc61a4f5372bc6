-- From where the service's job list is read when the answer to a submit is lost.

CREATE TABLE marks (
    mark_id    INTEGER PRIMARY KEY,
    created_at TEXT,                -- the service's time from which its list is read; NULL: all of it
    listed     TEXT NOT NULL,       -- JSON array: ids listed since then, made before the submits
    reconciled INTEGER NOT NULL     -- 1: every job since has been held against the rows
);

ALTER TABLE jobs ADD COLUMN mark_id INTEGER;                       -- before its submit
ALTER TABLE jobs ADD COLUMN made_with TEXT NOT NULL DEFAULT '';    -- digest of the API key that sent it
