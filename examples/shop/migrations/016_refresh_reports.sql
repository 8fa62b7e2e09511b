SET search_path = shop, public;

CREATE PROCEDURE refresh_reports()
LANGUAGE plpgsql AS $$
BEGIN
	REFRESH MATERIALIZED VIEW CONCURRENTLY shop.sales_daily;
	COMMIT;
END
$$;
CALL refresh_reports();
