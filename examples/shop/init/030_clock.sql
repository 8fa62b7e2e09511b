SET search_path = shop, public;

-- The shop's clock: what depends on the wall clock could not be replayed to the same state.
CREATE FUNCTION clock() RETURNS timestamptz
LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('shop.clock', true), '')::timestamptz, timestamptz '2026-01-15 12:00:00+00');

\ir ../lib/text.psql
