SET search_path = shop, public;

CREATE TABLE variants (
	product_id bigint NOT NULL REFERENCES products,
	size text,
	colour text,
	extra amount NOT NULL DEFAULT 0,
	UNIQUE NULLS NOT DISTINCT (product_id, size, colour)
);
INSERT INTO variants (product_id, size, colour)
SELECT id, s, c FROM products, unnest(ARRAY['S', 'L', NULL]) AS s, unnest(ARRAY['red', NULL]) AS c WHERE id % 10 = 3;
