-- All tables, also those that the dump does not know: those of a later version would be in the way of its migrations.
SET lock_timeout = '30s';
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP TABLE public.%I CASCADE', name);
    END LOOP;
END
$$;
