-- Functions that run as their owner look for temporary tables last: else whoever calls one could put a table of the same
-- name before ours.
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
          AND NOT coalesce(array_to_string(p.proconfig, ' ') ~ 'search_path=.*pg_temp', false)
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    END LOOP;
END $$;
