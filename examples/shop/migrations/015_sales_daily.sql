SET search_path = shop, public;

CREATE MATERIALIZED VIEW sales_daily AS
SELECT (placed_at AT TIME ZONE 'UTC')::date AS day, count(*) AS orders, sum(total)::numeric(14, 2) AS total
FROM orders WHERE status NOT IN ('cart', 'canceled')
GROUP BY 1
WITH NO DATA;
CREATE UNIQUE INDEX sales_daily_day ON sales_daily (day);
REFRESH MATERIALIZED VIEW sales_daily;
