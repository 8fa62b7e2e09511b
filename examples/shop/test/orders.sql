-- Each row is a check and whether it holds.
SET search_path = shop, public;

SELECT '4200 orders, each in a partition of its time' AS "check", count(*) = 4200 AND count(*) FILTER (WHERE tableoid = 'orders_other'::regclass) = 0 AS ok FROM orders;
SELECT 'totals are those of the lines', count(*) = 0 FROM orders o
	WHERE total <> (SELECT coalesce(sum(quantity * unit_price), 0) FROM order_items i WHERE i.order_id = o.id);
SELECT 'the report has every order that counts', sum(orders) = (SELECT count(*) FROM orders WHERE status NOT IN ('cart', 'canceled')) FROM sales_daily;
SELECT 'revenue adds up', revenue('2025-01-01', '2026-12-31') = (SELECT sum(total) FROM sales_daily) AND revenue('2026-01-02', '2026-01-01') IS NULL;
SELECT 'Swiss orders have Swiss tax', bool_and(tax = round(net * 0.081, 2)) AND count(*) > 0 FROM order_bills WHERE country = 'CH';
SELECT 'orders came back', count(*) > 0 FROM orders WHERE status = 'returned';
