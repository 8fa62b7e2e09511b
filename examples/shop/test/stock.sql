-- Each row is a check and whether it holds.
SET search_path = shop, public;

SELECT 'stock is the sum of its moves' AS "check", count(*) = 0 AS ok
	FROM stock s WHERE on_hand <> (SELECT sum(delta) FROM stock_moves m WHERE m.product_id = s.product_id);
INSERT INTO stock_moves (product_id, delta, reason) SELECT id, 5, 'delivery' FROM products WHERE id <= 10;
SELECT 'ten products more', sum(on_hand) - (SELECT sum(delta) FROM stock_moves WHERE reason <> 'delivery' AND product_id <= 10) = 50 FROM stock WHERE product_id <= 10;
SELECT 'the check holds', convalidated FROM pg_constraint WHERE conname = 'stock_not_negative';
SELECT 'wishes of low rating are gone', count(*) = 0 FROM wishes w JOIN reviews r USING (customer_id, product_id) WHERE r.rating <= 2;
