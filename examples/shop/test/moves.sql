-- Each row is a check and whether it holds.
SET search_path = shop, public;

-- A head may write: what it does is gone afterwards.
UPDATE orders SET status = 'shipped' WHERE id IN (SELECT id FROM orders WHERE status = 'paid' ORDER BY id LIMIT 5);
SELECT 'five moves were noted' AS "check", count(*) = 5 AS ok FROM order_events WHERE to_status = 'shipped';
DELETE FROM order_items WHERE order_id = 2 AND line = 1;
SELECT 'a line less is a total less', total = (SELECT sum(quantity * unit_price) FROM order_items WHERE order_id = 2) FROM orders WHERE id = 2;
DO $$
BEGIN
	UPDATE orders SET status = 'cart' WHERE id = 1;
	RAISE EXCEPTION 'an order went back into the cart';
EXCEPTION WHEN check_violation THEN
	RAISE NOTICE 'refused: %', SQLERRM;
END
$$;
DO $$
BEGIN
	INSERT INTO redemptions VALUES ('THREE', 4);
	SET CONSTRAINTS ALL IMMEDIATE;
	RAISE EXCEPTION 'a coupon was used too often';
EXCEPTION WHEN SQLSTATE 'SH001' THEN
	NULL;
END
$$;
SELECT 'the coupon is as it was', count(*) = 3 FROM redemptions WHERE code = 'THREE';
