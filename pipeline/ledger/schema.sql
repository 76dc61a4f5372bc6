-- What a run remembers. Times are ISO 8601 in UTC; units are decimal text.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,   -- 'base_url', 'project_id', 'manifest', 'author_id', 'tool'
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE jobs (
    row_id         INTEGER PRIMARY KEY,
    item_id        TEXT NOT NULL,
    attempt        INTEGER NOT NULL,   -- from 1, counted per item
    job_key        TEXT NOT NULL,      -- SHA-256 of what is asked for, defaults left out
    request_key    TEXT NOT NULL,      -- the same with defaults as they were written
    model_id       TEXT NOT NULL,
    status         TEXT NOT NULL,      -- JobStatus
    request        TEXT NOT NULL,      -- JSON object of the inputs as sent
    seed           INTEGER,            -- as sent; NULL where the model has none
    derived_seed   INTEGER NOT NULL,   -- 1: only this item has this seed
    remote_id      TEXT UNIQUE,        -- the service's id: one remote job, one row
    base_url       TEXT NOT NULL,      -- an attempt is never settled against another
    project_id     TEXT NOT NULL,
    author_id      TEXT NOT NULL,
    charged        TEXT,               -- compute units, from the submit's answer
    sent_at        TEXT,               -- the service's clock
    submitted_at   TEXT,
    finished_at    TEXT,
    saved_at       TEXT,
    remote_assets  TEXT NOT NULL,      -- JSON array of asset ids, in the service's order
    echo           TEXT,               -- JSON object: what metadata.input says differently
    failure_class  TEXT,               -- FailureClass
    failure_reason TEXT,
    failure_hint   TEXT,
    failure_trace  TEXT,
    UNIQUE (item_id, attempt)
);
CREATE INDEX jobs_by_key ON jobs (job_key);
CREATE INDEX jobs_by_status ON jobs (status);

CREATE TABLE assets (
    row_id       INTEGER NOT NULL REFERENCES jobs (row_id),
    output_index INTEGER NOT NULL,     -- from 1
    asset_id     TEXT NOT NULL,
    path         TEXT NOT NULL,        -- relative to the output folder
    sha256       TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    media_type   TEXT NOT NULL,
    width_px     INTEGER,
    height_px    INTEGER,
    PRIMARY KEY (row_id, output_index)
) WITHOUT ROWID;
CREATE INDEX assets_by_path ON assets (path);

CREATE TABLE uploads (
    sha256      TEXT NOT NULL,         -- of the reference asset's content
    project_id  TEXT NOT NULL,
    asset_id    TEXT NOT NULL,
    uploaded_at TEXT NOT NULL,
    PRIMARY KEY (sha256, project_id)
) WITHOUT ROWID;

CREATE TABLE runs (
    run_id     INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at   TEXT,                   -- NULL while running, or when it was killed
    exit_code  INTEGER
);
