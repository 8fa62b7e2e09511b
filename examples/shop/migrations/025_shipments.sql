SET search_path = shop, public;

CREATE TABLE shipments (
	id bigint GENERATED ALWAYS AS IDENTITY (START WITH 5000 INCREMENT BY 5) PRIMARY KEY,
	order_id bigint NOT NULL,
	placed_at timestamptz NOT NULL,
	parcels int[] NOT NULL,
	sent tstzrange NOT NULL,
	FOREIGN KEY (order_id, placed_at) REFERENCES orders
);
INSERT INTO shipments (order_id, placed_at, parcels, sent)
SELECT id, placed_at, ARRAY[id::int % 3 + 1, 1], tstzrange(placed_at, placed_at + interval '2 days')
FROM orders WHERE status IN ('delivered', 'returned') ORDER BY id;
CREATE INDEX shipments_sent ON shipments USING gist (sent);
CREATE INDEX shipments_placed ON shipments USING brin (placed_at);
