-- Who may call the admin API. A token is kept as the SHA-256 digest of its text: nothing here opens anything.

CREATE TABLE identities (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- in its entity tag: an identity of the same name made later has another
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    roles TEXT NOT NULL,
    room_scope TEXT,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;

-- Revoked tokens are deleted. Numbers are never given twice.
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    last_used INTEGER -- a day, counted from 1970
) STRICT;

CREATE INDEX tokens_of_identity ON tokens (identity, id);

-- `who` is the identity that was proved. Entries from before this have NULL in both: their `who` is the client's own word.
ALTER TABLE audit ADD COLUMN authenticated_by TEXT;
ALTER TABLE audit ADD COLUMN client_name TEXT;
