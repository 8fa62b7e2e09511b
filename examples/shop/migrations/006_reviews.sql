SET search_path = shop, public;

CREATE TABLE reviews (
	product_id bigint REFERENCES products ON DELETE CASCADE,
	customer_id bigint REFERENCES customers ON DELETE CASCADE,
	rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
	words text,
	PRIMARY KEY (product_id, customer_id)
);
INSERT INTO reviews
SELECT 1 + i * 7 % 600, 1 + i * 13 % 1200, 1 + (i * i) % 5, CASE WHEN i % 3 = 0 THEN E'It\'s\tfine;\nreally' END
FROM generate_series(1, 2500) AS i
ON CONFLICT DO NOTHING;
