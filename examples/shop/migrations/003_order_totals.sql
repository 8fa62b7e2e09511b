SET search_path = shop, public;

ALTER TABLE orders ADD COLUMN total amount NOT NULL DEFAULT 0;

CREATE FUNCTION keep_order_total() RETURNS trigger
LANGUAGE plpgsql AS $fn$
DECLARE
	changed record;
BEGIN
	IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
	UPDATE orders o
	SET total = (SELECT coalesce(sum(quantity * unit_price), 0) FROM order_items i WHERE i.order_id = o.id)
	WHERE o.id = changed.order_id AND o.placed_at = changed.placed_at;
	RETURN NULL;
END
$fn$;
CREATE TRIGGER order_total AFTER INSERT OR UPDATE OR DELETE ON order_items
	FOR EACH ROW EXECUTE FUNCTION keep_order_total();

UPDATE orders o SET total = i.total
FROM (SELECT order_id, sum(quantity * unit_price) AS total FROM order_items GROUP BY order_id) i
WHERE i.order_id = o.id;
