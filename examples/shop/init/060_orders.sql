SET search_path = shop, public;

-- By quarter; what is older or newer goes into the default partition until a migration makes room.
CREATE TABLE orders (
	id bigint NOT NULL,
	placed_at timestamptz NOT NULL,
	customer_id bigint NOT NULL REFERENCES customers,
	status order_status NOT NULL DEFAULT 'cart',
	method payment_method,
	PRIMARY KEY (id, placed_at)
) PARTITION BY RANGE (placed_at);
CREATE TABLE orders_2025q3 PARTITION OF orders FOR VALUES FROM ('2025-07-01 00:00+00') TO ('2025-10-01 00:00+00');
CREATE TABLE orders_2025q4 PARTITION OF orders FOR VALUES FROM ('2025-10-01 00:00+00') TO ('2026-01-01 00:00+00');
CREATE TABLE orders_other PARTITION OF orders DEFAULT;
CREATE INDEX orders_customer ON orders (customer_id, placed_at DESC);

CREATE TABLE order_items (
	order_id bigint NOT NULL,
	placed_at timestamptz NOT NULL,
	line int NOT NULL CHECK (line > 0),
	product_id bigint NOT NULL REFERENCES products,
	quantity int NOT NULL CHECK (quantity BETWEEN 1 AND 999),
	unit_price amount NOT NULL,
	PRIMARY KEY (order_id, line),
	FOREIGN KEY (order_id, placed_at) REFERENCES orders ON DELETE CASCADE
);
