SET search_path = shop, public;

INSERT INTO stock_moves (product_id, delta, reason) SELECT id, 1000, 'first count' FROM products;
INSERT INTO stock_moves (product_id, delta, reason)
SELECT i.product_id, -i.quantity, 'order ' || i.order_id
FROM order_items i JOIN orders o ON (o.id, o.placed_at) = (i.order_id, i.placed_at)
WHERE o.status IN ('shipped', 'delivered')
ORDER BY i.order_id, i.line;
ALTER TABLE stock ADD CONSTRAINT stock_not_negative CHECK (on_hand >= 0) NOT VALID;
ALTER TABLE stock VALIDATE CONSTRAINT stock_not_negative;
