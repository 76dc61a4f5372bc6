-- Renamed items are recognised by their request.

CREATE INDEX jobs_by_request ON jobs (request_key);

CREATE TABLE leftovers (     -- files of renamed items that are in their new place too
    path     TEXT PRIMARY KEY,   -- the old one, relative to the output folder
    moved_to TEXT NOT NULL       -- the new one
) WITHOUT ROWID;
