-- Before a backup is read in, in the same transaction: every table goes, also one that the backup is too old to know.
-- Not the schema: what others granted on it, and extensions in it, are no part of a backup.
SET LOCAL client_min_messages = warning; -- what goes along with a table is a notice each
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', name);
    END LOOP;
END
$$;
