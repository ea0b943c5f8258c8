-- Times are milliseconds since 1970. Lists and definitions are JSON, as the admin API shows them.

CREATE TABLE projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- in its entity tag: a project of the same name made later has another
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;

CREATE TABLE apis (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL REFERENCES projects (name),
    identifier TEXT NOT NULL,
    major INTEGER NOT NULL,
    minor INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    access TEXT NOT NULL,
    targets TEXT NOT NULL,
    display_name TEXT,
    lifecycle TEXT NOT NULL,
    deprecated_at INTEGER,
    sunset_at INTEGER,
    latest_revision INTEGER,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;

CREATE INDEX apis_in_order ON apis (project, identifier, major, minor, id);
CREATE UNIQUE INDEX one_api_of_a_key ON apis (project, identifier, major, minor) WHERE lifecycle <> 'Retired';

CREATE TABLE revisions (
    api_id INTEGER NOT NULL REFERENCES apis (id),
    number INTEGER NOT NULL,
    definition TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (api_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE deployments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    api_id INTEGER NOT NULL,
    environment TEXT NOT NULL,
    revision INTEGER NOT NULL,
    targets TEXT, -- the environment's own; NULL: the revision's
    stopped INTEGER NOT NULL CHECK (stopped IN (0, 1)),
    deployed_at INTEGER NOT NULL,
    deployed_by TEXT NOT NULL,
    UNIQUE (api_id, environment),
    FOREIGN KEY (api_id, revision) REFERENCES revisions (api_id, number)
) STRICT;

CREATE INDEX deployments_of_environment ON deployments (environment, api_id);

-- Numbers without gaps: a number that a transaction took is free again when it is rolled back.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    api TEXT,       -- of an API: what it is found by
    api_id INTEGER, -- and its number; it may be deleted since
    before TEXT,
    after TEXT
) STRICT;

CREATE INDEX audit_of_key ON audit (api, id) WHERE api IS NOT NULL;
CREATE INDEX audit_of_lifecycle ON audit (api_id, id) WHERE action = 'api.lifecycle';

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE (ABORT, 'entries of the audit are never changed');
END;

CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE (ABORT, 'entries of the audit are never deleted');
END;

CREATE TRIGGER revision_is_never_changed BEFORE UPDATE ON revisions
BEGIN
    SELECT RAISE (ABORT, 'revisions are never changed');
END;
