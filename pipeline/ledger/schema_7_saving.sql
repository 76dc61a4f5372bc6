-- How files are saved: what they were made from, and what their checks found.

ALTER TABLE assets ADD COLUMN original_sha256 TEXT NOT NULL DEFAULT '';          -- '': the saved file is as it came
ALTER TABLE assets ADD COLUMN original_size_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assets ADD COLUMN recipe TEXT NOT NULL DEFAULT '';                   -- JSON object of what was done, or ''
ALTER TABLE assets ADD COLUMN checks TEXT NOT NULL DEFAULT '';                   -- JSON object: check -> why it failed, or ''
ALTER TABLE assets ADD COLUMN likeness TEXT NOT NULL DEFAULT '';                 -- 16 hex digits, or ''
