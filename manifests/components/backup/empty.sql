-- All that is there, also what the dump does not know: what a later version made would be in the way of its migrations.
-- Allowed to the owner of the database.
SET lock_timeout = '30s';
SET client_min_messages = warning;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
