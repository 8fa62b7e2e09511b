SET search_path = shop, public;

CREATE TABLE wishes (
	customer_id bigint REFERENCES customers ON DELETE CASCADE,
	product_id bigint REFERENCES products ON DELETE CASCADE,
	priority int NOT NULL DEFAULT 0,
	PRIMARY KEY (customer_id, product_id)
);
INSERT INTO wishes (customer_id, product_id) SELECT 1 + i % 200, 1 + i * 11 % 600 FROM generate_series(1, 800) AS i ON CONFLICT DO NOTHING;

MERGE INTO wishes w
USING (SELECT customer_id, product_id, rating FROM reviews WHERE customer_id <= 200) r
ON w.customer_id = r.customer_id AND w.product_id = r.product_id
WHEN MATCHED AND r.rating <= 2 THEN DELETE
WHEN MATCHED THEN UPDATE SET priority = r.rating
WHEN NOT MATCHED AND r.rating = 5 THEN INSERT VALUES (r.customer_id, r.product_id, 9);
