-- Why a message was taken back, in words: free text, beside the log.

ALTER TABLE message ADD COLUMN withdrawn_text TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN withdrawn_salt BLOB NOT NULL DEFAULT x'';
