-- Pictures that come with a 3D model or a video are files of its job, and no outputs.

ALTER TABLE assets ADD COLUMN role TEXT NOT NULL DEFAULT '';    -- '' for an output, or 'preview'
