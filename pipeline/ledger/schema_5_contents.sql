-- What the service's assets hold, also of files that others have replaced since.

CREATE TABLE contents (
    asset_id TEXT PRIMARY KEY,
    sha256   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX contents_by_sha256 ON contents (sha256);

INSERT OR IGNORE INTO contents SELECT asset_id, sha256 FROM assets;
