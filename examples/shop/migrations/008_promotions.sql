SET search_path = shop, public;

-- No two promotions of one product at the same time.
CREATE TABLE promotions (
	product_id bigint NOT NULL REFERENCES products,
	during daterange NOT NULL CHECK (NOT isempty(during)),
	percent numeric(4, 1) NOT NULL CHECK (percent > 0 AND percent < 100),
	EXCLUDE USING gist (int8range(product_id, product_id, '[]') WITH &&, during WITH &&)
);
INSERT INTO promotions
SELECT id, daterange(date '2025-11-20' + (id % 5)::int, date '2025-12-01' + (id % 5)::int), 5 + id % 20
FROM products WHERE id % 6 = 0;
