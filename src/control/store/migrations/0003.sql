-- Plans, applications of consumers, their subscriptions and their keys. Of a key the SHA-256 digest is kept, and no secret.

CREATE TABLE plans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;

CREATE TABLE applications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (consumer, name)
) STRICT;

CREATE TABLE subscriptions (
    application_id INTEGER NOT NULL REFERENCES applications (id),
    project TEXT NOT NULL,
    identifier TEXT NOT NULL,
    major INTEGER NOT NULL,
    plan_id INTEGER NOT NULL REFERENCES plans (id),
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (application_id, project, identifier, major)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscriptions_of_family ON subscriptions (project, identifier, major, application_id);
CREATE INDEX subscriptions_of_plan ON subscriptions (plan_id, application_id);

CREATE TABLE keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id INTEGER NOT NULL REFERENCES applications (id),
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    prefix TEXT NOT NULL,
    expires_at INTEGER,
    replaced_by INTEGER, -- the number of the key that took its place; it may be revoked since
    last_used_on TEXT,   -- a day, as 2026-12-01
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;

CREATE INDEX keys_of_application ON keys (application_id, id);
CREATE INDEX keys_of_prefix ON keys (prefix);
