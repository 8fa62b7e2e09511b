SET search_path = shop, public;

CREATE TABLE addresses (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
	kind text NOT NULL CHECK (kind IN ('billing', 'shipping')),
	place postal NOT NULL,
	is_default boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX addresses_default ON addresses (customer_id, kind) WHERE is_default;

INSERT INTO addresses (customer_id, kind, place, is_default)
SELECT id, k, ROW('Main street ' || id, lpad((id % 99999)::text, 5, '0'), 'Town ' || id % 50, country)::postal, true
FROM customers, unnest(ARRAY['billing', 'shipping']) AS k
WHERE id % 2 = 0 OR k = 'billing';
