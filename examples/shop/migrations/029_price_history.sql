SET search_path = shop, public;

CREATE TABLE prices (
	product_id bigint NOT NULL REFERENCES products,
	since timestamptz NOT NULL DEFAULT clock(),
	seq int NOT NULL,
	price amount NOT NULL,
	PRIMARY KEY (product_id, seq)
);
INSERT INTO prices SELECT id, timestamptz '2024-01-01 00:00+00', 1, price FROM products;

CREATE FUNCTION note_price() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO prices (product_id, seq, price)
	SELECT NEW.id, 1 + max(seq), NEW.price FROM prices WHERE product_id = NEW.id;
	RETURN NEW;
END
$$;
CREATE TRIGGER price_changed BEFORE UPDATE OF price ON products
	FOR EACH ROW WHEN (OLD.price IS DISTINCT FROM NEW.price) EXECUTE FUNCTION note_price();
