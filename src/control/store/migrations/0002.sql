-- The definition as one JSON value, as a revision has it: a new field needs no column.

ALTER TABLE apis ADD COLUMN definition TEXT NOT NULL DEFAULT '{}';
UPDATE apis SET definition = json_object(
    'name', name, 'description', description, 'access', access, 'targets', json(targets), 'type', 'WebSocket');
ALTER TABLE apis DROP COLUMN name;
ALTER TABLE apis DROP COLUMN description;
ALTER TABLE apis DROP COLUMN access;
ALTER TABLE apis DROP COLUMN targets;
