-- Prices. Units are decimal text; an attempt of an older version has none.

ALTER TABLE jobs ADD COLUMN quoted TEXT;    -- reserved before the POST left, by its quote
ALTER TABLE jobs ADD COLUMN addons TEXT;    -- JSON object: add-on -> units of it in charged
ALTER TABLE jobs ADD COLUMN refunded TEXT;  -- given back after a failure
