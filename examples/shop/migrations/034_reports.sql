SET search_path = shop, public;

\set top 3
CREATE VIEW best_of_category AS
SELECT * FROM (
	SELECT c.path, p.title, sum(i.quantity) AS sold,
	       row_number() OVER (PARTITION BY c.path ORDER BY sum(i.quantity) DESC, p.id) AS place
	FROM order_items i JOIN products p ON p.id = i.product_id JOIN category_paths c ON c.id = p.category_id
	GROUP BY c.path, p.id
) ranked
WHERE place <= :top;

CREATE FUNCTION revenue(from_day date, to_day date) RETURNS numeric
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN from_day > to_day THEN NULL ELSE coalesce(sum(total), 0) END
	FROM sales_daily WHERE day BETWEEN from_day AND to_day;
END;
\unset top
