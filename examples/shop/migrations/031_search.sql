SET search_path = shop, public;

CREATE FUNCTION search(query text, most int DEFAULT 10)
RETURNS TABLE (id bigint, title text, rank real)
LANGUAGE plpgsql STABLE SET search_path = shop, public AS $$
#variable_conflict use_column
DECLARE
	q tsquery := websearch_to_tsquery('english', query);
BEGIN
	RETURN QUERY
	SELECT p.id, p.title, ts_rank(p.words, q) FROM products p
	WHERE p.active AND p.words @@ q
	ORDER BY 3 DESC, 1
	LIMIT most;
END
$$;
