-- What was taken back, noted on its message; and the lane of urgent wakes.

ALTER TABLE message ADD COLUMN withdrawn TEXT;

ALTER TABLE wake ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX wake_urgent ON wake (ws, due_at) WHERE state = 'pending' AND held = 0 AND urgent = 1;
